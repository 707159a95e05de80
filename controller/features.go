package controller

import "github.com/picket-project/picket/ruleset"

// FeatureLister is a kernel that tells what it can do for the rules.
type FeatureLister interface {
	// Features lists what not every kernel can do. That stays the same while the node runs.
	Features() ([]ruleset.Feature, error)
}

// listFeatures takes over what the kernel can do: at the start, so that a node says it that never
// gets ready, and after each commit and each failure until rules were in force once: modules can be
// loaded meanwhile. An error is one of a moment.
func (c *Controller) listFeatures() {
	if c.Features == nil || c.kernel.listed {
		return
	}
	if list, err := c.Features.Features(); err == nil {
		c.kernel.listed = c.Health.started()
		c.Health.features(list)
	}
}
