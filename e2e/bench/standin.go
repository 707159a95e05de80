package main

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/e2e/apiserver"
)

// standIn answers an agent's lists as an API server would, in protobuf and page by page, and its watches with silence:
// an API server of 100,000 pods does not fit into a small machine beside the rest.
type standIn struct {
	http  *http.Server
	lists atomic.Int64 // answered so far, pages of one list together
	world samplecluster.World
}

const protobufType = "application/vnd.kubernetes.protobuf"

// newStandIn listens on the API server's machine.
func newStandIn(in *sandbox.Cluster, w samplecluster.World) (*standIn, error) {
	s := &standIn{world: w}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	var listener net.Listener
	err := in.InNode(apiserver.Machine, func() (err error) {
		listener, err = net.Listen("tcp", apiserver.Addr)
		return err
	})
	if err == nil {
		go func() { _ = s.http.Serve(listener) }()
	}
	return s, err
}

func (s *standIn) close() error { return s.http.Close() }

// ServeHTTP knows lists and watches of four resources.
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	query := r.URL.Query()
	switch {
	case query.Get("watch") != "":
		s.watch(w, r)
	case resource == "pods":
		s.list(w, r, page(s.world.Pods, query.Get("continue"), query.Get("limit"), func(m metav1.ListMeta, items []corev1.Pod) runtime.Object {
			return &corev1.PodList{ListMeta: m, Items: items}
		}))
	case resource == "nodes":
		s.list(w, r, page(s.world.Nodes, query.Get("continue"), query.Get("limit"), func(m metav1.ListMeta, items []corev1.Node) runtime.Object {
			return &corev1.NodeList{ListMeta: m, Items: items}
		}))
	case resource == "namespaces":
		s.list(w, r, page(s.world.Namespaces, query.Get("continue"), query.Get("limit"), func(m metav1.ListMeta, items []corev1.Namespace) runtime.Object {
			return &corev1.NamespaceList{ListMeta: m, Items: items}
		}))
	case resource == "networkpolicies":
		s.list(w, r, page(s.world.Policies, query.Get("continue"), query.Get("limit"), func(m metav1.ListMeta, items []networkingv1.NetworkPolicy) runtime.Object {
			return &networkingv1.NetworkPolicyList{ListMeta: m, Items: items}
		}))
	default:
		http.NotFound(w, r)
	}
}

const listed = "1000000" // the version of all lists

// page cuts out what was asked for. Where the next one begins is all that a token says.
func page[T any](all []*T, from, limit string, list func(metav1.ListMeta, []T) runtime.Object) runtime.Object {
	first, _ := strconv.Atoi(from)
	count, _ := strconv.Atoi(limit)
	end, m := len(all), metav1.ListMeta{ResourceVersion: listed}
	if count > 0 && first+count < end {
		end = first + count
		m.Continue = strconv.Itoa(end)
	}
	items := make([]T, 0, end-first)
	for _, item := range all[first:end] {
		items = append(items, *item)
	}
	return list(m, items)
}

func (s *standIn) list(w http.ResponseWriter, r *http.Request, list runtime.Object) {
	if r.URL.Query().Get("continue") == "" {
		s.lists.Add(1)
	}
	version := corev1.SchemeGroupVersion
	if _, is := list.(*networkingv1.NetworkPolicyList); is {
		version = networkingv1.SchemeGroupVersion
	}
	w.Header().Set("Content-Type", protobufType)
	serializer := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	_ = scheme.Codecs.EncoderForVersion(serializer, version).Encode(list, w)
}

// watch says nothing, and ends when it was asked to.
func (s *standIn) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", protobufType+";stream=watch")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	asked, err := strconv.Atoi(r.URL.Query().Get("timeoutSeconds"))
	if err != nil {
		return
	}
	select {
	case <-r.Context().Done():
	case <-time.After(time.Duration(asked) * time.Second):
	}
}
