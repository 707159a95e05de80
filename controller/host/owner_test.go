package host

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// podStart is longer than a plugin takes to set an address, and shorter than pods take to run.
const podStart = 100 * time.Millisecond

// inPod is what a tenant with NET_ADMIN has in hand: its pod's namespace and interface.
type inPod struct {
	t         *testing.T
	namespace netns.NsHandle
	*netlink.Handle
}

func enter(t *testing.T, pod netns.NsHandle) inPod {
	t.Helper()
	in, err := netlink.NewHandleAt(pod)
	must(t, err)
	t.Cleanup(in.Close)
	return inPod{t, pod, in}
}

func (p inPod) eth0() netlink.Link {
	p.t.Helper()
	link, err := p.LinkByName("eth0")
	must(p.t, err)
	return link
}

func (p inPod) add(addr string) { addAddr(p.t, p.Handle, p.eth0(), addr) }

func (p inPod) remove(addr string) {
	p.t.Helper()
	parsed, err := netlink.ParseAddr(addr)
	must(p.t, err)
	must(p.t, p.AddrDel(p.eth0(), parsed))
}

// change sets the IPv4 address as ifconfig does (SIOCSIFADDR), which keeps the time of the address
// that was there.
func (p inPod) change(to string) {
	p.t.Helper()
	must(p.t, inNamespace(p.namespace, func() error {
		socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(socket)
		request, err := unix.NewIfreq("eth0")
		if err != nil {
			return err
		}
		if err := request.SetInet4Addr(netip.MustParseAddr(to).AsSlice()); err != nil {
			return err
		}
		_, _, code := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCSIFADDR,
			uintptr(unsafe.Pointer(request)))
		if code != syscall.Errno(0) {
			return code
		}
		return nil
	}))
}

func newBridge(t *testing.T) netlink.Link {
	t.Helper()
	newNetns(t)
	up(t, &netlink.Bridge{LinkAttrs: named("cni0")}, "10.244.1.1/24")
	return linkNamed(t, "cni0")
}

// forgeries are ways by which a tenant may have its port taken for that of another pod. The
// tenant's pod is 10.244.1.5 behind veth5; the other one, behind veth6, is there before it acts or
// comes later.
var forgeries = []struct {
	name string
	act  func(tenant inPod)
}{
	{"it adds the address", func(tenant inPod) { tenant.add("10.244.1.6/24") }},
	{"it has the address only", func(tenant inPod) {
		tenant.remove("10.244.1.5/24")
		tenant.add("10.244.1.6/24")
	}},
	{"it puts the address before its own", func(tenant inPod) {
		tenant.remove("10.244.1.5/24")
		tenant.add("10.244.1.6/24")
		tenant.add("10.244.1.5/24")
	}},
	{"it changes its address", func(tenant inPod) { tenant.change("10.244.1.6") }},
	{"it moves its interface to another namespace", func(tenant inPod) {
		other := plug(tenant.t, linkNamed(tenant.t, "cni0"), "veth9")
		moved := enter(tenant.t, other)
		must(tenant.t, moved.LinkDel(moved.eth0()))
		must(tenant.t, tenant.LinkSetNsFd(tenant.eth0(), int(other)))
		moved.add("10.244.1.6/24")
		must(tenant.t, moved.LinkSetUp(moved.eth0()))
	}},
}

