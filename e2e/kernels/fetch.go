package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// image is a kernel on this machine: a folder with boot/vmlinuz-RELEASE and lib/modules/RELEASE.
type image struct {
	dir     string
	release string // as uname says it: 6.1.0-50-amd64
	nft     string // program of the release's nft
}

// debian asks apt for packages of one suite without this machine's own configuration, but for the
// mirror that it names, and without changing it.
type debian struct {
	dir  string // apt's lists
	args []string
}

// listsLast is how long apt's lists of a suite are used.
const listsLast = 10 * time.Hour

// newDebian asks for a suite where this machine's packages are from, or else where old suites go.
func newDebian(ctx context.Context, cache, suite string) (debian, error) {
	mirror, err := mirrorOf(ctx)
	if err != nil {
		return debian{}, err
	}
	d, err := newDebianAt(ctx, filepath.Join(cache, "apt", suite), suite, mirror)
	if err == nil || ctx.Err() != nil {
		return d, err
	}
	old, oldErr := newDebianAt(ctx, filepath.Join(cache, "apt", suite+"-archived"), suite, archived)
	if oldErr != nil {
		return d, errors.Join(err, oldErr)
	}
	return old, nil
}

// newDebianAt makes apt's folder for a suite, and downloads its lists unless they are fresh.
func newDebianAt(ctx context.Context, dir, suite, mirror string) (debian, error) {
	d := debian{dir: dir}
	for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(d.dir, dir), 0o755); err != nil {
			return d, err
		}
	}
	archive := "debian"
	if strings.HasSuffix(suite, "-security") {
		archive = "debian-security"
	}
	sources := filepath.Join(d.dir, "sources")
	line := fmt.Sprintf("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s/%s %s main\n",
		mirror, archive, suite)
	if err := os.WriteFile(sources, []byte(line), 0o644); err != nil {
		return d, err
	}
	d.args = []string{"-qq", "-o", "Dir::Etc::sourcelist=" + sources, "-o", "Dir::Etc::sourceparts=-",
		"-o", "Dir::State::Lists=" + filepath.Join(d.dir, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(d.dir, "cache"), "-o", "Dir::State::status=/dev/null",
		"-o", "Acquire::Retries=5", "-o", "APT::Update::Error-Mode=any", "-o", "APT::Sandbox::User=root"}
	// Nobody renews what is archived.
	if mirror == archived {
		d.args = append(d.args, "-o", "Acquire::Check-Valid-Until=false")
	}
	return d, d.update(ctx)
}

// publicMirror is for machines that have apt, but not from Debian; archived has the suites that
// nobody supports any more, as bullseye, which mirrors drop some time after that.
const (
	publicMirror = "http://deb.debian.org"
	archived     = "http://archive.debian.org"
)

// mirrorOf returns the address of the mirror of Debian that this machine uses, up to "/debian".
func mirrorOf(ctx context.Context) (string, error) {
	text, err := output(ctx, "", "apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)")
	if err != nil {
		return "", fmt.Errorf("%w; expected a machine with apt, such as Debian's or Ubuntu's", err)
	}
	for line := range strings.Lines(text) {
		if mirror, _, is := strings.Cut(line, "/debian/"); is && strings.HasPrefix(mirror, "Debian ") {
			return strings.TrimPrefix(mirror, "Debian "), nil
		}
	}
	return publicMirror, nil
}

// update downloads the suite's lists, unless they are fresh.
func (d debian) update(ctx context.Context) error {
	fresh := filepath.Join(d.dir, "fresh")
	if info, err := os.Stat(fresh); err == nil && time.Since(info.ModTime()) < listsLast {
		return nil
	}
	if _, err := output(ctx, "", "apt-get", append(d.args, "update")...); err != nil {
		return err
	}
	return os.WriteFile(fresh, nil, 0o644)
}

