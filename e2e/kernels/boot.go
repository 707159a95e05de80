package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// initScript is the first program of a virtual machine: it makes the root from this machine's
// files and starts the script "run" of the folder control.
//
//go:embed init.sh
var initScript string

// machine is a virtual machine that runs one command as root.
type machine struct {
	image  image
	dir    string        // in which the command starts
	memory int           // MiB
	append string        // more for the kernel's command line
	limit  time.Duration // to its end
	by     accelerator   // run chooses it
}

// errUnfinished says that a machine did not run its command to the end.
var errUnfinished = errors.New("the virtual machine did not run the command to its end")

// errNotBegun says that it did not even begin.
var errNotBegun = fmt.Errorf("%w: it did not start", errUnfinished)

// beginLimit is how long a machine may take until it begins: some thirty times as long as one that is
// translated in software does.
const beginLimit = 5 * time.Minute

// unended is which of them happened. The first that a machine does with its command is to make the
// file begun.
func unended(control string) error {
	if _, err := os.Stat(filepath.Join(control, "begun")); err != nil {
		return errNotBegun
	}
	return errUnfinished
}

// accelerator is how qemu runs a machine's instructions.
type accelerator struct{ name, append string }

// The accelerators: the processor itself, and a translation, for which the kernel is told to leave out
// what costs time.
var (
	kvm = accelerator{name: "kvm"}
	tcg = accelerator{"tcg,thread=multi,tb-size=512", " mitigations=off nopti clocksource=tsc " +
		"tsc=reliable rcupdate.rcu_expedited=1"}
)

// run boots the machine, runs a shell command there, copies what it prints and
// returns its exit code. What the command writes to the folder out stays. Where KVM is there and can't
// be used, as in some virtual machines, instructions are translated.
func (m machine) run(ctx context.Context, command, out string, printed io.Writer) (int, error) {
	if hasKVM() {
		m.by = kvm
		code, err := m.runOnce(ctx, command, out, printed)
		if !errors.Is(err, errNotBegun) || ctx.Err() != nil {
			return code, err
		}
		fmt.Fprintf(os.Stderr, "without KVM, ten times slower: %v\n", err)
	}
	m.by = tcg
	code, err := m.runOnce(ctx, command, out, printed)
	if errors.Is(err, errNotBegun) {
		err = fmt.Errorf("%w; expected a machine on which qemu can run one for amd64", err)
	}
	return code, err
}

// runOnce is run with the machine's accelerator.
func (m machine) runOnce(ctx context.Context, command, out string, printed io.Writer) (int, error) {
	work, err := os.MkdirTemp("", "kernel-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	control := filepath.Join(work, "control")
	if err := errors.Join(os.MkdirAll(control, 0o755), os.MkdirAll(out, 0o755)); err != nil {
		return 0, err
	}
	if err := m.settings(control, command, out); err != nil {
		return 0, err
	}
	initrd := filepath.Join(work, "initrd")
	if err := m.pack(ctx, filepath.Join(work, "first"), initrd); err != nil {
		return 0, err
	}
	console := filepath.Join(work, "console")
	ctx, cancel := context.WithTimeoutCause(ctx, m.limit, fmt.Errorf("it took more than %s", m.limit))
	defer cancel()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	late := time.AfterFunc(beginLimit, func() {
		if errors.Is(unended(control), errNotBegun) {
			giveUp(fmt.Errorf("it said nothing for %s", beginLimit))
		}
	})
	defer late.Stop()
	flags := m.flags(initrd, console)
	flags = append(flags, shares(control, out)...)
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", flags...)
	var complaint strings.Builder
	qemu.Stderr = &complaint
	// It ends with the thread that starts it, however this process ends.
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := qemu.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- qemu.Wait() }()
	err = follow(filepath.Join(control, "output"), printed, ended)
	status, readErr := os.ReadFile(filepath.Join(control, "status"))
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%w: %w", unended(control), context.Cause(ctx))
	}
	if readErr != nil {
		last, _ := os.ReadFile(console)
		return 0, fmt.Errorf("%w: %v: %s%s", unended(control), err, complaint.String(), tail(last, 2000))
	}
	return strconv.Atoi(strings.TrimSpace(string(status)))
}

// follow copies what is appended to a file until a program has ended, and then the rest.
func follow(file string, to io.Writer, ended <-chan error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		select {
		case end := <-ended:
			_, err := io.Copy(to, f)
			return errors.Join(end, err)
		case <-time.After(200 * time.Millisecond):
			if _, err := io.Copy(to, f); err != nil {
				return err
			}
		}
	}
}

