package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// netpolName is the other name of the program in the image. Under it the program takes the place of
// kube-network-policies, which flannel's chart starts as /bin/netpol, and understands its flags.
const netpolName = "netpol"

// calledAsNetpol reports whether the program was started under its other name.
func calledAsNetpol() bool { return filepath.Base(os.Args[0]) == netpolName }

// noEffect is a flag of kube-network-policies that changes nothing here.
type noEffect struct {
	name, why string
	isSwitch  bool   // it is true or false, and may stand without a value
	silent    string // the value that asks for what is so anyway
	refused   bool   // true asks for what is not enforced: pods would be open that somebody closed
}

var noEffects = []noEffect{
	{"fail-open", "the last rules stay in force while no agent runs", true, "false", false},
	{"nfqueue-id", "no packet is queued", false, "", false},
	{"netfilter-bug-1766-fix", "no packet is queued", true, "", false},
	{"disable-nri", "the container runtime is not asked", true, "true", false},
	{"vmodule", "expected --v", false, "", false},
	{"log-flush-frequency", "each line is written at once", false, "", false},
	{"log-text-split-stream", "the log is one stream", true, "false", false},
	{"log-text-info-buffer-size", "each line is written at once", false, "", false},
	{"log-json-split-stream", "the log is one stream", true, "false", false},
	{"log-json-info-buffer-size", "each line is written at once", false, "", false},
	{"admin-network-policy", "expected NetworkPolicy alone", true, "false", true},
	{"baseline-admin-network-policy", "expected NetworkPolicy alone", true, "false", true},
}

// bind adds the flag. Its use is a warning, or an error.
func (n noEffect) bind(flags *flag.FlagSet, warn func(string)) {
	set := func(value string) error {
		switch {
		case value == n.silent:
		case n.refused:
			return fmt.Errorf("such policies are not enforced; %s", n.why)
		default:
			warn(fmt.Sprintf("--%s has no effect: %s", n.name, n.why))
		}
		return nil
	}
	if n.isSwitch {
		flags.BoolFunc(n.name, "without effect: "+n.why, set)
	} else {
		flags.Func(n.name, "without effect: "+n.why, set)
	}
}

// netpolFlags are the flags of kube-network-policies that mean something here.
type netpolFlags struct {
	kubeconfig, node, metrics, format string
	verbosity                         int
}

// bind adds the flags.
func (o *netpolFlags) bind(flags *flag.FlagSet) {
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig `file` of the cluster")
	flags.StringVar(&o.node, "hostname-override", "", "`name` of this node (default: of the host)")
	flags.StringVar(&o.metrics, "metrics-bind-address", "",
		"`address` for /healthz, /readyz and /metrics (default: that of picket agent)")
	flags.StringVar(&o.format, "logging-format", "", "text or json")
	flags.IntVar(&o.verbosity, "v", 0, "how much is logged: everything from 4 on")
}

// netpolArgs turns the flags of kube-network-policies into arguments of the verb agent. It returns a
// warning for each flag that has no effect, once. If help was asked for, it is written, and there
// are no arguments.
func netpolArgs(args []string, help io.Writer) (agent, warnings []string, err error) {
	var o netpolFlags
	flags := flag.NewFlagSet(netpolName, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error is returned
	o.bind(flags)
	for _, n := range noEffects {
		n.bind(flags, func(text string) {
			if !slices.Contains(warnings, text) {
				warnings = append(warnings, text)
			}
		})
	}
	err = flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(help)
		flags.PrintDefaults()
		return nil, nil, nil
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w; expected flags of kube-network-policies, see %s --help",
			err, netpolName)
	}
	return o.agentArgs(), warnings, nil
}

// runNetpol runs the agent as kube-network-policies is run.
func runNetpol(args []string, run func(args []string) int, s streams) int {
	agent, warnings, err := netpolArgs(args, s.out)
	for _, w := range warnings {
		fmt.Fprintf(s.err, "picket: warning: %s\n", w)
	}
	switch {
	case err != nil:
		tellError(s.err, err)
		return failed
	case agent == nil:
		return 0
	}
	return run(agent)
}

// agentArgs are the arguments of the verb agent that mean the same. The account that flannel's chart
// has for it may create no Events, so none are written of denied packets.
func (o *netpolFlags) agentArgs() []string {
	args := []string{"agent", "--drop-events=false"}
	for _, f := range [][2]string{{"kubeconfig", o.kubeconfig}, {"health-addr", o.metrics},
		{"log-format", o.format}, {"node-name", o.nodeName()}} {
		if f[1] != "" {
			args = append(args, "--"+f[0]+"="+f[1])
		}
	}
	if o.verbosity >= 4 {
		args = append(args, "--log-level=debug")
	}
	return args
}

// nodeName is the name as kube-network-policies finds it: as stated, else that of the host, in lower
// case as the kubelet has it. The variable NODE_NAME goes before the host's.
func (o *netpolFlags) nodeName() string {
	name := o.node
	if name == "" && os.Getenv("NODE_NAME") == "" {
		name, _ = os.Hostname() // without one the agent asks for --node-name
	}
	return strings.ToLower(strings.TrimSpace(name))
}
