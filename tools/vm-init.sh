#!/bin/busybox sh
# First process of the virtual machine of tools/vm-test.ts. The kernel's command line says: cgroup=v2|v1|hybrid,
# init=plain|systemd|container, without=MODULE,…, kernel=DIRECTORY, project=DIRECTORY; /command is what to run.
export PATH=/bin HOME=/root TERM=dumb
/bin/busybox mkdir -p /proc /sys /dev /lower /disk /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
echo 'vm-test: booted'
commandLine=$(cat /proc/cmdline)
option() { echo "$commandLine" | sed -n "s|.*vm\.$1=\([^ ]*\).*|\1|p"; }

fail() {
  echo "vm-test: $1"
  poweroff -f
}

for module in crc32c_generic virtio_pci virtio_blk 9pnet_virtio 9p ext4 overlay; do
  modprobe "$module" || fail "module $module does not load"
done
mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=524288,ro root /lower || fail 'the file system is not shared'
mount -t ext4 /dev/vda /disk || fail 'no disk'

# The machine's own files, written to on the disk; what needs a real file system lies on the disk itself.
layer() {
  mkdir -p "/disk/$3/upper" "/disk/$3/work"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=/disk/$3/upper,workdir=/disk/$3/work" "$2"
}
layer /lower /root root || fail 'no overlay'
for directory in tmp var/lib/k8ts var/lib/containerd "$(option project | cut -c2-)"; do
  mkdir -p "/disk/at/$directory" "/root/$directory"
  mount --bind "/disk/at/$directory" "/root/$directory"
done
chmod 1777 /root/tmp
release=$(uname -r)
mkdir -p "/root/lib/modules/$release"
layer "/lower$(option kernel)/lib/modules/$release" "/root/lib/modules/$release" modules || fail 'no modules'
for module in $(option without | tr , ' '); do
  find "/root/lib/modules/$release" -name "$module.ko*" -exec rm {} +
  sed -i "/\/$module\.ko[^:]*:/d" "/root/lib/modules/$release/modules.dep"
done
[ -e /root/sbin/modprobe ] || ln -s /bin/busybox /root/sbin/modprobe
project=/root$(option project)
tar -x -f /dev/vdb -C "$project" || fail 'the project does not unpack'
mkdir "$project/node_modules"
mount --bind "/lower$(option project)/node_modules" "$project/node_modules"
cp /command /root/tmp/vm-command
hostname vm
echo '127.0.0.1 localhost vm' > /root/etc/hosts
mount -t tmpfs -o mode=755 tmpfs /root/run
groups=/sys/fs/cgroup
case "$(option cgroup)" in
v2) [ "$(option init)" = systemd ] || mount -t cgroup2 -o nsdelegate cgroup2 $groups ;;
*)
  mount -t tmpfs -o mode=755 tmpfs $groups
  for controller in cpu,cpuacct cpuset memory pids devices freezer blkio hugetlb perf_event; do
    mkdir "$groups/$controller"
    mount -t cgroup -o "$controller" cgroup "$groups/$controller" || rmdir "$groups/$controller"
  done
  [ "$(option cgroup)" = v1 ] || { mkdir $groups/unified && mount -t cgroup2 cgroup2 $groups/unified; }
  ;;
esac
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ip link set lo up

# What runs in the machine's own files: $start is a command of sh that runs the file it is given.
start='sh "$1"'
if [ "$(option init)" = container ]; then
  # As in a container with the right to do all: a namespace of groups whose root is not the machine's, with processes in it.
  mkdir -p $groups/machine.slice/box
  echo '+cpu +memory +pids' > $groups/cgroup.subtree_control
  echo '+cpu +memory +pids' > $groups/machine.slice/cgroup.subtree_control
  echo $$ > $groups/machine.slice/box/cgroup.procs
  start='unshare --cgroup --mount sh -c "umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; sh $1"'
fi
cat > /root/tmp/vm-first <<END
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
cd "$(option project)"
set -- /tmp/vm-command
$start < /dev/null
echo "vm-test: exit \$?"
sync
# Over the serial line everything must be out before the machine is.
sleep 1
echo o > /proc/sysrq-trigger
sleep 60
END
cat > /root/etc/systemd/system/vm-test.service <<END
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh /tmp/vm-first
END
for directory in proc sys dev; do
  mount --rbind "/$directory" "/root/$directory"
  umount -l "/$directory"
done
if [ "$(option init)" = systemd ]; then
  # As on most machines: systemd has the groups, and the command runs as a service, in /system.slice.
  exec switch_root /root /lib/systemd/systemd --unit=vm-test.service
fi
exec switch_root -c /dev/console /root /bin/sh /tmp/vm-first
