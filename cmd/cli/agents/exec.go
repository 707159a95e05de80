package agents

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/source/client"
)

// relay says how to reach the agent of one pod.
type relay struct {
	config *rest.Config
	api    *client.Client
	pod    *corev1.Pod
}

// dial runs the relay in the pod; it ends with ctx, or when the connection is closed.
func (r relay) dial(ctx context.Context) (io.ReadWriteCloser, error) {
	if trouble := troubleOf(r.pod); trouble != "" {
		return nil, fmt.Errorf("its pod %s/%s %s; rules that are in force stay", r.pod.Namespace,
			r.pod.Name, trouble)
	}
	executor, err := r.executor()
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", r.pod.Namespace, r.pod.Name, err)
	}
	// What goes wrong is told by the connection, and by no log.
	ctx, stop := context.WithCancel(klog.NewContext(ctx, klog.Logger{}))
	// Each pipe has one end here and one in the request that runs the relay.
	input, toRelay := io.Pipe()
	fromRelay, output := io.Pipe()
	c := &conn{Reader: fromRelay, Writer: toRelay, ended: make(chan struct{}), close: func() {
		_ = toRelay.Close() // the relay ends at the end of its input
		_ = fromRelay.Close()
		stop()
	}}
	go func() {
		defer stop()
		said := &excerpt{}
		err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: input, Stdout: output,
			Stderr: said})
		// Whoever waits for the relay reads this after it is told that it has ended.
		c.why = r.explained(err, said.String())
		close(c.ended)
		_ = toRelay.Close()
		// Without an error the answer is at its end.
		_ = output.CloseWithError(c.why)
	}()
	return c, nil
}

// executor prefers a WebSocket, which passes by more proxies, and falls back to SPDY, which API
// servers before 1.30 need.
func (r relay) executor() (remotecommand.Executor, error) {
	// Standard error is asked for, too: there the relay says what went wrong.
	container := agentContainer(r.pod)
	url := r.api.ExecURL(r.pod.Namespace, r.pod.Name, &corev1.PodExecOptions{
		Container: container.Name, Command: []string{program(container), agent.RelayVerb},
		Stdin: true, Stdout: true, Stderr: true})
	socket, err := remotecommand.NewWebSocketExecutor(r.config, "GET", url.String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(r.config, "POST", url)
	if err != nil {
		return nil, err
	}
	// A refusal is no reason to fall back, but where it is the upgrade that was refused.
	return remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// agentContainer is the container of a pod that the agent runs in: the one of flannel's chart, else
// that of this name, else the first.
func agentContainer(pod *corev1.Pod) corev1.Container {
	named := func(c corev1.Container) bool { return c.Name == "agent" }
	for _, is := range []func(corev1.Container) bool{startsNetpol, named} {
		if at := slices.IndexFunc(pod.Spec.Containers, is); at >= 0 {
			return pod.Spec.Containers[at]
		}
	}
	return pod.Spec.Containers[0]
}

// program is the agent's binary in its image. Without a command it is what the image starts.
func program(c corev1.Container) string {
	// As netpol it knows no relay. In an image of others there is no /picket, so nothing is started.
	if len(c.Command) > 0 && !startsNetpol(c) {
		// Packages that bring their own image start the agent by another name.
		return c.Command[0]
	}
	return "/picket"
}

// explained adds what the relay said. An agent of before there was a relay says that there is none,
// so its image is told as well.
func (r relay) explained(err error, said string) error {
	if err == nil {
		return nil
	}
	// The exit code alone, which the error is about, explains nothing.
	text := strings.TrimPrefix(strings.TrimSpace(said), "picket: ")
	return fmt.Errorf("exec in %s/%s (%s): %s", r.pod.Namespace, r.pod.Name,
		agentContainer(r.pod).Image, cmp.Or(text, err.Error()))
}

// conn is both ends of a relay.
type conn struct {
	io.Reader
	io.Writer
	ended chan struct{} // closed when the relay has ended
	why   error         // it ended; nil: in peace
	once  sync.Once
	close func()
}

// Write says of a relay that has ended why it has.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	if err == nil {
		return n, nil
	}
	select {
	case <-c.ended:
		return n, cmp.Or(c.why, err)
	default:
		return n, err
	}
}

// Close ends the relay.
func (c *conn) Close() error {
	c.once.Do(c.close)
	return nil
}

// excerpt keeps the beginning of a text.
type excerpt struct {
	mu   sync.Mutex // guards the text
	text bytes.Buffer
}

// Write takes all, and keeps what there is room for.
func (e *excerpt) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text.Write(b[:min(len(b), 1024-e.text.Len())])
	return len(b), nil
}

func (e *excerpt) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}
