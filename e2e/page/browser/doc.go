// Package browser opens the page of "picket report" in a real browser, headless Chromium, and does there
// what people do: click, type, follow links, print. It also compares what the page's script explains
// with what "picket why" says.
//
//	make page
//
// With SHOTS=FOLDER it keeps pictures, to be looked at.
package browser
