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

// standIn answers an agent's lists as an API server would, in protobuf and page by page, and its
// watches with silence: an API server of 100,000 pods does not fit into a small machine beside the
// rest.
type standIn struct {
	http    *http.Server
	lists   atomic.Int64 // answered so far, pages of one list together
	objects samplecluster.Cluster
}

const protobufType = "application/vnd.kubernetes.protobuf"

// newStandIn listens on the API server's machine.
func newStandIn(in *sandbox.Cluster, w samplecluster.Cluster) (*standIn, error) {
	s := &standIn{objects: w}
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

// ServeHTTP answers lists and watches of four resources.
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("watch") != "" {
		s.watch(w, r)
		return
	}
	from, limit := query.Get("continue"), query.Get("limit")
	switch r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:] {
	case "pods":
		meta, items := page(s.objects.Pods, from, limit)
		s.list(w, r, &corev1.PodList{ListMeta: meta, Items: items})
	case "nodes":
		meta, items := page(s.objects.Nodes, from, limit)
		s.list(w, r, &corev1.NodeList{ListMeta: meta, Items: items})
	case "namespaces":
		meta, items := page(s.objects.Namespaces, from, limit)
		s.list(w, r, &corev1.NamespaceList{ListMeta: meta, Items: items})
	case "networkpolicies":
		meta, items := page(s.objects.Policies, from, limit)
		s.list(w, r, &networkingv1.NetworkPolicyList{ListMeta: meta, Items: items})
	default:
		http.NotFound(w, r)
	}
}

const listed = "1000000" // the version of all lists

// page returns the part of a list that was asked for. Where the next one begins is all that a token
// says.
func page[T any](all []*T, from, limit string) (metav1.ListMeta, []T) {
	first, _ := strconv.Atoi(from)
	count, _ := strconv.Atoi(limit)
	end, meta := len(all), metav1.ListMeta{ResourceVersion: listed}
	if count > 0 && first+count < end {
		end = first + count
		meta.Continue = strconv.Itoa(end)
	}
	items := make([]T, 0, end-first)
	for _, item := range all[first:end] {
		items = append(items, *item)
	}
	return meta, items
}

// list answers in protobuf.
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
