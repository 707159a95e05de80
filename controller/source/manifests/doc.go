// Package manifests reads Kubernetes objects from folders and files, once or for as long as the
// agent runs. It needs no API server: the same objects are stated by files.
//
//	path   ─ names, stat, read ─► bytes                  root.go, input.go    I/O
//	bytes  ─ split ─► documents ─ decode ─► objects      split.go, parse.go, syntax.go, decode.go,
//	                                                     names.go
//	policy ─ checked ─► as it is, or closed              typecheck.go, duplicatekeys.go, policy.go
//	file   ─ its last good state ─► statements           file.go
//	object ─ the last file that states it ─► changes     claims.go
//	all files ─► Update                                  state.go, update.go, problem.go
//	Load:  all of it, once ─► Objects                    load.go, objects.go, workload.go
//	Watch: inotify, schedule, reading, rescan            watch.go, pathwatcher.go, notify.go,
//	                                                     schedule.go
//
// # What is read
//
// A folder gives its *.yaml, *.yml and *.json files, but no name that starts with "." or ends
// with "~"; the files of its subfolders only to Load with Input.Recursive. Symlinks are
// followed, so that a ConfigMap mount (name → ..data/name, ..data swapped by a rename) is one
// change. A path that is a file is read whatever its name.
//
// A file holds documents: YAML documents, JSON objects one after the other, a v1 List or a typed
// list. Kept are v1 Namespace, Node and Pod and networking.k8s.io/v1 NetworkPolicy, by Load also
// Services and the workloads of v1, apps/v1 and batch/v1, for which Expand gives pods; other kinds
// are counted and left out. A kept kind under an apiVersion of Kubernetes that is not served
// (NetworkPolicy of v1, of extensions/v1beta1), or in other letters (Networkpolicy), is a Problem:
// left out without one it would be a policy that its author believes in and nobody enforces.
//
// Fields are read as an API server reads them: names are case-sensitive, unknown ones are ignored,
// the last of two equal keys counts, a value of the wrong type is a Problem of its object. A
// NetworkPolicy is read as kubectl reads it: a field that is unknown, a key that its document
// states twice (in YAML and in JSON; one that overrides a merge before it is none), a list item
// without content are Problems too. Nothing is defaulted but an empty metadata.namespace of what
// lives in one ("default", or that of the Input); apiVersion and kind are always set.
//
// # What a mistake does
//
//   - A malformed document or object is a Problem and spoils only itself.
//   - A NetworkPolicy that is a Problem is closed: it isolates the pods that it selects, or all
//     of its namespace if that cannot be read, and allows nothing. To leave it out would be a
//     mistake that allows.
//   - An address of a Pod or Node that cannot be one is a Problem; the object counts with its
//     others.
//   - A file that was good once and now has a Problem of its own keeps all that it last stated
//     when good, until it is good again: half of an edit is not a state.
//   - A file that was never good counts with what could be read of it, and Update.Unread says
//     that there may be more. Nothing that it stated is deleted while it has a Problem.
//   - An object stated twice counts where it stands last (paths as they were given, file names,
//     documents), as kubectl apply would leave it; the others are Problems and take over when
//     the last one goes.
//   - A folder that vanishes under Watch is a Problem; the last state stays.
//   - A file cut to zero bytes is believed after a second, not at once: the shell empties a file
//     long before the command that fills it has written anything.
//
// # When a change counts
//
// A file is read once 5 ms have passed without an event on it, and 50 ms after the first event
// at the latest. Only that file is read, only its documents that changed are parsed. Before a
// file is delivered as gone, all that is scheduled is read too, and after a rename the whole
// folder is compared: what has only moved to another file is never gone in between. Every 10 s,
// and whenever events were lost, all files are compared by inode, size and modification time.
//
// The objects that Load and Watch return are shared: read them, never write.
package manifests
