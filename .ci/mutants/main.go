// Command mutants plants one fault at a time into the code and runs the tests that should notice.
// Every fault must be found: one that survives is a hole in the tests. Nothing in the checkout is
// changed: the compiler is given the faulty file as an overlay.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// suites are the tests that a fault is held against.
var suites = map[string][]string{
	"policy":     {"./ruleset/policy"},
	"compile":    {"./ruleset/compile", "-worlds=300", "-skip=^Test(RandomWorldsRepeat|ValidWorlds.*)$"},
	"graph":      {"./controller/graph", "-histories=100"},
	"ruleset":    {"./ruleset"},
	"steps":      {"./nft", "-run", "Groundwork|LargeSets|Passes"},
	"nft":        {"./nft"},
	"iptables":   {"./nft/iptables"},
	"ebtables":   {"./nft/iptables/ebtables"},
	"host":       {"./controller/host"},
	"controller": {"./controller"},
	"cluster":    {"./controller/source/cluster"},
	"manifests":  {"./controller/source/manifests"},
	"cli":        {"./cmd/cli", "-run=^Test(SeveralPaths|ProblemsOfTheInput|Netpol.*)$"},
	"conntrack":  {"./controller/conntrack"},
	"packets":    {"./cmd/sandbox", "-run=" + packets, "-packet-worlds=12"},
	"frame": {"./cmd/sandbox",
		"-run=^Test(Output|Tunnels|RejectThroughServices|LinkLocalIsNoWayAround)OnRealPackets$"},
	"bridges": {"./cmd/sandbox",
		"-run=^Test(Thief|Flood|GroupsOfBridges|ForgedSourceByOwnLink)OnRealPackets$"},
	"lesser": {"./cmd/sandbox", "-run=^TestLesserKernelsOnRealPackets$"},
}

// packets are the tests of what policies mean on real packets.
const packets = "^Test(Scenes|TerminatingNamespace|Errors.*|PodsAreNoRouters|OwnNode|Itself|Neighbours|Segment|ForgedSource|RandomWorlds)OnRealPackets$|Case"

func main() {
	only := flag.String("run", "", "plant only faults whose description contains this")
	checked := flag.Bool("checked", false,
		"the tests are known to pass without a fault, as after make test")
	fifth := flag.Int("fifth", -1, "plant every fifth fault only, which ones is the number modulo 5")
	build := flag.Bool("build", false, "only see that each fault compiles: minutes instead of hours")
	flag.Parse()
	var planted []mutant
	for i, m := range mutants {
		if strings.Contains(m.fault, *only) && (*fifth < 0 || i%5 == *fifth%5) {
			planted = append(planted, m)
		}
	}
	try := mutant.found
	if *build {
		*checked, try = true, mutant.compiles
	}
	if !*checked {
		checkSuites(planted)
	}
	verdicts := make([]chan string, len(planted))
	for i := range verdicts {
		verdicts[i] = make(chan string, 1)
	}
	go tryAll(planted, try, verdicts)
	survivors := 0
	for i, m := range planted {
		verdict := <-verdicts[i]
		fmt.Printf("%s  %-10s %s\n", verdict, m.suite, m.fault)
		if !strings.HasPrefix(verdict, found) {
			survivors++
		}
	}
	if survivors > 0 {
		fmt.Printf("%d faults were not found\n", survivors)
		os.Exit(1)
	}
}

// found is the verdict that every fault must get.
const found = "found"

// tryAll tries three faults at a time: tests of packets and of time mostly wait.
func tryAll(planted []mutant, try func(mutant) (bool, error), verdicts []chan string) {
	free := make(chan bool, 3)
	for i, m := range planted {
		free <- true
		go func() {
			verdicts[i] <- m.verdict(try)
			<-free
		}()
	}
}

// verdict says what came of a fault, and how long that took.
func (m mutant) verdict(try func(mutant) (bool, error)) string {
	began := time.Now()
	is, err := try(m)
	verdict := found
	switch {
	case err != nil:
		verdict = "UNUSABLE"
		fmt.Fprintf(os.Stderr, "mutants: %s: %v\n", m.fault, err)
	case !is:
		verdict = "SURVIVED"
	}
	return fmt.Sprintf("%-8s %5.1fs", verdict, time.Since(began).Seconds())
}

// checkSuites ends the program if tests fail without a fault: they would seem to find every one.
func checkSuites(planted []mutant) {
	passed := map[string]bool{}
	for _, m := range planted {
		if passed[m.suite] {
			continue
		}
		if out, err := exec.Command("go", append([]string{"test"},
			suites[m.suite]...)...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "mutants: the tests %s fail without a fault:\n%s\n", m.suite,
				out)
			os.Exit(2)
		}
		passed[m.suite] = true
	}
}

// mutant is one fault: in a file, the text that stands there once and what stands there instead.
type mutant struct {
	fault, suite, file, old, new string
}

// found plants the fault and reports whether the tests fail. A fault that does not compile is an
// error.
func (m mutant) found() (is bool, err error) {
	err = m.with(func(overlay string) error {
		args := append([]string{"test", "-failfast", "-timeout=5m", "-overlay", overlay},
			suites[m.suite]...)
		is = exec.Command("go", args...).Run() != nil
		return nil
	})
	return is, err
}

// compiles reports whether the faulty code does.
func (m mutant) compiles() (bool, error) {
	err := m.with(func(string) error { return nil })
	return err == nil, err
}

// with plants the fault, compiles the faulty code, and hands over its overlay.
func (m mutant) with(use func(overlay string) error) error {
	text, err := m.planted("")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(dir, text)
	if err != nil {
		return err
	}
	if out, err := exec.Command("go", "build", "-overlay", overlay, "./"+
		filepath.Dir(m.file)).CombinedOutput(); err != nil {
		return fmt.Errorf("does not compile: %s", out)
	}
	return use(overlay)
}

// planted returns the faulty file of a checkout in that folder.
func (m mutant) planted(folder string) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, m.file))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s holds the text %d times, expected once:\n%s", m.file, n, m.old)
	}
	return strings.Replace(string(text), m.old, m.new, 1), nil
}

// overlay writes the faulty file, and the file that tells the compiler to read it.
func (m mutant) overlay(dir, text string) (string, error) {
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	faulty, list := filepath.Join(dir, "faulty.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(faulty, []byte(text), 0o600); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]map[string]string{"Replace": {path: faulty}})
	if err != nil {
		return "", err
	}
	return list, os.WriteFile(list, data, 0o600)
}
