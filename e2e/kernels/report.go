package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// outcomes are what all checks said, one of each kernel and check, as KERNELS.json keeps them.
type outcomes []outcome

// put adds outcomes, each in the place of an earlier one of the same kernel and check.
func (os outcomes) put(list []outcome) outcomes {
	for _, o := range list {
		at := slices.IndexFunc(os, func(old outcome) bool {
			return old.Kernel == o.Kernel && old.Check == o.Check
		})
		if at < 0 {
			os = append(os, o)
		} else {
			os[at] = o
		}
	}
	return os
}

// of returns what a check said under a kernel; ok is false where it was not run.
func (os outcomes) of(kernel, check string) (o outcome, ok bool) {
	at := slices.IndexFunc(os, func(o outcome) bool { return o.Kernel == kernel && o.Check == check })
	if at < 0 {
		return outcome{}, false
	}
	return os[at], true
}

// The files that are written, from the repository's root.
const (
	dataFile   = "e2e/KERNELS.json"
	pageFile   = "e2e/KERNELS.md"
	deployFile = "deploy/README.md"
)

// The lines of deployFile between which the table of kernels stands.
const (
	deployBegin = "<!-- made by make kernels -->\n"
	deployEnd   = "<!-- end -->\n"
)

// write takes new outcomes into KERNELS.json, and makes KERNELS.md and the part of deploy/README.md
// from all.
func write(root string, list []outcome) error {
	all, err := readOutcomes(root)
	if err != nil {
		return err
	}
	all = all.put(list)
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	page, err := os.ReadFile(filepath.Join(root, deployFile))
	if err != nil {
		return err
	}
	deploy, err := replaced(string(page), all.deployTable())
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(root, dataFile), append(data, '\n'), 0o644),
		os.WriteFile(filepath.Join(root, pageFile), []byte(all.page()), 0o644),
		os.WriteFile(filepath.Join(root, deployFile), []byte(deploy), 0o644),
	)
}

// readOutcomes reads KERNELS.json; without such a file there are none.
func readOutcomes(root string) (all outcomes, err error) {
	data, err := os.ReadFile(filepath.Join(root, dataFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dataFile, err)
	}
	return all, nil
}

// replaced puts a table between the two lines of a page.
func replaced(page, table string) (string, error) {
	before, rest, found := strings.Cut(page, deployBegin)
	_, after, ends := strings.Cut(rest, deployEnd)
	if !found || !ends {
		return "", fmt.Errorf("%s: expected the lines %q and %q", deployFile, deployBegin, deployEnd)
	}
	return before + deployBegin + table + deployEnd + after, nil
}

const pageHead = `# Kernels

Unmodified kernels of Debian, booted in virtual machines, with Picket's tests inside. Written by
` + "`make kernels`" + `; each cell is the latest run of its kernel and check. A number is how many tests
passed, (n) how many were skipped, for the reasons below; the time is in seconds. The machines have one
processor; where it is translated in software they are ten times slower than the machine around them.

`

const modulesHead = `Of those that a node has loaded or loads when they are asked for. What needs one of these is not
played.

`

// page is KERNELS.md.
func (os outcomes) page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	b.WriteString(os.checkTable() + "\n" + os.kernelTable())
	b.WriteString("\n## What each lacks\n\n" + os.lacks())
	b.WriteString("\n## Modules that did not load\n\n" + modulesHead + os.missing())
	b.WriteString("\n## Failed\n\n" + os.reasons(func(o outcome) map[string]string {
		failed := map[string]string{}
		for _, name := range o.Failed {
			failed[name] = ""
		}
		return failed
	}))
	b.WriteString("\n## Skipped\n\n" + os.reasons(func(o outcome) map[string]string { return o.Skipped }))
	return b.String()
}

// tried are the kernels of which there is an outcome.
func (os outcomes) tried() (list []kernel) {
	for _, k := range kernels {
		if slices.ContainsFunc(os, func(o outcome) bool { return o.Kernel == k.name }) {
			list = append(list, k)
		}
	}
	return list
}

// checkTable has a line a check and a column a kernel.
func (os outcomes) checkTable() string {
	tried := os.tried()
	head, rule := "| check | shows |", "|---|---|"
	for _, k := range tried {
		head += " " + k.name + " |"
		rule += "---:|"
	}
	text := head + "\n" + rule + "\n"
	for _, b := range boots() {
		for _, c := range b.checks {
			text += fmt.Sprintf("| %s | %s |", c.name, c.shows)
			for _, k := range tried {
				cell := "–"
				if o, ok := os.of(k.name, c.name); ok {
					cell = o.cell()
				}
				text += " " + cell + " |"
			}
			text += "\n"
		}
	}
	return text
}

// cell is an outcome in one cell.
func (o outcome) cell() string {
	text := fmt.Sprint(o.OK)
	if n := len(o.Skipped); n > 0 {
		text += fmt.Sprintf(" (%d)", n)
	}
	if n := len(o.Failed); n > 0 {
		text += fmt.Sprintf(", **%d failed**", n)
	}
	return fmt.Sprintf("%s, %d s", text, o.Seconds)
}