// packageName is that of an image for any machine with this architecture.
var packageName = regexp.MustCompile(`^linux-image-([0-9][0-9.]*(?:\+[a-z0-9]+)?-?[0-9]*-amd64)$`)

// newest returns the release of the suite's newest image whose version has the prefix.
func (d debian) newest(ctx context.Context, prefix string) (string, error) {
	text, err := output(ctx, "", "apt-cache", append(d.args, "pkgnames", "linux-image-")...)
	if err != nil {
		return "", err
	}
	var releases []string
	for name := range strings.FieldsSeq(text) {
		m := packageName.FindStringSubmatch(name)
		if m != nil && strings.HasPrefix(m[1], prefix) {
			releases = append(releases, m[1])
		}
	}
	if len(releases) == 0 {
		return "", fmt.Errorf("no package linux-image-%s*-amd64", prefix)
	}
	sorted, err := output(ctx, strings.Join(releases, "\n"), "sort", "-V")
	words := strings.Fields(sorted)
	return words[len(words)-1], err
}

// fetch returns the kernel's image, which it downloads and unpacks unless it is in the cache. Where
// nobody can be asked which is the newest, it is the one that was the last time. One process at a
// time does that; others that use the cache wait.
func (k kernel) fetch(ctx context.Context, cache string) (image, error) {
	unlock, err := lockCache(cache)
	if err != nil {
		return image{}, err
	}
	defer unlock()
	return k.fetchAlone(ctx, cache)
}

// lockCache waits until no other process has the cache's lock, and takes it until unlock.
func lockCache(cache string) (unlock func() error, err error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(os.NewSyscallError("flock", err), lock.Close())
	}
	return lock.Close, nil
}

// fetchAlone is fetch while nobody else changes the cache.
func (k kernel) fetchAlone(ctx context.Context, cache string) (image, error) {
	d, release, err := k.newest(ctx, cache)
	if err != nil {
		last := k.last(cache)
		if last == "" {
			return image{}, err
		}
		fmt.Fprintf(os.Stderr, "%v; taking %s, which was the newest the last time\n", err, last)
		release = last
	}
	i := image{dir: filepath.Join(cache, "images", release), release: release}
	if i.nft, err = k.fetchNft(ctx, cache); err != nil {
		return image{}, err
	}
	if _, err := os.Stat(filepath.Join(i.dir, "complete")); err == nil {
		return i, k.remember(cache, release)
	}
	err = d.unpack(ctx, i.dir, d.packages(ctx, release))
	if err = errors.Join(err, i.complete(ctx)); err != nil {
		return image{}, fmt.Errorf("kernel %s: %w", k.name, err)
	}
	return i, k.remember(cache, release)
}

// newest returns the release of the kernel's newest image, and whom to ask for it.
func (k kernel) newest(ctx context.Context, cache string) (d debian, release string, err error) {
	if d, err = newDebian(ctx, cache, k.suite); err != nil {
		return d, "", fmt.Errorf("kernel %s: %w", k.name, err)
	}
	if release, err = d.newest(ctx, k.prefix); err != nil {
		return d, "", fmt.Errorf("kernel %s: suite %s: %w", k.name, k.suite, err)
	}
	return d, release, nil
}

// note is the file that has the release of the image that was the kernel's newest.
func (k kernel) note(cache string) string { return filepath.Join(cache, "images", k.name+".newest") }

// remember writes the release down.
func (k kernel) remember(cache, release string) error {
	return os.WriteFile(k.note(cache), []byte(release), 0o644)
}

// last returns the release that was the kernel's newest, if its image is whole in the cache; else
// nothing.
func (k kernel) last(cache string) string {
	release, err := os.ReadFile(k.note(cache))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(cache, "images", string(release), "complete")); err != nil {
		return ""
	}
	return string(release)
}

