package oracle

import "testing"

func TestUnusableAddresses(t *testing.T) {
	for _, ip := range badAddresses() {
		if _, ok := usableAddress(ip); ok {
			t.Errorf("status.podIP %q: counts", ip)
		}
	}
	for _, ip := range []string{"10.244.1.2", "fd00::1", "fe80::1", "169.254.1.1"} {
		if _, ok := usableAddress(ip); !ok {
			t.Errorf("status.podIP %q: does not count", ip)
		}
	}
}

func TestPortNames(t *testing.T) {
	for _, name := range []string{"web", "a", "x-1", "1a", "a-b-c", "abcdefghijklmno"} {
		if !isPortName(name) {
			t.Errorf("ports.port %q: not a name", name)
		}
	}
	for _, name := range append(badPortNames(), "", "-", "8-0", "wéb", "a b") {
		if isPortName(name) {
			t.Errorf("ports.port %q: taken for a name", name)
		}
	}
}
