package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/picket-project/picket/cmd/inspect/report"
	"github.com/picket-project/picket/cmd/inspect/report/page"
)

var shots = flag.String("shots", "", "folder for pictures of the page, to look at")

// browser is a tab of Chromium, and what it complained about.
type browser struct {
	*testing.T
	ctx context.Context

	mu     sync.Mutex // guards what the browser reports from a goroutine of its own
	wrong  []string
	folder string
}

// open starts Chromium. Without it the test is skipped, unless REQUIRE_CHROMIUM says that it must be
// there.
func open(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("REQUIRE_CHROMIUM") != "" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: no chromium; make page installs it")
	}
	// Chromium's sandbox cannot be used by root. The pages are our own.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.NoSandbox)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{T: t, ctx: ctx, folder: t.TempDir()}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.size(1280, 800)
	return b
}

// hear keeps what must not happen: errors, messages, and requests for anything but the page.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		b.wrong = append(b.wrong, fmt.Sprintf("console: %v", e.Type))
	case *log.EventEntryAdded:
		b.wrong = append(b.wrong, "log: "+e.Entry.Text)
	case *network.EventRequestWillBeSent:
		own := strings.HasPrefix(e.Request.URL, "file://"+b.folder)
		if !own && e.Request.URL != "about:blank" {
			b.wrong = append(b.wrong, "request: "+e.Request.URL)
		}
	}
}

// complaints returns what was wrong since it was asked last.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	wrong := b.wrong
	b.wrong = nil
	return wrong
}

func (b *browser) size(width, height int64) {
	b.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// eval runs a script in the page and returns its value.
func eval[T any](b *browser, script string) T {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.Fatalf("%s: %v", script, err)
	}
	return value
}

// until waits for a script to be true.
func (b *browser) until(script string) {
	b.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if eval[bool](b, script) {
			return
		}
	}
	b.Fatalf("%s does not become true; why says: %s", script, b.why())
}

// why is the text of the panel.
func (b *browser) why() string {
	b.Helper()
	return eval[string](b, `document.getElementById("why").innerText`)
}

// says wants texts in the panel.
func (b *browser) says(texts ...string) {
	b.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf(`document.getElementById("why").innerText.includes(%q)`, text))
	}
}

// shot keeps a picture, if somebody wants to look at it.
func (b *browser) shot(name string) {
	b.Helper()
	if *shots == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// load writes a page, opens it, and returns its address.
func (b *browser) load(in report.Input) string {
	b.Helper()
	data, err := report.New(in)
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.folder, fmt.Sprintf("page-%d.html", time.Now().UnixNano()))
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := page.Write(file, data); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	b.do(chromedp.Navigate("file://" + path))
	return path
}
