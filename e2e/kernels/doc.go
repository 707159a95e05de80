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
package main
