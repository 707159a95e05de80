// Package surroundings tests Picket where something that a node usually has is missing. Each test
// wants a machine that is started so, and fails on another one.
package surroundings
