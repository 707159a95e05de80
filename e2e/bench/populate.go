package main

import (
	"context"
	"errors"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/picket-project/picket/controller/samplecluster"
)

// writers is how many write at once.
const writers = 16

// populate writes a cluster straight to an API server, as controllers, scheduler and kubelets would
// in the end.
func populate(ctx context.Context, admin kubernetes.Interface, w samplecluster.Cluster) error {
	create, update := metav1.CreateOptions{}, metav1.UpdateOptions{}
	core, networking := admin.CoreV1(), admin.NetworkingV1()
	namespaces := forAll(w.Namespaces, func(i int) error {
		_, err := core.Namespaces().Create(ctx, w.Namespaces[i], create)
		return unlessThere(err)
	})
	return inTurn(
		namespaces,
		forAll(w.Nodes, func(i int) error {
			n, err := core.Nodes().Create(ctx, w.Nodes[i], create)
			if err == nil {
				n.Status = w.Nodes[i].Status
				_, err = core.Nodes().UpdateStatus(ctx, n, update)
			}
			return err
		}),
		forAll(w.Policies, func(i int) error {
			p := w.Policies[i]
			_, err := networking.NetworkPolicies(p.Namespace).Create(ctx, p, create)
			return err
		}),
		forAll(w.Pods, func(i int) error {
			p, err := core.Pods(w.Pods[i].Namespace).Create(ctx, w.Pods[i], create)
			if err == nil {
				p.Status = w.Pods[i].Status
				_, err = core.Pods(p.Namespace).UpdateStatus(ctx, p, update)
			}
			return err
		}),
	)
}

// unlessThere forgives what an API server has by itself.
func unlessThere(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// forAll does something for all of a list, many at once; the first error ends it.
func forAll[T any](list []T, do func(int) error) func() error {
	return func() error {
		next := make(chan int)
		failed := make(chan error, writers)
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for i := range next {
					if err := do(i); err != nil {
						failed <- err
						return
					}
				}
			})
		}
		var first error
		for i := 0; i < len(list) && first == nil; {
			select {
			case next <- i:
				i++
			case first = <-failed:
			}
		}
		close(next)
		all.Wait()
		close(failed)
		for err := range failed {
			first = errors.Join(first, err)
		}
		return first
	}
}

func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
