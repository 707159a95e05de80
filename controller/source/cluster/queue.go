package cluster

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// queue holds the calls that are to be made to the API server, each once.
type queue[T comparable] = workqueue.TypedRateLimitingInterface[T]

// newQueue returns an empty queue. An item that failed is due again after 50 ms, then after twice
// as long each time, up to 4 s.
func newQueue[T comparable]() queue[T] {
	return workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[T](50*time.Millisecond, 4*time.Second))
}

// process calls do for each item of the queue, one after the other, and again for an item that
// failed, until ctx ends.
func process[T comparable](
	ctx context.Context, q queue[T], do func(context.Context, T) error,
) {
	defer context.AfterFunc(ctx, q.ShutDown)()
	for {
		item, shutdown := q.Get()
		if shutdown {
			return
		}
		if err := do(ctx, item); err != nil {
			q.AddRateLimited(item)
		} else {
			q.Forget(item)
		}
		q.Done(item)
	}
}
