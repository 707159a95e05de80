package cli

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Flags of kube-network-policies, as flannel's chart and others state them, and what the agent is
// told.
func TestNetpolFlags(t *testing.T) {
	t.Setenv("NODE_NAME", "")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string][]string{
		// flannel's chart
		"--hostname-override=n1 --v=2": {"agent", "--drop-events=false", "--node-name=n1"},
		"-hostname-override n1 -v 4":   {"agent", "--drop-events=false", "--node-name=n1", "--log-level=debug"},
		"":                             {"agent", "--drop-events=false", "--node-name=" + strings.ToLower(host)},
		"--hostname-override=N1":       {"agent", "--drop-events=false", "--node-name=n1"},
		"--hostname-override=n1 --kubeconfig=/k --metrics-bind-address=:9080 --logging-format=json": {
			"agent", "--drop-events=false", "--kubeconfig=/k", "--health-addr=:9080", "--log-format=json", "--node-name=n1"},
		"--hostname-override=n1 --fail-open=false --disable-nri --admin-network-policy=false": {
			"agent", "--drop-events=false", "--node-name=n1"},
	} {
		agent, warnings, err := netpolArgs(strings.Fields(given), nil)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%q: %v, warnings %q", given, err, warnings)
		}
		if diff := cmp.Diff(want, agent); diff != "" {
			t.Errorf("%q: %s", given, diff)
		}
	}
	t.Setenv("NODE_NAME", "n2")
	if agent, _, _ := netpolArgs(nil, nil); !slices.Equal(agent, []string{"agent", "--drop-events=false"}) {
		t.Errorf("with NODE_NAME: %q", agent)
	}
}

// The agent knows each flag that it is given in their place.
func TestNetpolArgumentsAreTheAgents(t *testing.T) {
	args := (&netpolFlags{"/k", "n1", ":1", "json", 9}).agentArgs()
	if err := newAgentCmd().ParseFlags(args[1:]); err != nil {
		t.Errorf("%q: %v", args, err)
	}
}

// What has no effect is one warning, and the agent runs all the same.
func TestNetpolWarnsOnce(t *testing.T) {
	for flag, want := range map[string]string{
		"--fail-open":              "the last rules stay",
		"--fail-open=true":         "the last rules stay",
		"--nfqueue-id=7":           "no packet is queued",
		"--nfqueue-id 7":           "no packet is queued",
		"--disable-nri=false":      "the container runtime is not asked",
		"--vmodule=engine=4":       "expected --v",
		"--log-flush-frequency=5s": "written at once",
	} {
		var ran []string
		var out, complaints strings.Builder
		code := runNetpol(strings.Fields(flag+" "+flag+" --hostname-override=n1"),
			func(args []string) int { ran = args; return 7 }, streams{nil, &out, &complaints})
		if code != 7 || !slices.Equal(ran, []string{"agent", "--drop-events=false", "--node-name=n1"}) {
			t.Errorf("%s: exit code %d, ran %q", flag, code, ran)
		}
		said := complaints.String()
		if strings.Count(said, "\n") != 1 || !strings.Contains(said, want) {
			t.Errorf("%s: expected one warning with %q:\n%s", flag, want, said)
		}
	}
}

// What asks for more than is enforced, or is no flag, is one error, and nothing runs.
func TestNetpolRefuses(t *testing.T) {
	for given, want := range map[string]string{
		"--admin-network-policy":               "such policies are not enforced",
		"--baseline-admin-network-policy=true": "such policies are not enforced",
		"--admin-network-policy=yes":           "such policies are not enforced",
		"--no-such-flag":                       "no-such-flag",
		"--v=high":                             "-v",
		"agent":                                `unexpected argument "agent"`,
	} {
		var out, complaints strings.Builder
		code := runNetpol(strings.Fields(given), func([]string) int {
			t.Errorf("%s: the agent ran", given)
			return 0
		}, streams{nil, &out, &complaints})
		said := complaints.String()
		if code != failed || strings.Count(said, "\n") != 1 || !strings.Contains(said, want) ||
			!strings.Contains(said, "netpol --help") {
			t.Errorf("%s: exit code %d; expected one error with %q:\n%s", given, code, want, said)
		}
	}
}

// Help is no error, and nothing runs.
func TestNetpolHelp(t *testing.T) {
	var out, complaints strings.Builder
	code := runNetpol([]string{"--help"}, func([]string) int { return 7 },
		streams{nil, &out, &complaints})
	for _, flag := range []string{"-hostname-override", "-fail-open", "-nfqueue-id"} {
		if code != 0 || !strings.Contains(out.String(), flag) || complaints.Len() > 0 {
			t.Errorf("exit code %d, no %s:\n%s%s", code, flag, out.String(), complaints.String())
		}
	}
}

// The operators' page has each flag that is understood, and no other.
func TestNetpolFlagsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../deploy/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## In flannel's chart\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, row := range regexp.MustCompile(`(?m)^\| .*$`).FindAllString(section, -1) {
		first, _, _ := strings.Cut(row[2:], " | ")
		for _, m := range regexp.MustCompile("`--([a-z0-9-]+\\*?)`").FindAllStringSubmatch(first, -1) {
			documented = append(documented, m[1])
		}
	}
	flags := flag.NewFlagSet(netpolName, flag.ContinueOnError)
	(&netpolFlags{}).bind(flags)
	for _, n := range noEffects {
		n.bind(flags, func(string) {})
	}
	used := map[string]bool{}
	flags.VisitAll(func(f *flag.Flag) {
		at := slices.IndexFunc(documented, func(d string) bool {
			start, many := strings.CutSuffix(d, "*")
			return d == f.Name || many && strings.HasPrefix(f.Name, start)
		})
		if at < 0 {
			t.Errorf("deploy/README.md does not have --%s", f.Name)
			return
		}
		used[documented[at]] = true
	})
	for _, d := range documented {
		if !used[d] {
			t.Errorf("deploy/README.md has --%s, which is not understood", d)
		}
	}
}
