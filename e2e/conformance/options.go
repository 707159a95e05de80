package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
)

// options are the flags.
type options struct {
	variant, commit  string
	kubernetes       string
	netpol, cyclonus string
	results, logs    string
	focus            string
	smoke, sctp      bool
	jobs             int
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.StringVar(&o.variant, "variant", "",
		"what the cluster is, for instance: host-gw, kube-proxy nftables, IPv4")
	flags.StringVar(&o.commit, "commit", "", "what is tested")
	flags.StringVar(&o.kubernetes, "kubernetes", "", "the version that the cluster runs")
	flags.StringVar(&o.netpol, "netpol", "", "the binary of Kubernetes' suite; without it that "+
		"suite is left out")
	flags.StringVar(&o.cyclonus, "cyclonus", "",
		"the binary of cyclonus; without it that suite is left out")
	flags.StringVar(&o.results, "results", "",
		"the file RESULTS.md, beside which lie its data; whole runs are written there")
	flags.StringVar(&o.logs, "logs", "", "folder for logs and reports (default: a new one)")
	flags.StringVar(&o.focus, "focus", "", "regular expression: only these specs of Kubernetes' "+
		"suite, and no cyclonus")
	flags.BoolVar(&o.smoke, "smoke", false, "only ten fast specs of Kubernetes' suite that touch "+
		"everything, and no cyclonus")
	flags.BoolVar(&o.sctp, "sctp", false, "only what is about SCTP, of both suites")
	flags.IntVar(&o.jobs, "jobs", 3, "how many of Kubernetes' specs run at a time")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	return o, o.Validate()
}

// Validate says everything that is wrong with the flags.
func (o options) Validate() error {
	var errs []error
	refuse := func(wrong bool, text string) {
		if wrong {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(o.netpol == "" && o.cyclonus == "",
		"no suite; expected -netpol FILE, -cyclonus FILE or both")
	refuse(o.results != "" && (o.variant == "" || o.commit == "" || o.kubernetes == ""),
		"-results needs -variant, -commit and -kubernetes")
	refuse(o.partial() && o.netpol == "", "-smoke and -focus select specs of -netpol")
	refuse(o.jobs < 1, fmt.Sprintf("-jobs %d; expected at least 1", o.jobs))
	refuse(os.Getenv("KUBECONFIG") == "", "KUBECONFIG is not set; expected the file that says "+
		"how to reach the cluster")
	_, err := regexp.Compile(o.focus)
	return errors.Join(append(errs, err, found(o.netpol), found(o.cyclonus))...)
}

// partial reports whether only some of Kubernetes' specs are to run. Then cyclonus does not, and
// nothing is written.
func (o options) partial() bool { return o.smoke || o.focus != "" }

// want says which specs of Kubernetes' suite are selected. The focus has been validated.
func (o options) want() func(name string) bool {
	focus := regexp.MustCompile(o.focus)
	return func(name string) bool {
		return focus.MatchString(name) && (!o.smoke || slices.Contains(smoke, name)) &&
			(!o.sctp || needsSCTP(name))
	}
}
