// Package page writes a report as one HTML file, which needs nothing else and asks nobody.
//
//	report.Data ── Write ──▶ page.html with page.css, its scripts, a drawing and the data in it
//
// # Contract
//   - Names, labels and annotations are a tenant's text. In the HTML they are escaped, in the data
//     every < > & is written as \u003c and so on, and the scripts make elements of texts only.
//   - A Content-Security-Policy forbids every request, and every script and style but the page's own,
//     which it names by their hashes.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/picket-project/picket/cmd/inspect/report"
)

//go:embed page.html page.css facts.js draw.js views.js
var files embed.FS

// Write writes the page.
func Write(w io.Writer, d report.Data) error {
	// Encoded this way, nothing in a text can end the script element that holds it.
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("write the data of the page: %w", err)
	}
	style := file("page.css")
	script := file("facts.js") + file("draw.js") + file("views.js")
	// What is put in is not looked through again, so that no text of a tenant is replaced.
	_, err = strings.NewReplacer(
		"{{styleHash}}", hash(style), "{{scriptHash}}", hash(script),
		"{{source}}", html.EscapeString(d.Source), "{{made}}", html.EscapeString(d.Made),
		"{{style}}", style, "{{script}}", script, "{{graph}}", graph(d), "{{data}}", string(data),
	).WriteString(w, file("page.html"))
	return err
}

// file returns a part of the page.
func file(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the compiler has put it in
	}
	return string(text)
}

// hash names a script or style in a Content-Security-Policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
