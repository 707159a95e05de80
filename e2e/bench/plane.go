package main

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// plane is a node with two of its pods on one bridge, and rules between them.
type plane struct {
	*sandbox.Cluster
	conn   net.Conn // of the client, to the server's port
	server net.PacketConn
	port   int
}

const (
	planeNode   = "n1"
	planeClient = "plane/client"
	planeServer = "plane/server"
	firstPort   = 5000
)

var (
	clientAddr = netip.MustParseAddr("10.244.1.2")
	serverAddr = netip.MustParseAddr("10.244.1.3")
)

// layout says what rules there are: that many policies for the server, each for one role of that many pods.
type layout struct {
	pods, policies int
	ownPorts       bool // each policy has its own, else all have the same
}

func (l layout) String() string {
	if l.policies == 1 {
		return count(l.pods) + " pods, one policy"
	}
	return fmt.Sprintf("%s pods, %s policies", count(l.pods), count(l.policies))
}

// role and port are what the i-th policy is about; the client is in the middle.
func (l layout) role(i int) string { return fmt.Sprintf("r%d", i) }

func (l layout) port(i int) int {
	if l.ownPorts {
		return firstPort + i
	}
	return firstPort
}

func (l layout) middle() int { return l.policies / 2 }

// newPlane starts one, with what programs are to load: a program with its arguments and its input, each.
func newPlane(port int, loads []ruleLoad) (_ *plane, err error) {
	cluster, err := sandbox.New([]sandbox.Node{{
		Name: planeNode, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.11")}, PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")},
	}})
	if err != nil {
		return nil, err
	}
	p := &plane{Cluster: cluster, port: port}
	for name, addr := range map[string]netip.Addr{planeClient: clientAddr, planeServer: serverAddr} {
		if err := p.AddPod(sandbox.Pod{Name: name, Node: planeNode, Addrs: []netip.Addr{addr}}); err != nil {
			return nil, err
		}
	}
	for _, l := range loads {
		if err := p.InNode(planeNode, l.run); err != nil {
			return nil, err
		}
	}
	return p, p.dial()
}

// dial opens the client's socket. The server's is never read: it is full soon, and what comes then is dropped behind
// everything that is measured.
func (p *plane) dial() error {
	err := p.InPod(planeServer, func() (err error) {
		p.server, err = net.ListenPacket("udp4", fmt.Sprintf(":%d", p.port))
		return err
	})
	if err != nil {
		return err
	}
	return p.InPod(planeClient, func() (err error) {
		p.conn, err = net.Dial("udp4", netip.AddrPortFrom(serverAddr, uint16(p.port)).String())
		return err
	})
}

// send returns what one packet takes, of n sent one after the other: veth, bridge and forward hook run within the
// system call that sends it.
func (p *plane) send(n int) (samples, error) {
	took, err := timed(func() error {
		for range n {
			if _, err := p.conn.Write([]byte("x")); err != nil {
				return err
			}
		}
		return nil
	})
	return samples{took / time.Duration(n)}, err
}

// answer has the server answer once, so that conntrack takes the flow for established.
func (p *plane) answer() error {
	if _, err := p.conn.Write([]byte("x")); err != nil {
		return err
	}
	buffer := make([]byte, 1)
	_, client, err := p.server.ReadFrom(buffer)
	if err != nil {
		return err
	}
	if _, err := p.server.WriteTo(buffer, client); err != nil {
		return err
	}
	_, err = p.conn.Read(buffer)
	return err
}

// connect returns how long n connections took to be there, each.
func (p *plane) connect(n int) (all samples, err error) {
	to := netip.AddrPortFrom(serverAddr, uint16(p.port)).String()
	err = p.InPod(planeClient, func() error {
		for range n {
			var conn net.Conn
			took, err := timed(func() (err error) {
				conn, err = net.Dial("tcp4", to)
				return err
			})
			if err != nil {
				return err
			}
			_ = conn.(*net.TCPConn).SetLinger(0) // no ports are used up by closed connections
			_ = conn.Close()
			all = append(all, took)
		}
		return nil
	})
	return all, err
}

// accept lets the server take connections in.
func (p *plane) accept() error {
	return p.InPod(planeServer, func() error {
		listener, err := net.Listen("tcp4", fmt.Sprintf(":%d", p.port))
		if err != nil {
			return err
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		return nil
	})
}

// ruleLoad is a program that reads rules.
type ruleLoad struct {
	args  []string
	input string
}

func (l ruleLoad) run() error {
	cmd := exec.Command(l.args[0], l.args[1:]...)
	cmd.Stdin = strings.NewReader(l.input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(l.args, " "), err, out)
	}
	return nil
}

func nftLoad(script string) ruleLoad { return ruleLoad{[]string{"nft", "-f", "-"}, script} }

// untracked makes every packet one that is judged: conntrack does not know it.
var untracked = nftLoad("table inet untracked { chain every { type filter hook prerouting priority raw; notrack; }; }\n")

// tracked is conntrack alone: what it knows passes.
var tracked = nftLoad("table inet tracked { chain every { type filter hook forward priority filter; ct state established accept; }; }\n")

// picketTable is the node's table as Picket makes it, some times side by side.
func picketTable(p *ruleset.Program, copies int) ruleLoad {
	var text strings.Builder
	for i := range copies {
		text.WriteString(strings.ReplaceAll(nft.Script(p), "table inet picket", fmt.Sprintf("table inet picket%d", i)))
	}
	return nftLoad(text.String())
}

// program is what the graph makes of it; nil policies leave the server alone.
func (l layout) program() *ruleset.Program {
	g := graph.New(planeNode, ruleset.Drop)
	g.Apply(graph.LinksSet{Links: []ruleset.Link{{Name: "cni0", Addrs: []netip.Addr{clientAddr, serverAddr}}}})
	g.Apply(graph.TunnelsSet{Tunnels: []ruleset.Tunnel{{Proto: ruleset.UDP, Port: 8472}}})
	g.Apply(graph.PodSet{Pod: planePod("server", planeNode, "server", serverAddr)})
	g.Apply(graph.PodSet{Pod: planePod("client", planeNode, l.role(l.middle()), clientAddr)})
	for i := range l.pods {
		g.Apply(graph.PodSet{Pod: planePod(fmt.Sprintf("p%d", i), "elsewhere", l.role(i%max(1, l.policies)), numbered(l.pods)[i])})
	}
	for i := range l.policies {
		g.Apply(graph.PolicySet{Policy: policy.Parse(l.policy(i))})
	}
	return g.Program()
}

func planePod(name, node, role string, addr netip.Addr) policy.Pod {
	return policy.Pod{
		Key: policy.Key{Namespace: "plane", Name: name}, Node: node, Labels: map[string]string{"role": role}, Addrs: []netip.Addr{addr},
	}
}

func (l layout) policy(i int) *networkingv1.NetworkPolicy {
	p := object("plane", fmt.Sprintf("p%04d", i), "", networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"role": l.role(i)}}})
	p.Spec.PodSelector = metav1.LabelSelector{MatchLabels: map[string]string{"role": "server"}}
	for _, proto := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
		port := intstr.FromInt(l.port(i))
		p.Spec.Ingress[0].Ports = append(p.Spec.Ingress[0].Ports, networkingv1.NetworkPolicyPort{Protocol: &proto, Port: &port})
	}
	return p
}
