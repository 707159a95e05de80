package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
)

// table is what the kernel of a node holds, as the nft program reads it: the members of each set and the keys
// of each map, sorted.
type table map[string][]string

func (w *world) table(node string) (table, error) {
	var out, problems bytes.Buffer
	cmd := exec.Command("nft", "-j", "list", "table", "inet", "picket")
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := w.cluster.StartInNode(node, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("nft: %w: %s", err, &problems)
	}
	return parseTable(out.Bytes())
}

func parseTable(data []byte) (table, error) {
	type set struct {
		Name string
		Elem []json.RawMessage
	}
	var listing struct{ Nftables []struct{ Set, Map *set } }
	if err := json.Unmarshal(data, &listing); err != nil {
		return nil, err
	}
	t := table{}
	for _, item := range listing.Nftables {
		for _, s := range []*set{item.Set, item.Map} {
			if s == nil {
				continue
			}
			t[s.Name] = []string{}
			for _, e := range s.Elem {
				t[s.Name] = append(t[s.Name], key(e))
			}
			slices.Sort(t[s.Name])
		}
	}
	return t, nil
}

// key is what an element is found by, without its comment and its verdict.
func key(element json.RawMessage) string {
	var text string
	var pair []json.RawMessage // key and verdict
	var wrapped struct{ Elem struct{ Val string } }
	switch {
	case json.Unmarshal(element, &text) == nil:
		return text
	case json.Unmarshal(element, &pair) == nil && len(pair) == 2:
		return key(pair[0])
	case json.Unmarshal(element, &wrapped) == nil && wrapped.Elem.Val != "":
		return wrapped.Elem.Val
	}
	return string(element)
}