// A pod's address belongs to its port, whatever another pod sets: before the other one comes or
// after, known of before or not, since the agent was started later.
func TestAddressOfAnotherPodIsNotBound(t *testing.T) {
	for _, forgery := range forgeries {
		for _, preset := range []bool{true, false} {
			for _, known := range []string{"both are known", "the tenant is known",
				"nobody is known"} {
				t.Run(fmt.Sprintf("%s/preset %t/%s", forgery.name, preset, known),
					func(t *testing.T) {
						bridge := newBridge(t)
						h := &Host{}
						tenant := enter(t, plug(t, bridge, "veth5", "10.244.1.5/24"))
						if !preset {
							plug(t, bridge, "veth6", "10.244.1.6/24", "fd00::6/64")
						}
						switch known {
						case "both are known":
							prepare(t, h, "10.244.1.5 10.244.1.6 fd00::6")
						case "the tenant is known":
							prepare(t, h, "10.244.1.5")
						}
						time.Sleep(podStart)
						forgery.act(tenant)
						if preset {
							plug(t, bridge, "veth6", "10.244.1.6/24", "fd00::6/64")
						}
						for _, pods := range []string{"10.244.1.5 10.244.1.6 fd00::6",
							"10.244.1.6 fd00::6"} {
							w := prepare(t, h, pods)
							if got := addrsAt(w, "veth6"); !slices.Equal(got,
								addrs("10.244.1.6 fd00::6")) {
								t.Errorf("%s: the other pod's port has %v", pods, got)
							}
							if got := addrsAt(w, "veth5"); len(got) > 1 || len(got) == 1 &&
								got[0] != addrs("10.244.1.5")[0] {
								t.Errorf("%s: the tenant's port has %v", pods, got)
							}
						}
					})
			}
		}
	}
}

func prepare(t *testing.T, h *Host, pods string) ruleset.Wiring {
	t.Helper()
	w, err := h.Prepare(addrs(pods))
	must(t, err)
	return w
}

func addrsAt(w ruleset.Wiring, port string) []netip.Addr { return portAt(w, port).Addrs }

func portAt(w ruleset.Wiring, name string) ruleset.Port {
	for _, p := range w.Ports {
		if p.Link == name {
			return p
		}
	}
	return ruleset.Port{}
}

// An address that is not the first of its interface is bound all the same, if no other pod has it:
// some plugins set several.
func TestAddressThatIsNotTheFirstIsBound(t *testing.T) {
	bridge := newBridge(t)
	plug(t, bridge, "veth5", "10.244.1.200/24", "10.244.1.5/24")
	plug(t, bridge, "veth6", "10.244.1.6/24", "10.244.1.5/24")
	wantPorts(t, &Host{}, "10.244.1.5 10.244.1.6", onPort("veth5", "10.244.1.5"),
		onPort("veth6", "10.244.1.6"))
}

// A pod with more addresses than are read is bound to what it was seen with before, else to
// nothing; nobody else waits for it.
func TestCrowdedPortHurtsNobodyElse(t *testing.T) {
	bridge := newBridge(t)
	h := &Host{}
	for i := range 3 {
		plug(t, bridge, fmt.Sprintf("veth%d", 5+i), fmt.Sprintf("10.244.1.%d/24", 5+i))
	}
	prepare(t, h, "10.244.1.5")
	crowded := []inPod{enter(t, plug(t, bridge, "veth8", "10.244.1.8/24")),
		enter(t, plug(t, bridge, "veth9", "10.244.1.9/24"))}
	prepare(t, h, "10.244.1.5 10.244.1.8") // veth9 is seen, too, and known once its pod is
	for _, tenant := range crowded {
		tenant.crowd(2 * mostMessages)
	}
	wantBehind := func(want string) {
		t.Helper()
		const asked = "10.244.1.4 10.244.1.7 10.244.1.8 10.244.1.9 10.244.1.77"
		behind, err := h.Behind(addrs(asked))
		if must(t, err); !slices.Equal(behind, addrs(want)) {
			t.Errorf("behind interfaces of pods are %v; expected %s", behind, want)
		}
	}
	// Pods that are gone, as the one of .77, are not kept by what others do to their interfaces.
	wantBehind("10.244.1.7 10.244.1.8 10.244.1.9")
	// Of another family nothing was ever read, so any address can be there.
	if behind, err := h.Behind(addrs("fd00::77")); err != nil || len(behind) != 1 {
		t.Errorf("%v, %v", behind, err)
	}
	late := enter(t, plug(t, bridge, "veth4", "10.244.1.4/24"))
	late.crowd(2 * mostMessages)
	const pods = "10.244.1.4 10.244.1.5 10.244.1.6 10.244.1.7 10.244.1.8 10.244.1.9"
	began := time.Now()
	w := prepare(t, h, pods)
	if took := time.Since(began); took > patience {
		t.Errorf("it took %s", took)
	}
	for _, n := range []string{"5", "6", "7", "8", "9"} {
		if got := portAt(w, "veth"+n); !slices.Equal(got.Addrs, addrs("10.244.1."+n)) ||
			got.Refused != "" {
			t.Errorf("veth%s is %+v", n, got)
		}
	}
	if got := portAt(w, "veth4"); len(got.Addrs) > 0 || !strings.Contains(got.Refused,
		"more than 1000") {
		t.Errorf("veth4 is %+v; expected it to be refused", got)
	}
	behind, err := h.Behind(addrs("10.244.1.4 10.244.1.77"))
	must(t, err)
	if !slices.Contains(behind, addrs("10.244.1.4")[0]) {
		t.Error("the crowded pod is taken for gone")
	}
	// Of veth4 nothing was ever read.
	wantBehind("10.244.1.4 10.244.1.7 10.244.1.8 10.244.1.9 10.244.1.77")
}

