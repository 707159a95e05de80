package input

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/picket-project/picket/controller/source/client"
)

// reader lists the objects of a cluster once.
type reader struct {
	ctx    context.Context
	api    *client.Client
	notes  []string // what could not be read, and can be done without
	errors []error
}

// newReader makes a client of the cluster's API server.
func newReader(ctx context.Context, config *rest.Config) (*reader, error) {
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.QPS, config.Burst = 50, 100
	api, err := client.New(config)
	if err != nil {
		return nil, err
	}
	return &reader{ctx: ctx, api: api}, nil
}

// cached asks for what the API server has in memory.
func cached() metav1.ListOptions { return metav1.ListOptions{ResourceVersion: "0"} }

func (r *reader) pods() ([]corev1.Pod, error) {
	l, err := r.api.Pods("").List(r.ctx, cached())
	return l.Items, err
}

func (r *reader) namespaces() ([]corev1.Namespace, error) {
	l, err := r.api.Namespaces.List(r.ctx, cached())
	return l.Items, err
}

func (r *reader) nodes() ([]corev1.Node, error) {
	l, err := r.api.Nodes.List(r.ctx, cached())
	return l.Items, err
}

func (r *reader) services() ([]corev1.Service, error) {
	l, err := r.api.Services("").List(r.ctx, cached())
	return l.Items, err
}

func (r *reader) policies() ([]networkingv1.NetworkPolicy, error) {
	l, err := r.api.Policies("").List(r.ctx, cached())
	return l.Items, err
}

// list keeps an error: without these objects there is no answer.
func list[T any](r *reader, what string, get func() ([]T, error)) []*T {
	items, err := get()
	if err != nil {
		r.errors = append(r.errors, fmt.Errorf("list %s: %w", what, err))
		return nil
	}
	return pointers(items)
}

// optional makes a note of objects that the user must not list, and goes on.
func optional[T any](r *reader, what string, get func() ([]T, error), so string) []*T {
	items, err := get()
	if apierrors.IsForbidden(err) {
		r.notes = append(r.notes, fmt.Sprintf("%s cannot be listed (%v); %s", what, err, so))
		return nil
	}
	return list(r, what, func() ([]T, error) { return items, err })
}

// pointers returns where the items are.
func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}
