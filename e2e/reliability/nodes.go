package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/picket-project/picket/e2e/listing"
)

// inNode runs a program in a node and returns what it says.
func (s *testbed) inNode(node, stdin string, argv ...string) (string, error) {
	var out, problems bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &problems
	err := s.StartInNode(node, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", argv[0], err, &problems)
	}
	return out.String(), nil
}

// nft runs a script of the nft program in a node.
func (s *testbed) nft(node, script string) error {
	_, err := s.inNode(node, script, s.env.nft, "-f", "-")
	return err
}

// shell runs commands in a node.
func (s *testbed) shell(node, commands string) error {
	_, err := s.inNode(node, "", "sh", "-ec", commands)
	return err
}

// objects lists what a node's backend holds: the table inet picket, in the order of the nft
// program, or what is Picket's in legacy iptables and ipset.
func (s *testbed) objects(node string) ([]listing.Object, error) {
	return s.objectsOf(node, s.backendOf(node))
}

// objectsOf lists what a node holds in one of the backends.
func (s *testbed) objectsOf(node, backend string) ([]listing.Object, error) {
	if backend == iptables {
		return listing.ReadIPTables(func(words ...string) (string, error) {
			return s.inNode(node, "", words...)
		})
	}
	return listing.Read(func(options ...string) (string, error) {
		return s.inNode(node, "", slices.Concat([]string{s.env.nft}, options)...)
	})
}

// ruleset is the canonical text of a node's rules.
func (s *testbed) ruleset(node string) (string, error) {
	objects, err := s.objects(node)
	if err != nil {
		return "", err
	}
	return listing.Canonical(objects), nil
}

// owned reports whether the kernel keeps others from changing the table of a node.
func (s *testbed) owned(node string) (bool, error) {
	objects, err := s.objects(node)
	return slices.ContainsFunc(objects, func(o listing.Object) bool {
		return o.Kind == "table" && strings.Contains(strings.Join(o.Text, " "), "owner")
	}), err
}
