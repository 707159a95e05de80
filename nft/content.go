package nft

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// The content of a rule is a text of its comment and of all that it matches and does. It is made
// from a rule to be sent and from a rule of the kernel alike, so that Observe sees whether
// somebody changed one. It leaves out what the kernel does not show as it was sent: registers,
// and the state of counters and limits.

// contentsOf describes rules to be sent.
func contentsOf(rules []rule) []string {
	contents := make([]string, len(rules))
	for i, r := range rules {
		contents[i] = content(r.exprTexts(), clip(r.comment))
	}
	return contents
}

// content puts the text of one rule together from those of its expressions and its comment.
func content(exprs []string, comment string) string {
	return strings.Join(exprs, ", ") + " # " + comment
}

// exprTexts describes the expressions of a rule to be sent. The elements of a set without a name of
// its own stand in the term that looks it up.
func (r rule) exprTexts() []string {
	var texts []string
	for _, t := range r.terms {
		for _, e := range t.exprs {
			texts = append(texts, exprText(e, func(string) ([]nftables.SetElement, bool) {
				if t.set == nil {
					return nil, false
				}
				return t.set.elements, true
			}))
		}
	}
	return texts
}

// contents describes the rules of a chain in the kernel.
func (l listing) contents(chain string) []string {
	contents := make([]string, len(l.rules[chain]))
	for i, r := range l.rules[chain] {
		contents[i] = content(l.exprTexts(r), commentOf(r))
	}
	return contents
}

// exprTexts describes the expressions of a rule in the kernel, which has numbered the sets without
// a name of their own (__set0): their elements are in the listing.
func (l listing) exprTexts(r *nftables.Rule) []string {
	texts := make([]string, len(r.Exprs))
	for i, e := range r.Exprs {
		texts[i] = exprText(e, func(set string) ([]nftables.SetElement, bool) {
			elements, found := l.anonymous[set]
			return elements, found
		})
	}
	return texts
}

// exprText describes an expression; values finds the elements of a set without a name of its own.
func exprText(e expr.Any, values func(set string) ([]nftables.SetElement, bool)) string {
	switch e := e.(type) {
	case *expr.Meta:
		return fmt.Sprintf("meta %d", e.Key)
	case *expr.Ct:
		return fmt.Sprintf("ct %d %d", e.Key, e.Direction)
	case *expr.Payload:
		return fmt.Sprintf("payload %d %d %d", e.Base, e.Offset, e.Len)
	case *expr.Bitwise:
		return fmt.Sprintf("bitwise %x %x", e.Mask, e.Xor)
	case *expr.Cmp:
		return fmt.Sprintf("cmp %d %x", e.Op, e.Data)
	case *expr.Range: // of which some versions of the nft program make two comparisons
		return fmt.Sprintf("cmp %d %x, cmp %d %x", expr.CmpOpGte, e.FromData, expr.CmpOpLte,
			e.ToData)
	case *expr.Verdict:
		return fmt.Sprintf("verdict %d %s", e.Kind, e.Chain)
	case *expr.Fib:
		return fmt.Sprintf("fib %t %t %t %t %t", e.FlagSADDR, e.FlagDADDR, e.FlagIIF,
			e.ResultADDRTYPE, e.ResultOIF)
	case *expr.Reject:
		return fmt.Sprintf("reject %d %d", e.Type, e.Code)
	case *expr.Lookup:
		if elements, anonymous := values(e.SetName); anonymous {
			return fmt.Sprintf("lookup %t { %s }", e.Invert, elementsText(elements))
		}
		return fmt.Sprintf("lookup %t %s", e.Invert, e.SetName)
	default:
		return fmt.Sprintf("%T", e)
	}
}

// elementsText describes the elements of an anonymous set in the order of their keys. An end that
// nothing began is the nft program's: it begins a set of intervals with one.
func elementsText(elements []nftables.SetElement) string {
	sorted := slices.SortedFunc(slices.Values(elements), compareElements)
	if len(sorted) > 0 && sorted[0].IntervalEnd {
		sorted = sorted[1:]
	}
	var words []string
	for _, e := range sorted {
		words = append(words, fmt.Sprintf("%x %t", e.Key, e.IntervalEnd))
	}
	return strings.Join(words, ", ")
}

// compareElements orders by key, the end of an interval before the beginning of the next.
func compareElements(a, b nftables.SetElement) int {
	switch order := bytes.Compare(a.Key, b.Key); {
	case order != 0 || a.IntervalEnd == b.IntervalEnd:
		return order
	case a.IntervalEnd:
		return -1
	default:
		return 1
	}
}
