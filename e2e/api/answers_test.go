package api

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// change changes an answer of the API server to an agent, until ctx ends.
type change func(context.Context, *proxy, *http.Response) error

// asks returns the verb of a request, list or watch, and the resource; both are empty for other
// requests.
func asks(r *http.Request) (verb, resource string) {
	switch resource = path.Base(r.URL.Path); {
	case !slices.Contains(watched, resource) || r.Method != http.MethodGet:
		return "", ""
	case r.URL.Query().Get("watch") != "":
		return "watch", resource
	default:
		return "list", resource
	}
}

// forVerb limits a change to answers of one verb.
func forVerb(verb string, c change) change {
	return func(ctx context.Context, p *proxy, r *http.Response) error {
		if asked, _ := asks(r.Request); asked != verb {
			return nil
		}
		return c(ctx, p, r)
	}
}

// inOrder joins changes.
func inOrder(changes ...change) change {
	return func(ctx context.Context, p *proxy, r *http.Response) error {
		for _, c := range changes {
			if err := c(ctx, p, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// firstAnswer limits a change to the first answer to each agent about each resource.
func firstAnswer(c change) change {
	type of struct {
		*proxy
		resource string
	}
	var done sync.Map
	return func(ctx context.Context, p *proxy, r *http.Response) error {
		_, resource := asks(r.Request)
		if _, again := done.LoadOrStore(of{p, resource}, true); again {
			return nil
		}
		return c(ctx, p, r)
	}
}

// refuse replaces an answer by an error.
func refuse(code int32, reason metav1.StatusReason) change {
	return func(_ context.Context, p *proxy, r *http.Response) error {
		p.met.Add(1)
		r.StatusCode, r.Status = int(code), http.StatusText(int(code))
		return replace(r, failure(code, reason))
	}
}

func failure(code int32, reason metav1.StatusReason) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason, Message: "on purpose",
	}
}

// emptyList removes all items from a list.
func emptyList(_ context.Context, p *proxy, r *http.Response) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	list, err := runtime.Decode(scheme.Codecs.UniversalDeserializer(), data)
	if err != nil {
		return err
	}
	if meta.LenList(list) > 0 {
		p.met.Add(1)
	}
	if err := meta.SetList(list, nil); err != nil {
		return err
	}
	return replace(r, list)
}

// halfAnswer ends an answer in its middle.
func halfAnswer(_ context.Context, p *proxy, r *http.Response) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	p.met.Add(1)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data[:len(data)/2]), unfinished{}))
	return nil
}

// unfinished is a reader that fails as an answer does which breaks off.
type unfinished struct{}

func (unfinished) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// delayed delays an answer.
func delayed(by time.Duration) change {
	return func(ctx context.Context, p *proxy, _ *http.Response) error {
		p.met.Add(1)
		sleep(ctx, by)
		return nil
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// replace puts an object into an answer, in the encoding that it had.
func replace(r *http.Response, object runtime.Object) error {
	info, err := encoding(r)
	if err != nil {
		return err
	}
	data, err := runtime.Encode(info.Serializer, object)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	r.Header.Del("Content-Length")
	r.Header.Set("Content-Type", info.MediaType)
	return nil
}

// encoding is how an answer is written: what the agent has asked for, which is protobuf.
func encoding(r *http.Response) (runtime.SerializerInfo, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return runtime.SerializerInfo{}, err
	}
	info, known := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), kind)
	if !known {
		return info, runtime.NewNotRegisteredErrForKind("Content-Type",
			metav1.SchemeGroupVersion.WithKind(kind))
	}
	return info, nil
}
