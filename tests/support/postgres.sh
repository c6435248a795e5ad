#!/bin/sh
# Serves one throw-away PostgreSQL to the test process at the other end of stdin: an order a line, an
# answer a line. However that process ends, stdin ends with it: then the server is stopped, and nothing of
# it stays.
#
#   postgres.sh TEMPLATE PORT DISK FROM [SETTING...]
#
# TEMPLATE  a path; a cluster is made there once, and copied
# PORT      where to listen, on 127.0.0.1 and on a socket in the folder; the next one where it is taken
# DISK      mebibytes of a disk of its own for databases, 0 for none; the caller has unshared the mounts
# FROM      port and socket folder of the server to be a standby of (5432:/run/x), or none
# SETTING   lines of postgresql.conf
set -u
# Whoever ends the tests by a signal to all of them, or by the terminal, does not end this.
trap '' HUP INT TERM PIPE

template=$1 port=$2 disk=$3 from=$4
shift 4
cd /
umask 022
export LC_ALL=C.UTF-8
for name in $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p'); do unset "$name"; done

say() { printf '%s\n' "$1"; }

# Ends with what went wrong, on one line.
fail() {
    say "failed $1: $(tail -n 20 "$folder/log" "$folder/said" 2>/dev/null | tr '\n' ' ')"
    end
    exit 1
}

# A server refuses to run as root.
as() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=postgres --regid=postgres --init-groups "$@"
    else
        "$@"
    fi
}

quietly() { "$@" >"$folder/said" 2>&1 </dev/null; }

# The server's processes, its first one first.
tree() {
    if pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null); then
        echo "$pid"
        cat "/proc/$pid/task/"*/children 2>/dev/null
    fi
}

signal() { for process in $(tree); do kill "-$1" "$process" 2>/dev/null; done; }

up() { quietly as pg_ctl --pgdata="$data" --log="$folder/log" --wait --timeout=60 start; }

# Starts it for the first time, on another port where this one is taken.
start() {
    for _ in 1 2 3 4 5; do
        situate
        if up; then return; fi
        grep -q 'already in use' "$folder/log" || return
        port=$((port + 1))
        : >"$folder/log"
    done
    return 1
}

down() { quietly as pg_ctl --pgdata="$data" --mode="$1" --wait --timeout=60 stop; }

end() {
    signal CONT
    down immediate || signal KILL
    if [ "$disk" -gt 0 ]; then umount "$folder/disk" 2>/dev/null; fi
    rm -rf "$folder"
}

sql() { quietly psql --no-psqlrc --set=ON_ERROR_STOP=1 --host="$folder" --port="$port" --username=postgres "$@"; }

# One certificate for NAME, which EXTENSION describes, vouched for by the authority.
certificate() {
    printf '%s\n' "$2" >"$1.ext"
    quietly openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" &&
        quietly openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial \
            -out "$1.pem" -days 3650 -extfile "$1.ext"
}

authority() {
    quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.key" -out "$1.pem" -days 3650 -subj "/CN=$1"
}

certificates() {
    mkdir "$folder/tls" && cd "$folder/tls" &&
        authority ca && authority stranger &&
        certificate localhost 'subjectAltName = DNS:localhost' &&
        certificate certified 'extendedKeyUsage = clientAuth'
    made=$?
    cd / && return $made
}

# Text is sorted as people sort it, days are written as Germans do: whoever relies on less is found out.
cluster() {
    quietly as initdb --pgdata="$data" --auth=trust --username=postgres --encoding=UTF8 --wal-segsize=4 \
        --no-sync --locale-provider=icu --icu-locale=en-US ||
        quietly as initdb --pgdata="$data" --auth=trust --username=postgres --encoding=UTF8 --wal-segsize=4 \
            --no-sync || return
    cat >"$data/pg_hba.conf" <<HBA
local   all          all                            trust
local   replication  all                            trust
hostssl all          certified        127.0.0.1/32  cert
host    all          certified        127.0.0.1/32  reject
host    all          +with_password   127.0.0.1/32  scram-sha-256
host    all          all              127.0.0.1/32  trust
HBA
    cat >>"$data/postgresql.conf" <<CONF
fsync = off
full_page_writes = off
password_encryption = 'scram-sha-256'
timezone = 'Asia/Kolkata'
datestyle = 'German'
bytea_output = 'escape'
max_connections = 200
shared_buffers = '32MB'
dynamic_shared_memory_type = 'mmap'
ssl = on
ssl_ca_file = '../tls/ca.pem'
ssl_cert_file = '../tls/localhost.pem'
ssl_key_file = '../tls/localhost.key'
listen_addresses = '127.0.0.1'
CONF
}

