// Package cluster is the source that reads the API of a cluster. It also writes Events there.
//
//	API server ── pages of lists, watches ──► list.go, listwatch.go, watch.go, version.go
//	object     ── converted as it is read ──► convert.go, intern.go
//	           ── what differs from before ─► store.go, one for each kind
//	           ── a policy was deleted ─────► deleted.go    waits for its namespace
//	graph.Event ──► source.Mail                 source.go
//	what fails for long ──► complaints          outage.go
//	problems of policies ──► API server         eventwriter.go, queue.go
//
// The graph alone holds what objects say. A store keeps two hashes of each object, so that the
// memory of an agent does not grow with the text of the objects.
//
// What holds whatever the API server does:
//   - A list is of the newest state, never from a cache that has fallen behind.
//   - An empty list is asked for twice before it is believed.
//   - A watch that goes back in time ends in a new list.
//   - After the server was away, changes are known within 5 seconds of its return.
//   - A deleted policy stays in force until it is known whether its namespace terminates.
package cluster
