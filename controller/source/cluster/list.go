package cluster

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// pageSize is how many objects one answer of the server holds. They are converted before the next
// ones are asked for, so that a large list is never in memory as a whole. It is client-go's own
// number, for which servers are made; since Kubernetes 1.34 they answer all pages from their cache
// (KEP-4988).
const pageSize = 500

// listFunc asks the server for one page.
type listFunc[List runtime.Object] func(context.Context, metav1.ListOptions) (List, error)

// convertFunc converts one object of a page.
type convertFunc func(any) (*object, error)

// listAll reads a whole list, page by page; all pages show the state at the time of the first
// one. A server that has forgotten that state, by default after five minutes, is asked once more
// from the start, and then for all objects at once.
func listAll[List runtime.Object](
	ctx context.Context, ask listFunc[List], convert convertFunc,
) (all *metav1.List, err error) {
	for _, limit := range []int64{pageSize, pageSize, 0} {
		all, err = listPages(ctx, limit, ask, convert)
		if err == nil || !isOutdated(err) || ctx.Err() != nil {
			break
		}
	}
	return all, err
}

// listPages reads one page after the other and returns the converted objects of all, with the
// version of the first page.
func listPages[List runtime.Object](
	ctx context.Context, limit int64, ask listFunc[List], convert convertFunc,
) (*metav1.List, error) {
	all := &metav1.List{}
	add := func(o runtime.Object) error {
		n, err := convert(o)
		all.Items = append(all.Items, runtime.RawExtension{Object: n})
		return err
	}
	for o := (metav1.ListOptions{Limit: limit}); ; {
		page, err := ask(ctx, o)
		if err != nil {
			return nil, err
		}
		if err := meta.EachListItem(page, add); err != nil {
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
