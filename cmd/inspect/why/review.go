package why

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// Opens says where a policy of a patch is for all pods of a namespace, since those that it is about
// have no label to select them by.
func Opens(np *networkingv1.NetworkPolicy) []string {
	var lines []string
	say := func(whose, namespace string, s *metav1.LabelSelector) {
		if s == nil || !selectsAll(s) {
			return
		}
		line := fmt.Sprintf("%s/%s: %s have no label to select them by, so it is for all pods of "+
			"namespace %s, those to come, too; expected labels on the pods",
			np.Namespace, np.Name, whose, namespace)
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	say("its pods", np.Namespace, &np.Spec.PodSelector)
	for _, peer := range peersOf(np) {
		namespace := ""
		if peer.NamespaceSelector != nil {
			namespace = peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName]
		}
		say("its peers", cmp.Or(namespace, np.Namespace), peer.PodSelector)
	}
	return lines
}

// selectsAll reports whether a selector demands no label: what it says at most is which must not be
// there.
func selectsAll(s *metav1.LabelSelector) bool {
	return len(s.MatchLabels) == 0 &&
		!slices.ContainsFunc(s.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool {
			return r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpExists
		})
}

// CheckAddrs refuses policies with an address that was made up for a node, by which nothing would
// be allowed. madeUp has the nodes of such addresses.
func CheckAddrs(policies []*networkingv1.NetworkPolicy, madeUp map[netip.Addr]string) error {
	for _, np := range policies {
		for _, peer := range peersOf(np) {
			if peer.IPBlock == nil {
				continue
			}
			block, _ := policy.ParseCIDR(peer.IPBlock.CIDR)
			if node, is := madeUp[block.Addr()]; is && block.IsSingleIP() {
				return fmt.Errorf("a policy for what is on a node's network needs its address, and %s is "+
					"made up; expected a Node %s with status.addresses in the manifests", block.Addr(), node)
			}
		}
	}
	return nil
}

// peersOf returns the peers of all rules of a policy.
func peersOf(np *networkingv1.NetworkPolicy) (peers []networkingv1.NetworkPolicyPeer) {
	for _, r := range np.Spec.Ingress {
		peers = append(peers, r.From...)
	}
	for _, r := range np.Spec.Egress {
		peers = append(peers, r.To...)
	}
	return peers
}
