// Package client speaks with an API server about the few kinds of objects that Picket reads or
// writes. client-go's own set of clients has every kind there is: a quarter of the program was that.
package client

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

// Client has each kind of objects, with what is done with it. The namespace "" stands for all.
type Client struct {
	Namespaces Reader[corev1.Namespace, corev1.NamespaceList]
	Nodes      Reader[corev1.Node, corev1.NodeList]
	Pods       func(namespace string) Reader[corev1.Pod, corev1.PodList]
	Services   func(namespace string) Reader[corev1.Service, corev1.ServiceList]
	Policies   func(namespace string) Reader[networkingv1.NetworkPolicy, networkingv1.NetworkPolicyList]
	Events     func(namespace string) Creator[corev1.Event]
	Reviews    Creator[authorizationv1.SelfSubjectAccessReview]

	core group
}

// New returns a client of the API server that config tells of. All kinds share its connections and
// its limit of requests (config.QPS).
func New(config *rest.Config) (*Client, error) {
	groups, err := newGroups(config)
	if err != nil {
		return nil, fmt.Errorf("cluster client: %w", err)
	}
	core, networking := groups[corev1.GroupName], groups[networkingv1.GroupName]
	return &Client{
		Namespaces: readerOf[corev1.Namespace, corev1.NamespaceList](core, "namespaces")(""),
		Nodes:      readerOf[corev1.Node, corev1.NodeList](core, "nodes")(""),
		Pods:       readerOf[corev1.Pod, corev1.PodList](core, "pods"),
		Services:   readerOf[corev1.Service, corev1.ServiceList](core, "services"),
		Policies: readerOf[networkingv1.NetworkPolicy, networkingv1.NetworkPolicyList](networking,
			"networkpolicies"),
		Events: func(namespace string) Creator[corev1.Event] {
			return creator[corev1.Event, *corev1.Event]{collection{core, "events", namespace}}
		},
		Reviews: creator[authorizationv1.SelfSubjectAccessReview,
			*authorizationv1.SelfSubjectAccessReview]{collection{groups[authorizationv1.GroupName],
			"selfsubjectaccessreviews", ""}},
		core: core,
	}, nil
}

// group is a group of the API, in its version 1.
type group struct {
	rest.Interface
	parameters runtime.ParameterCodec
}

// newGroups returns the groups of all kinds of a Client, by name.
func newGroups(config *rest.Config) (map[string]group, error) {
	known := runtime.NewScheme()
	all := runtime.NewSchemeBuilder(corev1.AddToScheme, networkingv1.AddToScheme,
		authorizationv1.AddToScheme)
	if err := all.AddToScheme(known); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(known, schema.GroupVersion{Version: "v1"}) // of errors
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer = serializer.NewCodecFactory(known).WithoutConversion()
	if config.UserAgent == "" {
		config.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	if config.RateLimiter == nil && config.QPS > 0 {
		config.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(config.QPS,
			cmp.Or(config.Burst, rest.DefaultBurst))
	}
	connections, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	groups, parameters := map[string]group{}, runtime.NewParameterCodec(known)
	for of, path := range map[schema.GroupVersion]string{corev1.SchemeGroupVersion: "/api",
		networkingv1.SchemeGroupVersion: "/apis", authorizationv1.SchemeGroupVersion: "/apis"} {
		one := rest.CopyConfig(config)
		one.GroupVersion, one.APIPath = &of, path
		c, err := rest.RESTClientForConfigAndClient(one, connections)
		if err != nil {
			return nil, err
		}
		groups[of.Group] = group{c, parameters}
	}
	return groups, nil
}

// Version asks the API server for its own version.
func (c *Client) Version(ctx context.Context) (v version.Info, err error) {
	text, err := c.core.Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(text, &v)
}

// Log returns what a pod has written.
func (c *Client) Log(ctx context.Context, namespace, pod string, o *corev1.PodLogOptions) (
	io.ReadCloser, error) {
	return collection{c.core, "pods", namespace}.of(c.core.Get()).Name(pod).SubResource("log").
		VersionedParams(o, c.core.parameters).Stream(ctx)
}

// ExecURL is where the API server runs a command in a pod.
func (c *Client) ExecURL(namespace, pod string, o *corev1.PodExecOptions) *url.URL {
	return collection{c.core, "pods", namespace}.of(c.core.Post()).Name(pod).SubResource("exec").
		VersionedParams(o, c.core.parameters).URL()
}
