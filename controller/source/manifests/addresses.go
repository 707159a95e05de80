package manifests

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/ruleset/policy"
)

// addressErrors returns an error for each address of a pod or node that cannot be one. The object
// counts with its other addresses.
func addressErrors(o Object) []error {
	var errs []error
	check := func(ok bool, at *field.Path, text, expected string) {
		if !ok && text != "" && len(errs) < maxErrors {
			errs = append(errs, fmt.Errorf(
				"%s: is %q; expected %s; until this is mended it does not count",
				at, short(text, maxValue), expected))
		}
	}
	address := func(at *field.Path, text string) {
		_, ok := policy.ParseAddr(text)
		check(ok, at, text, "an IPv4 or IPv6 address of its own")
	}
	spec, status := field.NewPath("spec"), field.NewPath("status")
	switch o := o.(type) {
	case *corev1.Pod:
		address(status.Child("podIP"), o.Status.PodIP)
		for i, ip := range o.Status.PodIPs {
			address(status.Child("podIPs").Index(i).Child("ip"), ip.IP)
		}
	case *corev1.Node:
		for i, text := range o.Spec.PodCIDRs {
			p, ok := policy.ParseCIDR(text)
			ok = ok && !p.Addr().Is4In6()
			check(ok, spec.Child("podCIDRs").Index(i), text, "a CIDR")
		}
		for i, a := range o.Status.Addresses {
			if a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP {
				address(status.Child("addresses").Index(i).Child("address"), a.Address)
			}
		}
	}
	return errs
}
