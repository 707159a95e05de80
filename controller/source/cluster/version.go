package cluster

import (
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// version is a resource version as a number. Those of one resource grow and may be compared
// (KEP-5504; etcd's always could be). 0 is a version that is no number, or that orders nothing.
type version uint64

// startOf returns the version that a watch begins after: all that it says is newer. A watch that
// begins with all objects (WatchList) has no order among these, so the result is 0.
func startOf(o metav1.ListOptions) version {
	if o.SendInitialEvents != nil {
		return 0
	}
	return parseVersion(o.ResourceVersion)
}

// versionOf returns the version of the object in an event.
func versionOf(e watch.Event) version {
	object, err := meta.Accessor(e.Object)
	if err != nil {
		return 0 // the event is an error, which has no version
	}
	return parseVersion(object.GetResourceVersion())
}

// parseVersion returns 0 for a text that is not a number.
func parseVersion(text string) version {
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return version(v)
}
