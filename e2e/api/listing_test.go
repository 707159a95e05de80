package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// listing is all that the kernel of a node holds of Picket's, a line an object. It is the same for the same rules:
// without handles, counts, owners or the order in which things were made, but that of rules.
func (w *world) listing(node string) ([]string, error) {
	out, err := w.inNode(node, "", "nft", "-j", "list", "table", "inet", "picket")
	if err != nil {
		return nil, err
	}
	var parsed struct{ Nftables []map[string]map[string]any }
	if err := json.Unmarshal([]byte(out), &parsed); err != nil {
		return nil, fmt.Errorf("nft -j: %w", err)
	}
	var lines []string
	rules := map[any]int{} // of each chain
	for _, object := range parsed.Nftables {
		for kind, about := range object {
			place := ""
			if chain := about["chain"]; kind == "rule" {
				place = fmt.Sprintf(" %v #%03d", chain, rules[chain])
				rules[chain]++
			}
			if lasting(kind, about) {
				text, _ := json.Marshal(plain(about)) // it was JSON before
				lines = append(lines, fmt.Sprintf("%s%s %s", kind, place, text))
			}
		}
	}
	slices.Sort(lines)
	return lines, nil
}

// lasting reports whether an object follows from what the API server says alone. The chain and the sets by which
// open connections are cut follow from what was open.
func lasting(kind string, about map[string]any) bool {
	name := about["name"]
	if kind == "rule" {
		name = about["chain"]
	}
	return kind != "metainfo" && kind != "table" && !strings.HasPrefix(fmt.Sprint(name), "cut")
}

// plain copies a value without what differs between two tables of the same rules.
func plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		same := map[string]any{}
		for name, part := range v {
			if name != "handle" && name != "packets" && name != "bytes" {
				same[name] = plain(part)
			}
		}
		if elements, is := same["elem"].([]any); is {
			slices.SortFunc(elements, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		return same
	case []any:
		same := make([]any, len(v))
		for i, part := range v {
			same[i] = plain(part)
		}
		return same
	default:
		return v
	}
}

// settled is what the kernels hold, agent by agent, once that does not change any more.
func (w *world) settled() (all [][]string) {
	w.Helper()
	for _, a := range w.agents {
		var last []string
		eventually(w.T, wait, func() error {
			time.Sleep(200 * time.Millisecond)
			now, err := w.listing(a.node)
			if err == nil && !slices.Equal(now, last) {
				err = fmt.Errorf("the rules of %s still change", a.node)
			}
			last = now
			return err
		})
		all = append(all, last)
	}
	return all
}

// areAsFresh compares what kernels held with what agents make that find nothing there.
func (w *world) areAsFresh(held [][]string) {
	w.Helper()
	var all sync.WaitGroup
	for i, a := range w.agents {
		all.Go(func() {
			if err := w.compareWithFresh(a, held[i]); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
}

func (w *world) compareWithFresh(a *agent, held []string) error {
	stop(a.cmd)
	if _, err := w.inNode(a.node, "", program(), "cleanup"); err != nil {
		return err
	}
	if err := errors.Join(a.start(), poll(wait, a.isReady)); err != nil {
		return err
	}
	fresh, err := w.listing(a.node)
	if err == nil && len(fresh) == 0 {
		err = fmt.Errorf("a fresh agent of %s makes nothing", a.node)
	}
	return errors.Join(err, firstOf(without(held, fresh), a.node+": the kernel held what a fresh agent does not make"),
		firstOf(without(fresh, held), a.node+": the kernel lacked what a fresh agent makes"))
}

// firstOf complains of lines, of which one says enough.
func firstOf(lines []string, complaint string) error {
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %.300s (%d lines)", complaint, lines[0], len(lines))
}
