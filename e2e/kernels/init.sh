#!/bin/busybox sh
# The first program of a virtual machine. It mounts the files of the machine outside, read-only, with
# memory over them for what is written, and goes on with the script "run" of the folder control.
/bin/busybox --install -s /bin
mkdir -p /proc /dev /sys /control
mount -t proc proc /proc
for module in /modules/*.ko; do [ -e "$module" ] && insmod "$module"; done
share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$3" "$1" "$2"; } # NAME WHERE OPTIONS
share control /control cache=none || poweroff -f
. /control/settings
share root /lower ro,cache=loose && mount -t tmpfs -o size=90% tmpfs /upper &&
	mkdir /upper/data /upper/work &&
	mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /root ||
	poweroff -f
cd /root || poweroff -f
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -sf /proc/self/fd dev/fd
mount -t tmpfs tmpfs run
[ -d sys/fs/cgroup ] && mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t bpf bpf sys/fs/bpf 2>/dev/null
mkdir -p ".$OUT" lib/modules
share out ".$OUT" cache=none
mount -t tmpfs tmpfs lib/modules
mkdir "lib/modules/$RELEASE"
mount -o bind ".$IMAGE/lib/modules/$RELEASE" "lib/modules/$RELEASE"
mount -o move /control mnt
exec switch_root . /bin/bash /mnt/run
