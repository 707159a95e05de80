package cluster

import (
	"encoding/json"
	"hash/maphash"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// object is what is left of an API object after it was converted. One of the API weighs
// kilobytes, a list of all pods of a large cluster hundreds of megabytes: each is converted as
// soon as it is read and not kept.
//
// It implements runtime.Object, so that a reflector carries it from the list to the store.
type object struct {
	key      policy.Key
	revision revision
	event    graph.Event // what the object says
	hashes
}

// revision identifies an object, as it was at one time, in the Events about it.
type revision struct {
	uid     types.UID
	version string // metadata.resourceVersion
}

// hashes stand for an object in a store.
type hashes struct {
	version uint64 // of UID and resource version; 0: there is no version, so none is like another
	content uint64 // of what the object says; 0: the object does not count
}

// GetObjectKind returns nothing: nobody asks a converted object.
func (o *object) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject makes a shallow copy, which is enough: what the fields point to never changes.
func (o *object) DeepCopyObject() runtime.Object {
	same := *o
	return &same
}

// converter makes events of API objects, with hashes. Equal texts, labels and ports of different
// objects take memory once. The hashes have a random seed, so nobody can craft two objects with the
// same hash; by chance it is one pair in 2^64. A converter belongs to one goroutine.
type converter struct {
	seed   maphash.Seed
	texts  interner[string]
	labels interner[map[string]string]
	ports  interner[[]policy.PortName]
}

// newConverter returns a converter with a seed of its own, so two converters have different hashes.
func newConverter() *converter {
	return &converter{
		seed:   maphash.MakeSeed(),
		texts:  newInterner(func(a, b string) bool { return a == b }),
		labels: newInterner(maps.Equal[map[string]string, map[string]string]),
		ports:  newInterner(slices.Equal[[]policy.PortName]),
	}
}

// convert converts an API object, and returns one that is converted already as it is.
func (c *converter) convert(o any) (*object, error) {
	if done, is := o.(*object); is {
		return done, nil
	}
	m, err := meta.Accessor(o)
	if err != nil {
		return nil, err
	}
	n := &object{
		key:      policy.Key{Namespace: c.text(m.GetNamespace()), Name: m.GetName()},
		revision: revision{m.GetUID(), m.GetResourceVersion()},
	}
	if n.revision.version != "" {
		n.hashes.version = maphash.Comparable(c.seed, n.revision)
	}
	n.event, n.content = c.hashContent(graph.EventOf(o), n.hashes.version)
	return n, nil
}

// hashContent returns the event, with what it shares with others, and a hash of what it says. The
// hash is 0 for an object that does not count, and only then. Of a policy each version is new.
func (c *converter) hashContent(event graph.Event, version uint64) (graph.Event, uint64) {
	switch e := event.(type) {
	case nil, graph.PodGone:
		return event, 0
	case graph.PolicySet:
		return event, version | 1
	case graph.PodSet:
		pod, content := c.pod(e.Pod)
		return graph.PodSet{Pod: pod}, content | 1
	default:
		return event, c.hashJSON(e) | 1
	}
}

// hashJSON hashes a value whose fields are all exported.
func (c *converter) hashJSON(v any) uint64 {
	text, _ := json.Marshal(v) // cannot fail: the fields are texts, numbers and addresses
	return maphash.Bytes(c.seed, text)
}

// pod returns a pod equal to the given one, with what it shares with others, and a hash of it.
// There can be very many pods, for which JSON would take too long.
func (c *converter) pod(p policy.Pod) (policy.Pod, uint64) {
	labels, ports := c.hashLabels(p.Labels), c.hashPorts(p.Ports)
	p.Namespace, p.Node = c.text(p.Namespace), c.text(p.Node)
	p.Labels, p.Ports = c.labels.intern(labels, p.Labels), c.ports.intern(ports, p.Ports)
	var hash maphash.Hash
	hash.SetSeed(c.seed)
	maphash.WriteComparable(&hash, p.Key)
	maphash.WriteComparable(&hash, p.Node)
	maphash.WriteComparable(&hash, [3]uint64{uint64(p.Started), labels, ports})
	for _, a := range p.Addrs {
		maphash.WriteComparable(&hash, a)
	}
	return p, hash.Sum64()
}

// hashLabels does not depend on the order in which a map is read.
func (c *converter) hashLabels(labels map[string]string) (sum uint64) {
	for key, value := range labels {
		sum ^= maphash.Comparable(c.seed, [2]string{key, value})
	}
	return sum
}

// hashPorts depends on the order of the ports.
func (c *converter) hashPorts(ports []policy.PortName) (sum uint64) {
	for _, port := range ports {
		sum = maphash.Comparable(c.seed, struct {
			policy.PortName
			before uint64
		}{port, sum})
	}
	return sum
}

// text returns an equal text that others share.
func (c *converter) text(s string) string { return c.texts.intern(maphash.String(c.seed, s), s) }