// packages are those of an image. Since 7.3 an image is several.
func (d debian) packages(ctx context.Context, release string) []string {
	list := []string{"linux-image-" + release}
	for _, part := range []string{"base", "binary", "modules"} {
		name := "linux-" + part + "-" + release
		if _, err := output(ctx, "", "apt-cache", append(d.args, "show", name)...); err == nil {
			list = append(list, name)
		}
	}
	return list
}

// unpack downloads packages and unpacks them into a folder of their own.
func (d debian) unpack(ctx context.Context, dir string, packages []string) error {
	debs := filepath.Join(dir, "debs")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(debs, 0o755)); err != nil {
		return err
	}
	download := exec.CommandContext(ctx, "apt-get", append(append(d.args, "download"), packages...)...)
	download.Dir, download.Stderr = debs, os.Stderr
	if err := download.Run(); err != nil {
		return fmt.Errorf("apt-get download %s: %w", strings.Join(packages, " "), err)
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if _, err := output(ctx, "", "dpkg-deb", "-x", file, dir); err != nil {
			return err
		}
	}
	return os.RemoveAll(debs)
}

// complete brings a folder of packages to the form of all: newer ones have the modules, and then
// the kernel itself, below usr/lib.
func (i image) complete(ctx context.Context) error {
	links := [][2]string{{"usr/lib", "lib"}}
	for _, file := range []string{"vmlinuz", "config"} {
		links = append(links, [2]string{"../lib/modules/" + i.release + "/" + file,
			"boot/" + file + "-" + i.release})
	}
	if err := os.MkdirAll(filepath.Join(i.dir, "boot"), 0o755); err != nil {
		return err
	}
	for _, link := range links {
		err := os.Symlink(link[0], filepath.Join(i.dir, link[1]))
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if _, err := output(ctx, "", "depmod", "-b", i.dir, i.release); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(i.dir, "complete"), nil, 0o644)
}

// nftPackages are those of the nft program and of all the libraries that any release's wants, so
// that it runs whatever this machine has.
var nftPackages = []string{"nftables", "libc6", "libnftables1", "libnftnl11", "libmnl0", "libjansson4",
	"libedit2", "libgmp10", "libxtables12", "libtinfo6", "libbsd0", "libmd0"}

// nftScript runs the nft program of a folder with the folder's own libraries.
const nftScript = `#!/bin/sh
set -e
root=$(dirname "$(readlink -f "$0")")
for loader in "$root"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 \
	"$root"/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$root"/lib/x86_64-linux-gnu/ld-2.*.so; do
	[ ! -e "$loader" ] || exec "$loader" --library-path \
		"$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu" "$root/usr/sbin/nft" "$@"
done
exit 1
`

// fetchNft returns a program that is the nft of the kernel's release of Debian. One in the cache
// that does not run is fetched again.
func (k kernel) fetchNft(ctx context.Context, cache string) (program string, err error) {
	dir := filepath.Join(cache, "nft", k.nft)
	program = filepath.Join(dir, "nft")
	if _, err := output(ctx, "", program, "--version"); err == nil {
		return program, nil
	}
	d, err := newDebian(ctx, cache, k.nft)
	if err != nil {
		return "", fmt.Errorf("nft of %s: %w", k.nft, err)
	}
	var packages []string
	for _, name := range nftPackages {
		if _, err := output(ctx, "", "apt-cache", append(d.args, "show", name)...); err == nil {
			packages = append(packages, name)
		}
	}
	if err := d.unpack(ctx, dir, packages); err != nil {
		return "", fmt.Errorf("nft of %s: %w", k.nft, err)
	}
	if err := os.WriteFile(program, []byte(nftScript), 0o755); err != nil {
		return "", err
	}
	_, err = output(ctx, "", program, "--version")
	return program, err
}

// output runs a program with text for its standard input, and returns what it printed. Its error
// has what the program printed to standard error.
func output(ctx context.Context, input, program string, args ...string) (string, error) {
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(input), &complaint
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", program, args[len(args)-1], err,
			strings.TrimSpace(complaint.String()))
	}
	return string(out), err
}
