package cluster

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// atOnce is how many objects a server is asked for at once. Before the next ones come these are news, so that the whole
// of a large list is never in memory. It is client-go's own number, for which servers are made; since Kubernetes 1.34
// they answer all pages from their cache (KEP-4988).
const atOnce = 500

// list reads all that there is, page by page: all of them are of the moment of the first one. A server that has
// forgotten what was then, after five minutes by default, is asked anew, and in the end for all at once.
func list[List runtime.Object](ctx context.Context, ask func(context.Context, metav1.ListOptions) (List, error), read func(any) (*news, error)) (all *metav1.List, err error) {
	for _, limit := range []int64{atOnce, atOnce, 0} {
		all, err = pages(limit, func(o metav1.ListOptions) (List, error) { return ask(ctx, o) }, read)
		if err == nil || !outdated(err) || ctx.Err() != nil {
			break
		}
	}
	return all, err
}

// pages reads one page after the other.
func pages[List runtime.Object](limit int64, ask func(metav1.ListOptions) (List, error), read func(any) (*news, error)) (*metav1.List, error) {
	all := &metav1.List{}
	keep := func(o runtime.Object) error {
		n, err := read(o)
		all.Items = append(all.Items, runtime.RawExtension{Object: n})
		return err
	}
	for o := (metav1.ListOptions{Limit: limit}); ; {
		page, err := ask(o)
		if err != nil {
			return nil, err
		}
		if err := meta.EachListItem(page, keep); err != nil {
			return nil, err
		}
		about, err := meta.ListAccessor(page)
		if err != nil {
			return nil, err
		}
		if o.Continue == "" {
			all.ResourceVersion = about.GetResourceVersion()
		}
		if o.Continue = about.GetContinue(); o.Continue == "" {
			return all, nil
		}
	}
}
