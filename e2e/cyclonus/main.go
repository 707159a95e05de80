// Command cyclonus is `cyclonus generate` as its library has it and its own command line has not: with the probes of a
// pod in one batch. A step is 324 probes; one exec for each takes half a minute on two cores, nine execs take two
// seconds. Cases, expectations, comparison and output are cyclonus' own.
//
//	cyclonus generate --exclude=sctp --destination-type=pod-ip --junit-results-file FILE
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/mattfenwick/cyclonus/pkg/connectivity"
	"github.com/mattfenwick/cyclonus/pkg/connectivity/probe"
	"github.com/mattfenwick/cyclonus/pkg/generator"
	"github.com/mattfenwick/cyclonus/pkg/kube"
	"github.com/spf13/cobra"
	v1 "k8s.io/api/core/v1"
)

func main() {
	root := &cobra.Command{Use: "cyclonus", SilenceUsage: true}
	root.AddCommand(newGenerateCmd())
	if root.Execute() != nil {
		os.Exit(1)
	}
}

// options are those of cyclonus generate that are used here.
type options struct {
	mock, dryRun            bool
	include, exclude        []string
	protocols               []string
	destination, report     string
	retries, wait, creation int
}

// namespaces and pods are cyclonus' own; its cases select them by name.
var (
	namespaces = []string{"x", "y", "z"}
	pods       = []string{"a", "b", "c"}
	ports      = []int{80, 81}
)

func newGenerateCmd() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "generate", Short: "Generate policies and probe who reaches whom", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.generate() },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.mock, "mock", false, "do without a cluster")
	flags.BoolVar(&o.dryRun, "dry-run", false, "list the cases")
	flags.StringSliceVar(&o.include, "include", nil, "tags of the cases to run; all if empty")
	flags.StringSliceVar(&o.exclude, "exclude", nil, "tags of the cases to leave out")
	flags.StringSliceVar(&o.protocols, "server-protocol", []string{"TCP", "UDP"}, "protocols that the pods serve")
	flags.StringVar(&o.destination, "destination-type", "", "how a probe addresses a pod, such as pod-ip")
	flags.StringVar(&o.report, "junit-results-file", "", "file for the report")
	flags.IntVar(&o.retries, "retries", 1, "how often a step is probed again whose results are wrong")
	flags.IntVar(&o.wait, "perturbation-wait-seconds", 1, "time between a change and the probes, which cyclonus itself gives five")
	flags.IntVar(&o.creation, "pod-creation-timeout-seconds", 60, "time for the pods to start")
	return cmd
}

func (o *options) generate() error {
	cluster, err := o.cluster()
	if err != nil {
		return err
	}
	resources, err := probe.NewDefaultResources(cluster, namespaces, pods, ports, o.serverProtocols(), nil, o.creation, true, "")
	if err != nil {
		return err
	}
	target, err := resources.GetPod("z", "c")
	if err != nil {
		return err
	}
	cases := generator.NewTestCaseGenerator(true, target.IP, namespaces, o.include, o.exclude).GenerateTestCases()
	for i, c := range cases {
		fmt.Printf("test #%d: %s\n - tags: %s\n", i+1, c.Description, strings.Join(c.Tags.Keys(), ", "))
	}
	if o.dryRun {
		return nil
	}
	if err := o.address(cases); err != nil {
		return err
	}
	return o.execute(cluster, resources, cases)
}

func (o *options) cluster() (kube.IKubernetes, error) {
	if o.mock {
		return kube.NewMockKubernetes(1), nil
	}
	return kube.NewKubernetesForContext("")
}

func (o *options) serverProtocols() (list []v1.Protocol) {
	for _, p := range o.protocols {
		list = append(list, v1.Protocol(p))
	}
	return list
}

// address sets how the probes of all cases address a pod.
func (o *options) address(cases []*generator.TestCase) error {
	if o.destination == "" {
		return nil
	}
	mode, err := generator.ParseProbeMode(o.destination)
	if err != nil {
		return err
	}
	for _, c := range cases {
		for _, step := range c.Steps {
			step.Probe.Mode = mode
		}
	}
	return nil
}

// execute runs the cases one after another. A pod reaches itself without leaving its network namespace, whatever
// cyclonus expects.
func (o *options) execute(cluster kube.IKubernetes, resources *probe.Resources, cases []*generator.TestCase) error {
	interpreter := connectivity.NewInterpreter(cluster, resources, &connectivity.InterpreterConfig{
		ResetClusterBeforeTestCase: true, VerifyClusterStateBeforeTestCase: true, BatchJobs: true, IgnoreLoopback: true,
		KubeProbeRetries: o.retries, PerturbationWaitSeconds: o.wait, JobTimeoutSeconds: 1,
	})
	printer := &connectivity.Printer{IgnoreLoopback: true, JunitResultsFile: o.report}
	for i, c := range cases {
		fmt.Printf("starting test case #%d\n", i+1)
		result := interpreter.ExecuteTestCase(c)
		if result.Err != nil {
			return fmt.Errorf("case #%d: %w", i+1, result.Err)
		}
		printer.PrintTestCaseResult(result)
		fmt.Printf("finished policy #%d\n", i+1)
	}
	printer.PrintSummary()
	return nil
}
