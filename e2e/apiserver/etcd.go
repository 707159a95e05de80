package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Compact makes etcd forget all that was before now.
func (s *Server) Compact() error {
	var status struct{ Header struct{ Revision string } }
	if err := s.etcd("maintenance/status", `{}`, &status); err != nil {
		return err
	}
	return s.etcd("kv/compaction", fmt.Sprintf(`{"revision": %q, "physical": true}`,
		status.Header.Revision), &struct{}{})
}

// etcd calls etcd's JSON gateway.
func (s *Server) etcd(method, body string, answer any) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: s.Dial,
		DisableKeepAlives: true}}
	response, err := client.Post("http://"+etcdAddr+"/v3/"+method, "application/json",
		bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd %s: %s", method, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
