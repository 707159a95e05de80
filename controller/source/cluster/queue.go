package cluster

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// queue holds what is to be asked of the API server, each once.
type queue[T comparable] = workqueue.TypedRateLimitingInterface[T]

func newQueue[T comparable]() queue[T] {
	return workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[T](50*time.Millisecond, 4*time.Second))
}

// work does what is in the queue, one after the other, and again what fails, until ctx ends.
func work[T comparable](ctx context.Context, q queue[T], do func(context.Context, T) error) {
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
