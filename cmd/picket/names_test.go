package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/cmd/cli"
)

// helpOf returns what the program says of a verb; ok is false where there is none.
func helpOf(verb ...string) (help string, ok bool) {
	var out, problems strings.Builder
	code := cli.Main(append(verb, "--help"), strings.NewReader(""), &out, &problems)
	return out.String(), code == 0 && strings.Contains(out.String(), "picket "+strings.Join(verb, " "))
}

var (
	// call is a command of ours in a text: the verb, and what follows on the line.
	call     = regexp.MustCompile(`^(?:\$ )?(?:bin/)?picket ([a-z][a-z-]*)($| +[^ ].*)`)
	longFlag = regexp.MustCompile(` --([a-z][a-z-]*)`)
	// others is where a line goes on with another program, or a comment.
	others = regexp.MustCompile(`[|;#>]|&&`)
)

// commands are the lines of a text's code, and what stands in backquotes.
func (x text) commands() []string {
	all := slices.Clone(x.codes)
	for _, span := range codeSpan.FindAllString(strings.Join(x.prose, "\n"), -1) {
		all = append(all, strings.ReplaceAll(strings.Trim(span, "`"), "\n", " "))
	}
	return all
}

// Verbs and their flags that texts name are those of the program.
func TestTextsNameVerbsAndFlagsThatExist(t *testing.T) {
	seen := 0
	for _, x := range texts(t) {
		for _, line := range x.commands() {
			match := call.FindStringSubmatch(line)
			if match == nil {
				continue
			}
			seen++
			verb, rest := []string{match[1]}, others.Split(match[2], 2)[0]
			if words := strings.Fields(rest); verb[0] == "sandbox" && len(words) > 0 {
				verb = append(verb, words[0])
			}
			help, ok := helpOf(verb...)
			if !ok {
				t.Errorf("%s: %q: there is no verb %s", x.path, line, strings.Join(verb, " "))
			}
			for _, flag := range longFlag.FindAllStringSubmatch(rest, -1) {
				if ok && !strings.Contains(help, "--"+flag[1]+" ") {
					t.Errorf("%s: %q: %s has no --%s", x.path, line, strings.Join(verb, " "), flag[1])
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d commands; expected more", seen)
	}
}

// rowOfFlag is a line of the table of the agent's flags, lineOfFlag one of its help.
var (
	rowOfFlag  = regexp.MustCompile("(?m)^\\| `--([a-z-]+)`[^|]*\\| (?:`([^`]*)` )?\\|")
	lineOfFlag = regexp.MustCompile(`(?m)^ +(?:-\w, |    )--([a-z-]+).*$`)
)

// The table of the agent's flags has each of them, with its default.
func TestTableOfFlags(t *testing.T) {
	whole := readFile(t, filepath.Join(repository, "deploy", "README.md"))
	_, section, _ := strings.Cut(whole, "\n## Flags of the agent\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]string{}
	for _, row := range rowOfFlag.FindAllStringSubmatch(section, -1) {
		documented[row[1]] = row[2]
	}
	help, _ := helpOf("agent")
	exist := map[string]bool{}
	for _, line := range lineOfFlag.FindAllStringSubmatch(help, -1) {
		name := line[1]
		if name == "help" {
			continue
		}
		exist[name] = true
		value, has := documented[name]
		if !has {
			t.Errorf("the table lacks --%s", name)
		}
		in := func(form string) bool { return strings.Contains(line[0], fmt.Sprintf(form, value)) }
		silent := !strings.Contains(line[0], "(default ") &&
			(value == "" || value == "false" || value == "$NODE_NAME")
		if !silent && !in("(default %q)") && !in("(default %s)") {
			t.Errorf("--%s is %q in the table; expected what its help says: %s", name, value, line[0])
		}
	}
	for name := range documented {
		if !exist[name] {
			t.Errorf("the table has --%s; the agent has none", name)
		}
	}
}

var (
	metricName = regexp.MustCompile("`(picket_[a-z_]+)")
	alertName  = regexp.MustCompile(`\bPicket[A-Z]\w+`)
)

// Metrics and alerts that texts name exist: METRICS.md has all metrics, as a test of controller says.
func TestTextsNameMetricsAndAlertsThatExist(t *testing.T) {
	metrics := readFile(t, filepath.Join(repository, "deploy", "METRICS.md"))
	alerts := readFile(t, filepath.Join(repository, "deploy", "alerts", "picket.yaml"))
	seen := 0
	for _, x := range texts(t) {
		prose := strings.Join(x.prose, "\n")
		for _, name := range metricName.FindAllStringSubmatch(prose, -1) {
			seen++
			if !strings.Contains(metrics, "**`"+name[1]+"`**") {
				t.Errorf("%s: metric %s: METRICS.md does not have it", x.path, name[1])
			}
		}
		for _, name := range alertName.FindAllString(prose, -1) {
			seen++
			if !strings.Contains(alerts, "alert: "+name+"\n") {
				t.Errorf("%s: alert %s: there is none", x.path, name)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d names; expected more", seen)
	}
}
