package cli_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// verbs are the commands that picket's own help lists, with those below them: "sandbox run".
func verbs(t *testing.T, path ...string) []string {
	t.Helper()
	text, _ := succeed(t, append(path, "--help")...)
	_, list, found := strings.Cut(text, "Available Commands:\n")
	if !found {
		return nil
	}
	list, _, _ = strings.Cut(list, "\n\n")
	var all []string
	for line := range strings.Lines(list) {
		verb := append(slices.Clone(path), strings.Fields(line)[0])
		all = append(all, strings.Join(verb, " "))
		all = append(all, verbs(t, verb...)...)
	}
	return all
}

var flagLine = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--[a-z-]+.*$`)

// Every verb says what it does and what each of its flags means.
func TestHelp(t *testing.T) {
	all := verbs(t)
	for _, want := range []string{"agent", "render", "matrix", "cleanup", "version",
		"completion bash", "completion zsh", "completion fish"} {
		if !slices.Contains(all, want) {
			t.Errorf("no verb %s in %v", want, all)
		}
	}
	for _, verb := range all {
		help, stderr := succeed(t, append(strings.Fields(verb), "--help")...)
		if about, _, _ := strings.Cut(help, "Usage:"); len(about) < 10 || stderr != "" {
			t.Errorf("%s --help says too little: %q", verb, about)
		}
		for _, line := range flagLine.FindAllString(help, -1) {
			words := strings.Fields(line)
			if len(words) < 4 && !strings.Contains(line, "-h, --help") {
				t.Errorf("%s: a flag without a word on it: %s", verb, line)
			}
		}
	}
}

func TestHelpNamesTheFlags(t *testing.T) {
	for verb, flags := range map[string]string{
		"agent": "--node-name --kubeconfig --manifests --health-addr --deny --own-table " +
			"--log-format --log-level",
		"render": "--manifests --node-name --deny --pod-links --output",
		"matrix": "--manifests --port --protocol --family --output",
	} {
		help, _ := succeed(t, verb, "-h")
		for _, flag := range strings.Fields(flags) {
			if !strings.Contains(help, " "+flag+" ") {
				t.Errorf("%s -h does not name %s", verb, flag)
			}
		}
	}
}

// Without a verb the help is printed.
func TestNoVerbPrintsTheHelp(t *testing.T) {
	stdout, stderr := succeed(t)
	help, _ := succeed(t, "--help")
	if stdout != help || stderr != "" || !strings.Contains(help, "matrix") {
		t.Errorf("%q, %q", stdout, stderr)
	}
}

// Shells complete verbs and values.
func TestCompletion(t *testing.T) {
	for shell, word := range map[string]string{"bash": "__start_picket", "zsh": "#compdef picket",
		"fish": "complete -c picket"} {
		if script, _ := succeed(t, "completion", shell); !strings.Contains(script, word) {
			t.Errorf("%s: no %q in the script", shell, word)
		}
	}
	if words, _ := succeed(t, "__complete", "mat"); !strings.HasPrefix(words, "matrix\t") {
		t.Errorf("mat is completed to %q", words)
	}
}
