// Package e2e tests Picket as a black box: the binary against a real API server, on real packets. It is a
// module of its own, so that nothing that it needs becomes a dependency of the product.
package e2e
