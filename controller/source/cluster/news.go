package cluster

import (
	"encoding/json"
	"hash/maphash"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// news is all that is kept of an API object on its way to the graph. An object of the API weighs kilobytes, a list of
// all pods of a large cluster hundreds of megabytes: each is converted as soon as it is read, and not kept.
//
// It poses as an object, so that a reflector carries it.
type news struct {
	key      policy.Key
	uid      types.UID
	revision string      // metadata.resourceVersion
	version  uint64      // stands for uid and revision; 0: there is no revision, so nothing is ever the same
	event    graph.Event // what the object says
	content  uint64      // stands for that; 0 only where it does not count
}

// GetObjectKind says nothing.
func (n *news) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject copies what may be changed: nothing behind it ever is.
func (n *news) DeepCopyObject() runtime.Object {
	same := *n
	return &same
}

// digest makes news of objects. Where it has seen two things of which one would do, it lets go of the other. Its hashes
// have a random seed, so nobody can bring about that two different things have the same; by chance it is one pair in
// 2^64. A digest belongs to one goroutine.
type digest struct {
	seed   maphash.Seed
	texts  pool[string]
	labels pool[map[string]string]
	ports  pool[[]policy.PortName]
}

func newDigest() *digest {
	return &digest{
		seed: maphash.MakeSeed(), texts: newPool(sameText), labels: newPool(sameLabels), ports: newPool(samePorts),
	}
}

// read converts an object, and leaves alone what is converted already.
func (d *digest) read(o any) (*news, error) {
	if done, is := o.(*news); is {
		return done, nil
	}
	m, err := meta.Accessor(o)
	if err != nil {
		return nil, err
	}
	n := &news{key: policy.Key{Namespace: d.text(m.GetNamespace()), Name: m.GetName()}, uid: m.GetUID(), revision: m.GetResourceVersion()}
	if n.revision != "" {
		n.version = maphash.Comparable(d.seed, [2]string{string(n.uid), n.revision})
	}
	n.event, n.content = d.shorten(graph.EventOf(o), n.version)
	return n, nil
}

// shorten returns the same event with what it shares with others, and what stands for what it says; 0 where the object
// does not count.
func (d *digest) shorten(event graph.Event, version uint64) (graph.Event, uint64) {
	switch e := event.(type) {
	case nil, graph.PodGone:
		return event, 0
	case graph.PolicySet:
		return event, version | 1
	case graph.PodSet:
		pod, content := d.pod(e.Pod)
		return graph.PodSet{Pod: pod}, content | 1
	default:
		return event, d.value(e) | 1
	}
}

// value stands for anything small that is all exported.
func (d *digest) value(v any) uint64 {
	text, _ := json.Marshal(v) // of strings, numbers and addresses
	return maphash.Bytes(d.seed, text)
}

// pod returns the same pod with what it shares with others, and what stands for it.
func (d *digest) pod(p policy.Pod) (policy.Pod, uint64) {
	var labels, ports uint64
	for key, value := range p.Labels {
		labels ^= maphash.Comparable(d.seed, [2]string{key, value}) // in whatever order
	}
	for _, port := range p.Ports {
		ports = maphash.Comparable(d.seed, struct {
			policy.PortName
			before uint64
		}{port, ports})
	}
	p.Namespace, p.Node = d.text(p.Namespace), d.text(p.Node)
	p.Labels, p.Ports = d.labels.share(labels, p.Labels), d.ports.share(ports, p.Ports)
	var hash maphash.Hash
	hash.SetSeed(d.seed)
	maphash.WriteComparable(&hash, p.Key)
	maphash.WriteComparable(&hash, p.Node)
	maphash.WriteComparable(&hash, [3]uint64{uint64(p.Started), labels, ports})
	for _, a := range p.Addrs {
		maphash.WriteComparable(&hash, a)
	}
	return p, hash.Sum64()
}

func (d *digest) text(s string) string { return d.texts.share(maphash.String(d.seed, s), s) }
