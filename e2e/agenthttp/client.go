// Package agenthttp asks a running agent over its health address, from inside of its node.
package agenthttp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/e2e/apiserver"
)

// DefaultAddr is the health address of an agent that was not told another one.
const DefaultAddr = "127.0.0.1:9470"

// Client asks the agent of one node.
type Client struct {
	node, addr string
	http       *http.Client
}

// New returns a client for the agent with that health address on a node. Every request has a
// connection of its own, since agents come and go.
func New(in *sandbox.Cluster, node, addr string) *Client {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: apiserver.Dialer(in, node)}
	return &Client{node, addr, &http.Client{Timeout: 2 * time.Second, Transport: transport}}
}

// Get returns the status and the body of an answer.
func (c *Client) Get(path string) (status int, body []byte, err error) {
	response, err := c.http.Get("http://" + c.addr + path)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready                      bool
	Reasons, Warnings, Pending map[string]string
	KernelLacks                []string
}

// Readiness asks for it. The status of the answer must say the same as its body.
func (c *Client) Readiness() (r Readiness, err error) {
	status, body, err := c.Get("/readyz")
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if err == nil && r.Ready != (status == http.StatusOK) {
		err = fmt.Errorf("%s: /readyz answers %d, ready: %t", c.node, status, r.Ready)
	}
	return r, err
}

// Ready is an error that says why the agent is not ready, nil if it is.
func (c *Client) Ready() error {
	r, err := c.Readiness()
	if err == nil && !r.Ready {
		err = fmt.Errorf("the agent of %s is not ready: %v", c.node, r.Reasons)
	}
	return err
}

// Idle is an error that says what the agent is finding out, or why it is not ready; nil if neither.
func (c *Client) Idle() error {
	r, err := c.Readiness()
	if err == nil && (!r.Ready || len(r.Pending) > 0) {
		err = fmt.Errorf("the agent of %s is busy: %v %v", c.node, r.Reasons, r.Pending)
	}
	return err
}

// Metrics returns the values of /metrics by their names, to which labels belong.
func (c *Client) Metrics() (map[string]float64, error) {
	_, body, err := c.Get("/metrics")
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if value, err := strconv.ParseFloat(lines.Text()[at+1:], 64); err == nil {
			all[lines.Text()[:at]] = value
		}
	}
	return all, nil
}
