# A machine to try things on: a minimal Debian under systemd-nspawn, on a throw-away overlay, with nothing
# but loopback for a network. To be sourced; needs root.
#
#   guest_make ROOT          makes the root folder, once: a minute or two, 300 MB
#   guest_boot ROOT WORK     boots it; WORK is an empty folder of the caller
#   guest COMMAND...         runs a command in it, with the caller's stdin
#   guest_down               ends it, whatever state it is in
# shellcheck shell=bash

guest_make() {
    local root=$1 suite
    [ -e "$root/sbin/init" ] && return
    # The suite of this machine, so that programs built here find their libraries there.
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mkdir -p "$(dirname "$root")"
    rm -rf "$root.part"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,procps,sqlite3 "$suite" "$root.part"
    # Each boot is a first boot of another machine.
    : > "$root.part/etc/machine-id"
    mv "$root.part" "$root"
}

# In a mount namespace of its own, so that nothing stays mounted: the unified hierarchy of cgroups, which
# systemd in the guest wants whatever this machine has, and `cgroup`, the guest's place in it.
guest_namespace() {
    local script=$1
    shift
    exec unshare --mount --propagation private bash -euc '
        if [ "$(stat --file-system --format %T /sys/fs/cgroup)" != cgroup2fs ]; then
            umount --recursive /sys/fs/cgroup
            mount -t cgroup2 cgroup2 /sys/fs/cgroup
        fi
        cgroup=/sys/fs/cgroup$(sed --quiet "s/^0:://p" /proc/self/cgroup)/$1
    '"$script" _ "$guest_name" "$@"
}

guest_boot() {
    guest_name=clearpoint-sync-$$
    guest_console=$2/console
    mkdir "$2/mounts"
    guest_namespace '
        mkdir "$cgroup"
        echo $$ > "$cgroup/cgroup.procs"
        mount -t tmpfs guest "$3"
        mkdir "$3/upper" "$3/overlay" "$3/root"
        mount -t overlay overlay -o "lowerdir=$2,upperdir=$3/upper,workdir=$3/overlay" "$3/root"
        exec setsid systemd-nspawn --quiet --register=no --keep-unit --machine="$1" --directory="$3/root" \
            --private-network --console=pipe --kill-signal=SIGRTMIN+3 --boot
    ' "$1" "$2/mounts" > "$guest_console" 2>&1 < /dev/null &
    guest_pid=$!
    if ! within 60 guest_is_up; then
        echo "the guest did not boot:" >&2
        tail -n 20 "$guest_console" >&2
        return 1
    fi
}

guest_is_up() {
    local state
    state=$(guest systemctl is-system-running 2>&1 || true)
    [ "$state" = running ] || [ "$state" = degraded ]
}

# The guest's PID 1, as this machine counts.
guest_leader() {
    local children
    children=$(cat "/proc/$guest_pid/task/$guest_pid/children" 2> /dev/null) && [ -n "$children" ] || return 1
    echo "${children%% *}"
}

# nsenter alone would keep this machine's capabilities; these are what nspawn takes from its guests, without
# which `date --set` in there cannot move the clock out here.
guest() {
    local leader
    leader=$(guest_leader) || return 125
    nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup -- \
        setpriv --bounding-set=-sys_time,-sys_module,-sys_boot,-sys_rawio,-wake_alarm,-syslog \
        env --ignore-environment PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LANG=C.UTF-8 TERM=dumb "$@"
}

guest_down() {
    local leader
    [ -n "${guest_pid:-}" ] || return 0
    if leader=$(guest_leader); then
        kill -s RTMIN+4 "$leader" # power off
        within 20 guest_is_gone || kill -s KILL "$leader"
    fi
    within 20 guest_is_gone || kill -s KILL "$guest_pid"
    wait "$guest_pid" 2> /dev/null
    guest_pid=
    (guest_namespace 'find "$cgroup" -depth -type d -exec rmdir {} +')
}

guest_is_gone() { ! kill -0 "$guest_pid" 2> /dev/null; }

# Waits until a command succeeds; fails when it has not after so many seconds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}
