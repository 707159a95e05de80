package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// wrongObject is a file with something wrong in it; see cmd/cli/testdata/wrong.
type wrongObject struct {
	name, content string
	told          bool // it is to be reported
	denied        bool // other/cli may not reach bad/web on TCP port 80 then
}

// file is where it is stated; the extension says what it is written in.
func (w wrongObject) file() string { return "wrong" + filepath.Ext(w.name) }

// wrongObjects are the cases of the corpus, and some that would be too big for it.
func wrongObjects(source string) ([]wrongObject, error) {
	paths, err := filepath.Glob(filepath.Join(source, "cmd/cli/testdata/wrong/*.txtar"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no wrong objects below %s: %w", source, err)
	}
	all := hugeObjects()
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, casesOf(filepath.Base(path), sections(string(text)))...)
	}
	return all, nil
}

// casesOf makes cases of the sections of one archive.
func casesOf(name string, sections map[string]string) (all []wrongObject) {
	for file, content := range sections {
		row, extension := strings.TrimSuffix(file, filepath.Ext(file)), filepath.Ext(file)
		if extension != ".yaml" && extension != ".json" {
			continue
		}
		flows, own := sections[row+".flows"]
		if !own {
			flows = sections["flows"]
		}
		all = append(all, wrongObject{
			name: name + "/" + file, content: content,
			told: strings.TrimSpace(sections[row+".want"]) != "",
			denied: strings.Contains(strings.Join(strings.Fields(flows), " ")+" ",
				"deny other/cli > bad/web TCP 80 "),
		})
	}
	return all
}

// sections are the files of a txtar archive by name.
func sections(text string) map[string]string {
	all, name := map[string]string{}, ""
	for line := range strings.Lines(text) {
		if inner, is := strings.CutPrefix(strings.TrimSpace(line), "-- "); is &&
			strings.HasSuffix(inner, " --") {
			name = strings.TrimSuffix(inner, " --")
			all[name] = ""
			continue
		}
		all[name] += line
	}
	return all
}

// hugeObjects are of about 1 MiB, or become so for whoever reads them carelessly.
func hugeObjects() []wrongObject {
	const mebi = 1 << 20
	const head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: " +
		"bad, name: p%s}\nspec: %s\n"
	const web = "{podSelector: {matchLabels: {app: web}}}"
	var blocks, bomb strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&blocks, "{ipBlock: {cidr: 100.%d.%d.1/32}}, ", i/250, i%250)
	}
	for i := range 9 {
		fmt.Fprintf(&bomb, "a%d: &a%[1]d [%s]\n", i+1,
			strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return []wrongObject{
		{name: "an annotation.yaml",
			content: fmt.Sprintf(head, ", annotations: {a: "+strings.Repeat("x", mebi)+"}", web),
			denied:  true},
		{name: "a label.yaml",
			content: fmt.Sprintf(head, "", "{podSelector: {matchLabels: {app: "+strings.Repeat("x",
				mebi)+"}}}"), told: true},
		{name: "blocks.yaml",
			content: fmt.Sprintf(head, "",
				"{podSelector: {matchLabels: {app: web}}, ingress: "+
					"[{from: ["+blocks.String()+"]}]}"),
			denied: true},
		{name: "levels.yaml", content: fmt.Sprintf(head, "", strings.Repeat("[", mebi)),
			told: true},
		{name: "levels.json", content: strings.Repeat(`{"a":`, mebi/5), told: true},
		{name: "a bomb.yaml", content: fmt.Sprintf(head, "", "{}") + "a0: &a0 x\n" + bomb.String(),
			told: true},
		{name: "zeros.yaml", content: strings.Repeat("\x00", mebi), told: true},
	}
}
