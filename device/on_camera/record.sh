#!/bin/sh
# Print facts of the camera that recam assumes from sources; change nothing.
#
# Arguments:
#   1 word that begins each line, new for each call
#   2 the folder that is the system's root, without a slash
#   3 models folder
#   4 folders of libraries, separated by colons
# Prints: "WORD NAME=VALUE" lines; the last one is "WORD end=yes". A value is "absent" where there is
# nothing to print. recam_deploy/doctor/record.py reads that. Exit code: 0.
LC_ALL=C; export LC_ALL
nonce=$1 system=$2 models=$3 libraries=$4
say() {
    line=$(printf %s "${2:-absent}" | tr '\n\t' '  ' | head -c 400)
    printf '%s %s=%s\n' "$nonce" "$1" "$line"
}
is() { name=$1; shift; if "$@" >/dev/null 2>&1; then say "$name" yes; else say "$name" no; fi; }
# head_of COMMAND...: print the first line of a program's output.
head_of() { "$@" 2>&1 </dev/null | head -n 1; }
has() { command -v "$1" >/dev/null 2>&1; }
version() {
    if has "$2"; then say "$1" "$(shift; head_of "$@")"; else say "$1" absent; fi
}
from_file() {
    if [ -r "$2" ]; then say "$1" "$(head -c 400 "$2" | tr -d '\000')"; else say "$1" absent; fi
}

from_file issue "$system/etc/issue"
say kernel "$(uname -srm)"
say path "$PATH"
say library_path "${LD_LIBRARY_PATH:-}"
say umask "$(umask)"
say groups "$(id)"
say clock "$(date +%s)"
say shell "$(readlink -f /bin/sh)"

version busybox busybox
version coreutils ls --version
version util_linux flock --version
version gzip gzip --version
version sudo sudo -V
version python python3 -V
version mosquitto mosquitto -h
version node node --version
say ssh "$( (ssh -V) 2>&1 </dev/null | head -n 1)"

is timeout_kills timeout -k 1 5 true
is sleep_takes_fractions sleep 0.01
is sudo_is_free sudo -n true
for program in logread stat fsync nc pgrep jq curl wget xxd bash flock gunzip scp; do
    is "has_$program" has "$program"
done
is sftp_server test -x /usr/libexec/sftp-server
if has python3; then
    for module in zlib ssl ctypes numpy; do is "python_$module" python3 -c "import $module"; done
fi

# The file systems of what is written, and who owns it.
mounts=$(while read -r _ where kind how _; do
    case $where in
        / | /userdata | /etc | /home | /tmp) printf '%s %s %s; ' "$where" "$kind" "$how" ;;
    esac
done </proc/mounts)
say mounts "$mounts"
say models_folder "$(head_of ls -ld "$models/.")"
say models_files "$(ls -l "$models/model.cvimodel" "$models/model.json" 2>/dev/null)"

found=absent IFS=:
for place in $libraries; do
    if [ -e "$place/libcviruntime.so" ]; then found=$(head_of ls -lL "$place/libcviruntime.so"); fi
done
unset IFS
say runtime "$found"
say services "$(ls "$system/etc/init.d" 2>/dev/null)"
say service_program "$(ls -l "$system/usr/local/bin/sscma-node" 2>/dev/null)"
for package in sscma os seeed-recamera seeed-canbus; do
    folder=$system/usr/lib/node_modules/node-red-contrib-$package
    found=$(sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$folder/package.json" 2>/dev/null)
    say "nodes_$package" "$found"
done

# Local addresses in state 0A listen: 0100007F:075B is 127.0.0.1 port 1883. Of an address that is
# neither the loopback's nor the wildcard only the port is printed, for it may name the network.
zeros=00000000
listening=$(while read -r _ local _ state _; do
    if [ "$state" != 0A ]; then continue; fi
    case ${local%:*} in
        "$zeros" | "$zeros$zeros$zeros$zeros" | "$zeros$zeros${zeros}01000000") ;;
        ??????7F | "$zeros${zeros}FFFF0000"??????7F) ;;
        *) local=other:${local##*:} ;;
    esac
    printf '%s ' "$local"
done <<FILES
$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
FILES
)
say listening "$listening"
say memory "$(sed -n -e 's/^\(MemTotal\): */\1 /p' -e 's/^\(MemAvailable\): */\1 /p' /proc/meminfo)"
printf '%s end=yes\n' "$nonce"
