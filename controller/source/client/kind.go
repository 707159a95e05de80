package client

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// Reader reads the objects of one kind, one (T) or a list (L). client-go's clients of a kind are
// Readers, too.
type Reader[T, L any] interface {
	Get(ctx context.Context, name string, o metav1.GetOptions) (*T, error)
	List(context.Context, metav1.ListOptions) (*L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// Creator creates objects of one kind, and returns them as the API server has them then.
type Creator[T any] interface {
	Create(context.Context, *T, metav1.CreateOptions) (*T, error)
}

// object is a pointer to an object of the API.
type object[T any] interface {
	*T
	runtime.Object
}

// collection is all objects of one kind in one namespace, or in all of them.
type collection struct {
	group
	resource, namespace string
}

// of completes a request about these objects.
func (c collection) of(r *rest.Request) *rest.Request {
	return r.NamespaceIfScoped(c.namespace, c.namespace != "").Resource(c.resource)
}

// reader implements Reader.
type reader[T, L any, O object[T], Os object[L]] struct{ collection }

// readerOf returns how to read a kind in a namespace.
func readerOf[T, L any, O object[T], Os object[L]](g group, resource string) func(string) Reader[T, L] {
	return func(namespace string) Reader[T, L] {
		return reader[T, L, O, Os]{collection{g, resource, namespace}}
	}
}

func (r reader[T, L, O, Os]) Get(ctx context.Context, name string, o metav1.GetOptions) (*T, error) {
	found := new(T)
	err := r.of(r.group.Get()).Name(name).VersionedParams(&o, r.parameters).Do(ctx).Into(O(found))
	return found, err
}

func (r reader[T, L, O, Os]) List(ctx context.Context, o metav1.ListOptions) (*L, error) {
	found := new(L)
	return found, r.all(o).Do(ctx).Into(Os(found))
}

func (r reader[T, L, O, Os]) Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	o.Watch = true
	return r.all(o).Watch(ctx)
}

// all asks for many objects. The options bound how long the answer may take.
func (r reader[T, L, O, Os]) all(o metav1.ListOptions) *rest.Request {
	var longest time.Duration
	if o.TimeoutSeconds != nil {
		longest = time.Duration(*o.TimeoutSeconds) * time.Second
	}
	return r.of(r.group.Get()).VersionedParams(&o, r.parameters).Timeout(longest)
}

// creator implements Creator.
type creator[T any, O object[T]] struct{ collection }

func (c creator[T, O]) Create(ctx context.Context, given *T, o metav1.CreateOptions) (*T, error) {
	made := new(T)
	err := c.of(c.Post()).VersionedParams(&o, c.parameters).Body(O(given)).Do(ctx).Into(O(made))
	return made, err
}
