package cli

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/picket-project/picket/controller/source/client"
)

// lookAtCluster asks an API server what concerns Picket.
func lookAtCluster(ctx context.Context, config *rest.Config) ([]looked, error) {
	api, err := client.New(config)
	if err != nil {
		return nil, err
	}
	// If this goes well, there is an API server and it knows the user.
	version, err := api.Version(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the API server: %w", err)
	}
	parts := []looked{{"API server", fine, version.GitVersion}}
	// A right that is missing is nothing wrong with the cluster: somebody else may have it.
	for _, r := range neededRights {
		part, err := r.look(ctx, api)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return append(parts, lookAtRanges(ctx, api)), nil
}

// right is something that a user may have to be allowed to do.
type right struct {
	purpose, verb, group, resource, namespace string
}

// neededRights are what is done to install Picket, and to use its verbs.
var neededRights = []right{
	{"to install", "create", "apps", "daemonsets", "kube-system"},
	{"to install", "create", "", "serviceaccounts", "kube-system"},
	{"to install", "create", "rbac.authorization.k8s.io", "clusterroles", ""},
	{"to install", "create", "rbac.authorization.k8s.io", "clusterrolebindings", ""},
	{"for why, lint and others", "list", "networking.k8s.io", "networkpolicies", ""},
	{"for why, lint and others", "list", "", "pods", ""},
	{"for status, kernel and others", "create", "", "pods/exec", "kube-system"},
}

// look asks whether the user has the right.
func (r right) look(ctx context.Context, api *client.Client) (looked, error) {
	// pods/exec is a part of pods.
	resource, sub, _ := strings.Cut(r.resource, "/")
	review, err := api.Reviews.Create(ctx,
		&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: r.verb, Group: r.group,
				Resource: resource, Subresource: sub, Namespace: r.namespace}}}, metav1.CreateOptions{})
	if err != nil {
		return looked{}, fmt.Errorf("ask for rights: %w", err)
	}
	what := r.verb + " " + r.resource
	if r.namespace != "" {
		what += " in " + r.namespace
	}
	// A reason why not is for administrators, and is left out.
	if review.Status.Allowed {
		return looked{"rights", fine, fmt.Sprintf("you may %s, %s", what, r.purpose)}, nil
	}
	return looked{"rights", warned, fmt.Sprintf("you may not %s, %s", what, r.purpose)}, nil
}

// lookAtRanges says which nodes have no range for their pods.
func lookAtRanges(ctx context.Context, api *client.Client) looked {
	// What the API server has in memory is new enough.
	nodes, err := api.Nodes.List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return looked{"pod ranges", unclear, err.Error()}
	}
	var without []string
	// The older field is set alone by some controllers.
	for _, n := range nodes.Items {
		if len(n.Spec.PodCIDRs) == 0 && n.Spec.PodCIDR == "" {
			without = append(without, n.Name)
		}
	}
	// Where all have one, nobody can claim an address of another node.
	if len(without) == 0 {
		return looked{"pod ranges", fine, fmt.Sprintf("all of %d nodes have spec.podCIDRs",
			len(nodes.Items))}
	}
	return looked{"pod ranges", warned, fmt.Sprintf("%d of %d nodes have no spec.podCIDRs (%s ...): "+
		"any pod may claim any address there, and --unknown-pods=deny cannot work", len(without),
		len(nodes.Items), without[0])}
}
