package ruleset

import "testing"

func TestDirectionEnds(t *testing.T) {
	f := Flow{From: addr("10.0.0.1"), To: addr("10.0.0.2")}
	if subject, peer := Egress.Ends(f); subject != f.From || peer != f.To {
		t.Errorf("egress of %s: subject %s, peer %s", f, subject, peer)
	}
	if subject, peer := Ingress.Ends(f); subject != f.To || peer != f.From {
		t.Errorf("ingress of %s: subject %s, peer %s", f, subject, peer)
	}
}
