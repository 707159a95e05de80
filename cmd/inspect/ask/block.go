package ask

import (
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset"
)

// Blocks returns the ipBlocks of a rule. Without a policy there are none, and a peer that is an ipBlock
// and a selector is neither.
func Blocks(np *networkingv1.NetworkPolicy, d ruleset.Direction, index int) []*networkingv1.IPBlock {
	var peers []networkingv1.NetworkPolicyPeer
	if np == nil {
		return nil
	}
	if d == ruleset.Ingress {
		peers = np.Spec.Ingress[index].From
	} else {
		peers = np.Spec.Egress[index].To
	}
	var blocks []*networkingv1.IPBlock
	for _, p := range peers {
		if p.IPBlock != nil && p.PodSelector == nil && p.NamespaceSelector == nil {
			blocks = append(blocks, p.IPBlock)
		}
	}
	return blocks
}

// BlockText is an ipBlock as it is written: 10.0.0.0/8 but 10.1.0.0/16.
func BlockText(b *networkingv1.IPBlock) string {
	if len(b.Except) > 0 {
		return b.CIDR + " but " + strings.Join(b.Except, ", ")
	}
	return b.CIDR
}

// BlockTexts returns the ipBlocks of a rule as they are written, whatever they mean.
func BlockTexts(np *networkingv1.NetworkPolicy, d ruleset.Direction, index int) []string {
	var texts []string
	for _, b := range Blocks(np, d, index) {
		texts = append(texts, BlockText(b))
	}
	return texts
}
