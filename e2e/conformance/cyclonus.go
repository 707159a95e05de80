package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// cyclonus generates policies, works out for itself who may reach whom on which port, and probes
// all pairs of its nine pods.
type cyclonus struct {
	binary string
	// dir takes its log and its report.
	dir string
	// onlySCTP has only the cases of SCTP run, and noSCTP is the reason to leave SCTP out, or empty.
	onlySCTP bool
	noSCTP   string
}

// cyclonusNamespaces are those of its pods. It cannot be told others: its cases select them by
// name.
var cyclonusNamespaces = []string{"x", "y", "z"}

func (cyclonus) Name() string { return "cyclonus" }

// protocols are those that its pods serve.
func (s cyclonus) protocols() string {
	if s.noSCTP != "" {
		return "TCP,UDP"
	}
	return "TCP,UDP,SCTP"
}

// Plan asks for all cases: by default cyclonus leaves out more than half of them.
func (s cyclonus) Plan(ctx context.Context) (Plan, error) {
	out, err := exec.CommandContext(ctx, s.binary, "generate", "--mock", "--dry-run", "--exclude=",
		"--include="+s.include(), "--server-protocol="+s.protocols()).Output()
	if err != nil {
		return Plan{}, fmt.Errorf("list the cases of cyclonus: %w", err)
	}
	var plan Plan
	for _, c := range readCases(string(out)) {
		plan.add(c.name, s.skip(c))
	}
	return plan, nil
}

// tagSCTP is that of the cases of SCTP.
const tagSCTP = "sctp"

// include is the tag of the cases to list and to run; empty: all.
func (s cyclonus) include() string {
	if s.onlySCTP {
		return tagSCTP
	}
	return ""
}

// skip says why a case cannot run here.
func (s cyclonus) skip(c listed) string {
	if slices.Contains(c.tags, tagSCTP) {
		return s.noSCTP
	}
	return ""
}

// Run runs all cases in one process. It writes its report when all is over, and says there of a
// case only whether it passed; everything else is in the log. That they disagree is an error.
func (s cyclonus) Run(ctx context.Context, plan Plan, report func(Case)) error {
	if err := removeNamespaces(ctx); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(s.dir, "cyclonus.log"))
	if err != nil {
		return err
	}
	defer file.Close()
	log := &caseLog{names: plan.Run, report: report}
	err = s.generate(ctx, file, log)
	// of cases that were not reached because somebody interrupted it, nothing is known
	if ctx.Err() == nil {
		log.end(err)
		err = errors.Join(err, s.compare(log.cases))
	}
	// Not with ctx: also an interrupted run leaves the cluster clean.
	return errors.Join(err, removeNamespaces(context.WithoutCancel(ctx)))
}

// generate runs the program and shows what it prints to the log while it runs.
func (s cyclonus) generate(ctx context.Context, file io.Writer, log *caseLog) error {
	cmd := exec.CommandContext(ctx, s.binary, append([]string{"generate"}, s.flags()...)...)
	gentle(cmd)
	reader, writer := io.Pipe()
	cmd.Stdout = io.MultiWriter(file, writer)
	cmd.Stderr = cmd.Stdout // one stream: the order of its lines says what belongs to which case
	done := make(chan error, 1)
	go func() { done <- log.read(reader) }()
	err := cmd.Run()
	writer.Close()
	if err != nil {
		err = fmt.Errorf("cyclonus ended early: %w", err)
	}
	return errors.Join(err, <-done)
}

// flags of a run. By address, because where there is no DNS a probe by name is always denied, and
// every denial looks right.
func (s cyclonus) flags() []string {
	exclude := ""
	if s.noSCTP != "" {
		exclude = tagSCTP
	}
	return []string{
		"--exclude=" + exclude, "--include=" + s.include(), "--destination-type=pod-ip",
		"--server-protocol=" + s.protocols(), "--perturbation-wait-seconds=2",
		"--pod-creation-timeout-seconds=300", "--retries=1", "--junit-results-file=" + s.reportFile(),
	}
}

func (s cyclonus) reportFile() string { return filepath.Join(s.dir, "cyclonus.xml") }

// compare holds what the log said against the report.
func (s cyclonus) compare(cases []Case) error {
	tests, err := readJUnit(s.reportFile())
	if err != nil {
		return err
	}
	if len(tests) != len(cases) {
		return fmt.Errorf("report of cyclonus: %d cases; expected %d", len(tests), len(cases))
	}
	for i, test := range tests {
		if outcome(test) != cases[i].Outcome || !strings.HasSuffix(cases[i].Name, test.Name) {
			return fmt.Errorf("report of cyclonus: %q %s; its log says: %q %s", test.Name,
				outcome(test), cases[i].Name, cases[i].Outcome)
		}
	}
	return nil
}

// removeNamespaces removes what a run leaves behind. A run would go on with the pods and labels of
// an earlier one.
func removeNamespaces(ctx context.Context) error {
	args := slices.Concat([]string{"delete", "namespace", "--ignore-not-found", "--timeout=5m"},
		cyclonusNamespaces)
	if out, err := exec.CommandContext(ctx, "kubectl", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("remove the namespaces of cyclonus: %w: %s", err, out)
	}
	return nil
}
