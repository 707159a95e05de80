package ask

import (
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset"
)

// BlockTexts returns the ipBlocks of a rule as they are written:
// 10.0.0.0/8 but 10.1.0.0/16. Without a policy there are none.
func BlockTexts(np *networkingv1.NetworkPolicy, d ruleset.Direction, index int) []string {
	var peers []networkingv1.NetworkPolicyPeer
	if np == nil {
		return nil
	}
	if d == ruleset.Ingress {
		peers = np.Spec.Ingress[index].From
	} else {
		peers = np.Spec.Egress[index].To
	}
	var texts []string
	for _, p := range peers {
		if p.IPBlock == nil {
			continue
		}
		text := p.IPBlock.CIDR
		if len(p.IPBlock.Except) > 0 {
			text += " but " + strings.Join(p.IPBlock.Except, ", ")
		}
		texts = append(texts, text)
	}
	return texts
}
