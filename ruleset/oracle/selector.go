package oracle

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// selects tells if all of the selector holds for the labels. An empty selector
// holds for all; one with an invalid part holds for none.
func selects(s *metav1.LabelSelector, labels map[string]string) bool {
	return !hasInvalidPart(s) && validPartsHold(s, labels)
}

// hasInvalidPart tells if some part of the selector means nothing.
func hasInvalidPart(s *metav1.LabelSelector) bool {
	for key := range s.MatchLabels {
		if key == "" {
			return true
		}
	}
	for _, e := range s.MatchExpressions {
		if !isValidExpression(e) {
			return true
		}
	}
	return false
}

// validPartsHold tells if every part of the selector that means something
// holds for the labels. The parts are joined by AND.
func validPartsHold(s *metav1.LabelSelector, labels map[string]string) bool {
	for key, want := range s.MatchLabels {
		if have, has := labels[key]; key != "" && (!has || have != want) {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		if isValidExpression(e) && !expressionHolds(e, labels) {
			return false
		}
	}
	return true
}

// isValidExpression asks for a key, a known operator, values for In and NotIn,
// and none for Exists and DoesNotExist.
func isValidExpression(e metav1.LabelSelectorRequirement) bool {
	switch e.Operator {
	case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
		return e.Key != "" && len(e.Values) > 0
	case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
		return e.Key != "" && len(e.Values) == 0
	default:
		return false
	}
}

// expressionHolds evaluates a valid expression. NotIn holds where the key is
// missing, as it does in apimachinery.
func expressionHolds(e metav1.LabelSelectorRequirement, labels map[string]string) bool {
	value, has := labels[e.Key]
	switch e.Operator {
	case metav1.LabelSelectorOpIn:
		return has && slices.Contains(e.Values, value)
	case metav1.LabelSelectorOpNotIn:
		return !has || !slices.Contains(e.Values, value)
	case metav1.LabelSelectorOpExists:
		return has
	case metav1.LabelSelectorOpDoesNotExist:
		return !has
	default:
		return false
	}
}

// namespaceLabels returns the labels of a namespace, and if an object describes
// it. All have the label that the API server gives to them: its value is the
// name, whatever an object says.
func (w *World) namespaceLabels(name string) (labels map[string]string, heard bool) {
	labels = map[string]string{}
	for _, ns := range w.Namespaces {
		if ns.Name != name {
			continue
		}
		heard = true
		for k, v := range ns.Labels {
			labels[k] = v
		}
	}
	labels[corev1.LabelMetadataName] = name
	return labels, heard
}