# Makes the template, unless it is there.
template() {
    exec 9>"$template.lock" && flock 9 || return
    if [ ! -e "$template/data/PG_VERSION" ]; then
        rm -rf "$template" "$template.new"
        certificates && own && cluster && start &&
            sql --command='CREATE ROLE with_password' --command='CREATE ROLE certified LOGIN' &&
            down fast || return
        mkdir "$template.new" && cp -a "$folder/data" "$folder/tls" "$template.new" &&
            mv "$template.new" "$template" || return
        rm -rf "$folder/data" "$folder/tls"
    fi
    exec 9>&-
}

# Gives the folder to whom the server runs as, unless that is who asks.
own() { if [ "$(id -u)" -eq 0 ]; then chown -R postgres: "$folder"; fi; }

# Says in the copy what is its own.
situate() {
    printf "port = %s\nunix_socket_directories = '%s'\n" "$port" "$folder" >>"$data/postgresql.conf"
}

standby() {
    cp -a "$template/tls" "$folder" && own &&
        quietly as pg_basebackup --pgdata="$data" --host="${from#*:}" --port="${from%%:*}" \
            --username=postgres --checkpoint=fast --no-sync --write-recovery-conf
}

small_disk() {
    mkdir "$folder/disk" && mount -t tmpfs -o "size=${disk}m" tmpfs "$folder/disk" && own &&
        sql --command="CREATE TABLESPACE small LOCATION '$folder/disk'"
}

# The one line of what a client said goes back too.
answer() {
    if "$@"; then say ok; else
        say "failed $*: $(tail -n 20 "$folder/said" | tr '\n' ' ')"
    fi
}

admit() {
    printf '%s\n' "$1" | cat - "$data/pg_hba.conf" >"$folder/hba" &&
        cat "$folder/hba" >"$data/pg_hba.conf" &&
        quietly as pg_ctl --pgdata="$data" reload
}

fill() { head -c 10G /dev/zero >"$folder/disk/ballast" 2>/dev/null || [ -s "$folder/disk/ballast" ]; }

if ! tools=$(command -v pg_ctl); then
    tools=$(printf '%s\n' /usr/lib/postgresql/*/bin/pg_ctl | sort -V | tail -n 1)
fi
bin=$(dirname "$(readlink -f "$tools")")
export PATH="$bin:$PATH"

# A cluster is a thousand files, which memory takes three times as fast as a disk.
place=/tmp
if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 4000000 ]; then place=/dev/shm; fi
folder=$(mktemp -d "$place/clearpoint-postgres.XXXXXX") || exit
data=$folder/data
chmod 755 "$folder"
own

# Held by this shell and by every process of the server, so whoever gets it knows that all have ended.
exec 8>"$folder/alive"
flock 8

for tool in pg_ctl initdb postgres psql pg_basebackup openssl; do
    command -v "$tool" >/dev/null || fail "$tool is not installed (scripts/test installs what tests need)"
done
template=$template-$(id -u)-$(postgres --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')

template || fail 'the cluster cannot be made'
if [ "$from" = none ]; then
    { cp -a "$template/data" "$template/tls" "$folder" && own; } || fail 'the cluster cannot be copied'
else
    standby || fail 'the standby cannot be made'
fi
for setting in "$@"; do say "$setting" >>"$data/postgresql.conf"; done
start || fail 'the server does not start'
if [ "$disk" -gt 0 ]; then small_disk || fail 'there is no small disk'; fi
say "ok $port $bin $folder"

while read -r order rest; do
    case $order in
    up) answer up ;;
    crash) answer down immediate ;;
    stop) answer down fast ;;
    # The first process, then those it started in the meantime.
    freeze) signal STOP; signal STOP; answer true ;;
    thaw) signal CONT; answer true ;;
    admit) answer admit "$rest" ;;
    fill) answer fill ;;
    make_room) answer rm -f "$folder/disk/ballast" ;;
    *) answer false ;;
    esac
done
end
