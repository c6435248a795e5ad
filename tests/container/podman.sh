# shellcheck shell=bash
# Podman for one test: `pod ARGUMENTS…` keeps everything in $work, which goes away at the end of the script.
# Sourced, not run. What some machines need besides is done where it is found to be needed, and nowhere else.

# Where a half of the cgroups is of version 2 and no systemd looks after them, crun refuses to start; in a
# mount namespace of its own the script does not see that half.
if [ "$(id -u)" -eq 0 ] && [ -z "${OWN_MOUNTS:-}" ] && [ -d /sys/fs/cgroup/unified ] && [ ! -d /run/systemd/system ]; then
    OWN_MOUNTS=yes exec unshare --mount --propagation slave -- \
        bash -c 'umount /sys/fs/cgroup/unified; exec bash "$0" "$@"' "$0" "$@"
fi

work=$(mktemp -d /tmp/clearpoint-sync.XXXXXX)
# (Not for `pod exec`: crun 1.8 makes the container's user the owner of the /dev/null it is given.)
pod() { podman --root "$work/storage" --runroot "$work/run" "$@"; }

settings=()
if [ ! -d /run/systemd/system ]; then
    settings+=('[engine]' 'cgroup_manager = "cgroupfs"' 'events_logger = "file"')
fi
# Who may not raise limits cannot give a container podman's usual ones.
if ! prlimit --nofile=1048576:1048576 true 2>/dev/null; then
    settings+=('[containers]' 'default_ulimits = ["nofile=8192:8192", "nproc=8192:8192"]')
fi
if [ ${#settings[@]} -gt 0 ]; then
    printf '%s\n' "${settings[@]}" >"$work/containers.conf"
    export CONTAINERS_CONF=$work/containers.conf
fi

# Ends what the test started, and nothing else.
clean_up() {
    pod rm --all --force --time 0 >/dev/null 2>&1 || true
    pod volume rm --all --force >/dev/null 2>&1 || true
    pod rmi --all --force >/dev/null 2>&1 || true
    if [ -n "${simulator_pid:-}" ]; then kill "$simulator_pid" 2>/dev/null || true; fi
    # Rootless, what containers wrote belongs to other users.
    if [ "$(id -u)" -eq 0 ]; then rm -rf "$work"; else podman unshare rm -rf "$work"; fi
}
trap clean_up EXIT
