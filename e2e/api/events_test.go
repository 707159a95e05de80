package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
)

// delivery passes on the events of one watch, in an order of its own, until there are no more.
type delivery func(ctx context.Context, p *proxy, events <-chan metav1.WatchEvent,
	tell func(metav1.WatchEvent))

// deliver changes how the events of a watch reach the agent. The frames are taken apart and put
// together again.
func deliver(how delivery) change {
	return func(ctx context.Context, p *proxy, r *http.Response) error {
		info, err := encoding(r)
		if err != nil {
			return err
		}
		from, framing := r.Body, info.StreamSerializer
		near, far := io.Pipe()
		decoder := streaming.NewDecoder(framing.NewFrameReader(from), framing.Serializer)
		encoder := streaming.NewEncoder(framing.NewFrameWriter(far), framing.Serializer)
		r.Body = body{near, from}
		p.delivered.Add(1)
		go func() {
			defer far.Close()
			how(ctx, p, read(decoder), func(e metav1.WatchEvent) { _ = encoder.Encode(&e) })
		}()
		return nil
	}
}

// body is what an agent reads; closing it ends what that comes from.
type body struct {
	*io.PipeReader
	from io.Closer
}

func (b body) Close() error {
	_ = b.PipeReader.Close()
	return b.from.Close()
}

// read returns the events of a watch, whose reader must not stop before they do.
func read(from streaming.Decoder) <-chan metav1.WatchEvent {
	events := make(chan metav1.WatchEvent)
	go func() {
		defer close(events)
		for {
			var e metav1.WatchEvent
			if _, _, err := from.Decode(nil, &e); err != nil {
				return
			}
			events <- e
		}
	}()
	return events
}

// subject names what an event is about, if that is one of the test cluster's objects.
func (p *proxy) subject(e metav1.WatchEvent) string {
	object, err := runtime.Decode(scheme.Codecs.UniversalDeserializer(), e.Object.Raw)
	if err != nil {
		return ""
	}
	about, err := meta.Accessor(object)
	if err != nil || about.GetNamespace() != p.namespace {
		return ""
	}
	return about.GetName()
}

// expireWatch ends a watch at once, as the server does that has forgotten the version which was
// asked for.
func expireWatch(_ context.Context, p *proxy, r *http.Response) error {
	info, err := encoding(r)
	if err != nil {
		return err
	}
	raw, err := runtime.Encode(info.Serializer,
		failure(http.StatusGone, metav1.StatusReasonExpired))
	if err != nil {
		return err
	}
	p.met.Add(1)
	_ = r.Body.Close()
	near, far := io.Pipe()
	r.Body = near
	go func() {
		defer far.Close()
		encoder := streaming.NewEncoder(info.StreamSerializer.NewFrameWriter(far),
			info.StreamSerializer.Serializer)
		_ = encoder.Encode(&metav1.WatchEvent{Type: string(watch.Error),
			Object: runtime.RawExtension{Raw: raw}})
	}()
	return nil
}

// delayEach delays each event, and with it those behind.
func delayEach(each time.Duration) delivery {
	return func(ctx context.Context, p *proxy, events <-chan metav1.WatchEvent,
		tell func(metav1.WatchEvent)) {
		for e := range events {
			if p.subject(e) != "" && ctx.Err() == nil {
				p.met.Add(1)
			}
			sleep(ctx, each)
			tell(e)
		}
	}
}

// repeatAll delivers each event twice.
func repeatAll(ctx context.Context, p *proxy, events <-chan metav1.WatchEvent,
	tell func(metav1.WatchEvent)) {
	for e := range events {
		tell(e)
		if ctx.Err() == nil && p.subject(e) != "" {
			tell(e)
			p.met.Add(1)
		}
	}
}

// oldAfterNew delivers after each event the one before about the same object again.
func oldAfterNew(ctx context.Context, p *proxy, events <-chan metav1.WatchEvent,
	tell func(metav1.WatchEvent)) {
	last := map[string]metav1.WatchEvent{}
	for e := range events {
		tell(e)
		about := p.subject(e)
		if old, known := last[about]; known && about != "" && ctx.Err() == nil {
			tell(old)
			p.met.Add(1)
		}
		last[about] = e
	}
}

// lastFirst gathers what comes within a second, and delivers the last of it first.
func lastFirst(ctx context.Context, p *proxy, events <-chan metav1.WatchEvent,
	tell func(metav1.WatchEvent)) {
	for e := range events {
		if ctx.Err() != nil {
			tell(e)
			continue
		}
		gathered := append([]metav1.WatchEvent{e}, gather(ctx, events)...)
		newer := map[string]bool{}
		for i := range gathered {
			e := gathered[len(gathered)-1-i]
			about := p.subject(e)
			if about != "" && newer[about] {
				p.met.Add(1)
			}
			newer[about] = true
			tell(e)
		}
	}
}

func gather(ctx context.Context, events <-chan metav1.WatchEvent) (all []metav1.WatchEvent) {
	end := time.After(time.Second)
	for {
		select {
		case e, more := <-events:
			if !more {
				return all
			}
			all = append(all, e)
		case <-ctx.Done():
			return all
		case <-end:
			return all
		}
	}
}