// crowd sets that many addresses.
func (p inPod) crowd(count int) {
	p.t.Helper()
	link := p.eth0()
	for i := range count {
		addr, err := netlink.ParseAddr(fmt.Sprintf("172.16.%d.%d/32", i/250, 1+i%250))
		must(p.t, err)
		must(p.t, p.AddrAdd(link, addr))
	}
}

// The MAC address of a pod stays its own if another one sets it, too. If both are seen at once, it
// is nobody's.
func TestMACOfAnotherPodIsNotBound(t *testing.T) {
	bridge := newBridge(t)
	h := &Host{}
	victim := enter(t, plug(t, bridge, "veth6", "10.244.1.6/24"))
	mac := victim.eth0().Attrs().HardwareAddr
	prepare(t, h, "10.244.1.6")
	tenant := enter(t, plug(t, bridge, "veth5", "10.244.1.5/24"))
	must(t, tenant.LinkSetHardwareAddr(tenant.eth0(), mac))
	w := prepare(t, h, "10.244.1.5 10.244.1.6")
	if got := portAt(w, "veth6").MAC; got != ruleset.MAC(mac) {
		t.Errorf("the victim's MAC address is %v", got)
	}
	if got := portAt(w, "veth5").MAC; got != (ruleset.MAC{}) {
		t.Errorf("the tenant's MAC address is %v", got)
	}
	if got := portAt(prepare(t, &Host{}, "10.244.1.5 10.244.1.6"), "veth6").MAC; got != (ruleset.MAC{}) {
		t.Errorf("of two who are seen at once one has the MAC address %v", got)
	}
}

// Where the plugin was slow, the other pod's address came later after its port than the tenant's
// forgery, but that is not what the tenant's interface had first.
func TestSlowPluginLosesNoAddress(t *testing.T) {
	for name, act := range map[string]func(inPod){
		"it adds the address": func(tenant inPod) { tenant.add("10.244.1.6/24") },
		"it has the address only": func(tenant inPod) {
			tenant.remove("10.244.1.5/24")
			tenant.add("10.244.1.6/24")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bridge := newBridge(t)
			h := &Host{}
			tenant := enter(t, plug(t, bridge, "veth5", "10.244.1.5/24"))
			prepare(t, h, "10.244.1.9")
			act(tenant)
			slow := enter(t, plug(t, bridge, "veth6"))
			time.Sleep(podStart)
			slow.add("10.244.1.6/24")
			wantPorts(t, h, "10.244.1.6", onPort("veth5", ""), onPort("veth6", "10.244.1.6"))
		})
	}
}
