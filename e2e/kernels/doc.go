// Program kernels boots unmodified kernels of Debian in virtual machines and runs Picket's tests
// under each of them.
//
//	suite of Debian ──apt──► image, modules ──qemu──► this machine's files, another kernel ──► checks
//
// A virtual machine sees the files of this machine. What it writes goes to its memory and is lost,
// but for the folder of its results. The kernel and its modules are downloaded once.
//
// KERNELS.md says what each check said under each kernel. It is made from KERNELS.json, in which
// each run replaces what an earlier one said of the same kernel and check.
//
// Two tests failed under 5.10 and 6.1 once, because the machine was slow, not the kernel:
//
//   - TestCrowd: its probes took longer than the ten seconds after which any kernel gives up on an
//     address that nobody has, and says so to whoever asks then. The test takes that answer by then.
//   - TestOpenConnections, "the client is isolated": it takes a connection for cut that has said
//     nothing for a while. With the limits of a usual machine that while was shorter than the pauses of
//     a slow one, and it went on counting before the cut was due. The limits scale since then (ruleset/pace).
package main