// tail returns the last bytes of a text.
func tail(text []byte, most int) string { return string(text[max(0, len(text)-most):]) }

// settings writes what the first program reads, and the command as a script.
func (m machine) settings(control, command, out string) error {
	settings := fmt.Sprintf("OUT=%s\nIMAGE=%s\nRELEASE=%s\n", quote(out), quote(m.image.dir),
		quote(m.image.release))
	// As process 1, so that the kernel finds modprobe in the same root.
	run := fmt.Sprintf(`: >/mnt/begun
exec >/mnt/output 2>&1 </dev/null
export HOME=/root PATH=%s OUT=%s NFT=%s PICKET_VM=1 REQUIRE_KERNEL=1
hostname picket; ip link set lo up; ulimit -n 65536
cd %s && bash -c %s
echo $? >/mnt/status
sync
exec /bin/busybox poweroff -f
`, quote(os.Getenv("PATH")), quote(out), quote(m.image.nft), quote(m.dir), quote(command))
	return errors.Join(
		os.WriteFile(filepath.Join(control, "settings"), []byte(settings), 0o644),
		os.WriteFile(filepath.Join(control, "run"), []byte(run), 0o644),
		os.WriteFile(filepath.Join(control, "output"), nil, 0o644),
	)
}

// quote makes one word of the shell of a text.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// pack makes the first root: busybox, the modules that find this machine's files, in the order in
// which they are loaded, and the first program.
func (m machine) pack(ctx context.Context, dir, initrd string) error {
	modules, err := m.modules(ctx)
	if err != nil {
		return err
	}
	for _, sub := range []string{"bin", "modules", "lower", "upper", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	script := fmt.Sprintf("set -e\ncp \"$(command -v busybox)\" %s/bin/busybox\n", quote(dir))
	for n, file := range modules {
		// Debian packs modules from 6.4 on.
		unpack := "cat"
		if strings.HasSuffix(file, ".xz") {
			unpack = "xz -dc"
		}
		script += fmt.Sprintf("%s %s >%s/modules/%03d.ko\n", unpack, quote(file), quote(dir), n)
	}
	script += fmt.Sprintf("cd %s && find . | cpio -o -H newc --quiet | gzip -1 >%s\n", quote(dir),
		quote(initrd))
	if err := os.WriteFile(filepath.Join(dir, "init"), []byte(initScript), 0o755); err != nil {
		return err
	}
	_, err = output(ctx, script, "bash", "-s")
	return err
}

// modules lists the files of the modules that find this machine's files, what they need first.
func (m machine) modules(ctx context.Context) (files []string, err error) {
	seen := map[string]bool{}
	for _, module := range []string{"virtio_pci", "9pnet_virtio", "9p", "overlay"} {
		text, err := output(ctx, "", "modprobe", "-d", m.image.dir, "-S", m.image.release,
			"--show-depends", module)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			words := strings.Fields(line)
			if len(words) > 1 && words[0] == "insmod" && !seen[words[1]] { // else: builtin
				seen[words[1]] = true
				files = append(files, words[1])
			}
		}
	}
	return files, nil
}

// hasKVM reports whether this machine can run another one without translating its instructions.
func hasKVM() bool {
	for _, module := range []string{"kvm_intel", "kvm_amd"} {
		if _, err := os.Stat("/sys/module/" + module); err == nil {
			f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
			if err == nil {
				return f.Close() == nil
			}
		}
	}
	return false
}

// flags are qemu's. One processor is twice as fast as two where instructions are translated.
func (m machine) flags(initrd, console string) []string {
	return []string{"-accel", m.by.name, "-cpu", "max", "-smp", "1", "-m", strconv.Itoa(m.memory),
		"-nodefaults", "-display", "none", "-no-reboot", "-serial", "file:" + console,
		"-kernel", filepath.Join(m.image.dir, "boot", "vmlinuz-"+m.image.release), "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on" + m.by.append + " " + m.append}
}

// shares are qemu's flags for the folders that a machine shares with this one.
func shares(control, out string) (flags []string) {
	list := []struct{ tag, path, options string }{
		{"root", "/", ",readonly=on"}, {"control", control, ""}, {"out", out, ""}}
	for _, share := range list {
		flags = append(flags,
			"-fsdev", fmt.Sprintf("local,id=%s,path=%s,security_model=none,multidevs=remap%s", share.tag,
				share.path, share.options),
			"-device", fmt.Sprintf("virtio-9p-pci,fsdev=%s,mount_tag=%[1]s", share.tag))
	}
	return flags
}
