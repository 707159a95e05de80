package cluster

import (
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// version is a resource version. Those of one resource grow, and may be compared (KEP-5504; etcd's always could be). 0
// says that it is no number, or none that orders anything.
type version uint64

// startOf is what a watch begins after: all that it tells is newer. There is no order among the objects that it begins
// with if asked to (WatchList).
func startOf(o metav1.ListOptions) version {
	if o.SendInitialEvents != nil {
		return 0
	}
	return parseVersion(o.ResourceVersion)
}

// versionOf is that of the object, as the event left it.
func versionOf(e watch.Event) version {
	object, err := meta.Accessor(e.Object)
	if err != nil {
		return 0 // an error has none
	}
	return parseVersion(object.GetResourceVersion())
}

func parseVersion(text string) version {
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return version(v)
}
