package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// table is what the kernel of a node holds, as the nft program reads it: the members of each set
// and the keys of each map, sorted.
type table map[string][]string

func (w *testCluster) table(node string) (table, error) {
	out, err := w.inNode(node, "", "nft", "-j", "list", "table", "inet", "picket")
	if err != nil {
		return nil, err
	}
	return parseTable([]byte(out))
}

// inNode runs a program on a node and returns what it says.
func (w *testCluster) inNode(node, stdin string, argv ...string) (string, error) {
	var out, problems bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &problems
	err := w.cluster.StartInNode(node, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", argv[0], err, &problems)
	}
	return out.String(), nil
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