// kernelTable says what the kernels are, and what was tried with each.
func (os outcomes) kernelTable() string {
	text := "| | release | Debian's suite | who has it | tried | commit |\n|---|---|---|---|---|---|\n"
	for _, k := range os.tried() {
		all := os.under(k.name)
		text += fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", k.name, all.releases(), k.suite, k.who,
			all.dates(), all.commits())
	}
	return text
}

// under are the outcomes of a kernel, the oldest first.
func (os outcomes) under(kernel string) (list outcomes) {
	for _, o := range os {
		if o.Kernel == kernel {
			list = append(list, o)
		}
	}
	slices.SortStableFunc(list, func(a, b outcome) int { return strings.Compare(a.Date, b.Date) })
	return list
}

// dates says when the first and the last of them were, which need not be of one day.
func (os outcomes) dates() string {
	first, last := os[0].Date, os[len(os)-1].Date
	if first == last {
		return first
	}
	return first + " to " + last
}

// commits are all that were checked, in the order of their outcomes.
func (os outcomes) commits() string {
	return distinct(os, func(o outcome) string { return o.Commit })
}

// releases are all that were booted, in the order of their outcomes.
func (os outcomes) releases() string {
	return distinct(os, func(o outcome) string { return o.Release })
}

// distinct lists a part of each outcome, once.
func distinct(os outcomes, part func(outcome) string) string {
	var list []string
	for _, o := range os {
		if text := part(o); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// lacks lists what each kernel was found not to be able to do.
func (os outcomes) lacks() string {
	return os.eachKernel(func(o outcome) ([]string, bool) {
		var lacks []string
		for name, here := range o.Features {
			if !here {
				lacks = append(lacks, name)
			}
		}
		return lacks, len(o.Features) > 0
	})
}

// missing lists the modules that did not load.
func (os outcomes) missing() string {
	return os.eachKernel(func(o outcome) ([]string, bool) { return o.Missing, o.Missing != nil })
}

// eachKernel has a line a kernel with all that its outcomes name. known says whether an outcome can
// tell; where none can, nothing is known of the kernel.
func (os outcomes) eachKernel(of func(outcome) (list []string, known bool)) (text string) {
	for _, k := range os.tried() {
		all, asked := map[string]bool{}, false
		for _, o := range os.under(k.name) {
			list, known := of(o)
			asked = asked || known
			for _, name := range list {
				all[name] = true
			}
		}
		line := strings.Join(slices.Sorted(maps.Keys(all)), ", ")
		switch {
		case !asked:
			line = "not asked"
		case line == "":
			line = "nothing"
		}
		text += fmt.Sprintf("- %s: %s\n", k.name, line)
	}
	return text
}

// fate is a reason for which something happened to tests of a check, and the kernels under which it
// did.
type fate struct{ check, why, kernels string }

// reasons lists tests by what happened to them, those together to which the same happened.
func (os outcomes) reasons(of func(outcome) map[string]string) string {
	type test struct{ check, name, why string }
	where := map[test][]string{}
	for _, k := range os.tried() {
		for _, o := range os {
			for name, why := range of(o) {
				if t := (test{o.Check, name, why}); o.Kernel == k.name {
					where[t] = append(where[t], k.name)
				}
			}
		}
	}
	names := map[fate][]string{}
	for t, kernels := range where {
		f := fate{t.check, t.why, strings.Join(kernels, ", ")}
		names[f] = append(names[f], t.name)
	}
	var lines []string
	for f, list := range names {
		slices.Sort(list)
		line := fmt.Sprintf("- %s, on %s", f.check, f.kernels)
		if f.why != "" {
			line += ", " + strings.TrimPrefix(f.why, "SKIPPED, ")
		}
		lines = append(lines, line+": "+strings.Join(list, ", ")+"\n")
	}
	if len(lines) == 0 {
		return "None.\n"
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// deployTable says for operators how much of what was tried went well.
func (os outcomes) deployTable() string {
	text := "| kernel | who has it | checks | not run | passed | skipped | failed | tried |\n" +
		"|---|---|---:|---:|---:|---:|---:|---|\n"
	for _, k := range os.tried() {
		passed, skipped, failed, all := 0, 0, 0, os.under(k.name)
		for _, o := range all {
			passed, skipped, failed = passed+o.OK, skipped+len(o.Skipped), failed+len(o.Failed)
		}
		text += fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %d | %s |\n", all.releases(), k.who, len(all),
			os.notRun(k.name), passed, skipped, failed, all.dates())
	}
	return text
}

// notRun counts the checks that were never run under a kernel.
func (os outcomes) notRun(kernel string) (count int) {
	for _, b := range boots() {
		for _, c := range b.checks {
			if _, ok := os.of(kernel, c.name); !ok {
				count++
			}
		}
	}
	return count
}
