package controller

import "github.com/picket-project/picket/ruleset"

// FeatureLister is a kernel that tells what it can do for the rules.
type FeatureLister interface {
	// Features lists what not every kernel can do. That stays the same while the node runs.
	Features() ([]ruleset.Feature, error)
}

// listFeatures takes over what the kernel can do. The rules are in force by then, so an error is one
// of a moment, after which the next commit asks again.
func (c *Controller) listFeatures() {
	if c.Features == nil || c.kernel.listed {
		return
	}
	if list, err := c.Features.Features(); err == nil {
		c.kernel.listed = true
		c.Health.features(list)
	}
}
