// Command worker probes a batch of targets from within a pod, all at the same time, by the protocol of cyclonus'
// worker:
//
//	worker --jobs '{"Requests": [{"Key": "…", "Protocol": "TCP", "Host": "10.244.1.2", "Port": 80}]}'
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// batch, request and result are what cyclonus sends and expects, in its package worker. That package brings a client
// of Kubernetes along, which would be loaded for every batch.
type batch struct{ Requests []*request }

type request struct {
	Key, Protocol, Host string
	Port                int
}

type result struct {
	Request *request
	Output  string
	Error   string
}

// patience is how long a probe waits for an answer. What is denied is never answered; one second is too short on a
// machine that is busy.
const patience = 2 * time.Second

func main() {
	jobs := flag.String("jobs", "", "the batch as JSON")
	flag.Parse()
	var b batch
	if err := json.Unmarshal([]byte(*jobs), &b); err != nil {
		fmt.Fprintln(os.Stderr, "worker: --jobs:", err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(probeAll(b.Requests))
}

func probeAll(requests []*request) []*result {
	results := make([]*result, len(requests))
	var open sync.WaitGroup
	for i, r := range requests {
		open.Go(func() {
			results[i] = &result{Request: r}
			if err := probe(r); err != nil {
				results[i].Error = err.Error()
			}
		})
	}
	open.Wait()
	return results
}

// probe opens a connection; over UDP it waits for the server's answer.
func probe(r *request) error {
	network := strings.ToLower(r.Protocol)
	conn, err := net.DialTimeout(network, net.JoinHostPort(r.Host, strconv.Itoa(r.Port)), patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	if network != "udp" {
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte("hostname\n")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 512))
	return err
}
