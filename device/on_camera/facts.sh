#!/bin/sh
# Print the camera's state as recam needs it; change nothing.
#
# Arguments:
#   1 word that begins each line, new for each call
#   2 models folder, 3 work folder, 4 history
#   5 test binary
#   6 folders of libraries, separated by colons; 7 the library to find in one of them
#   8 most bytes of model.json to print
#   9 the folder that is the system's root, without a slash
# Prints: "WORD NAME=VALUE" lines; the last one, "WORD info=present", is followed by model.json,
# an empty line and "WORD end=yes". recam_deploy/camera/facts.py reads that. Exit code: 0.
# shellcheck source=lib.sh
. ./lib.sh
LC_ALL=C; export LC_ALL
nonce=$1 models=$2 work=$3 history=$4 runner=$5 libraries=$6 library=$7 limit=$8 system=$9
read_boot
say() { printf '%s %s=%s\n' "$nonce" "$1" "$2"; }
is() { name=$1; shift; if "$@" >/dev/null 2>&1; then say "$name" yes; else say "$name" no; fi; }
has() { command -v "$1" >/dev/null 2>&1; }
first() { head -c 4096 "$1" 2>/dev/null | head -n 1 | tr -d '\000'; }
sum() {
    if [ ! -e "$2" ]; then say "$1" absent
    elif [ -f "$2" ] && [ -r "$2" ]; then say "$1" "$(digest "$2")"
    else say "$1" unreadable; fi
}
runs() { [ -f "$1" ] && [ -x "$1" ]; }
folder() {
    is "$1_exists" [ -d "$2" ]
    is "$1_is_link" linked "$2"
    near=$2
    while [ ! -d "$near" ]; do near=${near%/*}; near=${near:-/}; done
    is "$1_writable" [ -w "$near" ]
    df -Pk "$near" | {
        read -r _
        read -r _ size _ free _ mount
        say "$1_size_kib" "$size"
        say "$1_free_kib" "$free"
        say "$1_mount" "$mount"
        options=
        while read -r _ where _ how _; do
            if [ "$where" = "$mount" ]; then options=$how; fi
        done </proc/mounts
        case ",$options," in *,ro,*) say "$1_read_only" yes ;; *) say "$1_read_only" no ;; esac
    }
    bytes=0
    for file in "$2"/.recam-*; do
        if [ -f "$file" ] && [ ! -L "$file" ]; then
            size=$(wc -c <"$file") && bytes=$((bytes + size))
        fi
    done 2>/dev/null
    say "$1_leftover_bytes" "$bytes"
}
say machine "$(uname -m)"
say device "$(first "$system/proc/device-tree/model")"
firmware=$(head -c 200 "$system/etc/issue" 2>/dev/null | tr '\n' ' ')
say firmware "${firmware:-$(sed -n 's/^PRETTY_NAME=//p' "$system/etc/os-release" 2>/dev/null)}"
say clock "$(date +%s)"
say uid "$(id -u)"
is has_timeout has timeout
is has_sha256sum has sha256sum
is has_python3 has python3
is has_sudo has sudo
missing=
for tool in cat chmod cp cut dd head ln mkdir mv rm sync tr; do
    has $tool || missing="$missing $tool"
done
say missing "$missing"
say ram_kib "$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
say ion_total "$(first "$system/sys/kernel/debug/ion/cvi_carveout_heap_dump/total_mem")"
reserved=$system/proc/device-tree/reserved-memory/ion/size
if [ ! -r "$reserved" ]; then reserved=/dev/null; fi
say ion_reserved "$(od -An -v -tx1 "$reserved" | tr -d ' \n')"
folder models "$models"
folder work "$work"
folder history "$history"
sum active_sha256 "$models/model.cvimodel"
active_bytes=0
if [ -f "$models/model.cvimodel" ]; then active_bytes=$(wc -c <"$models/model.cvimodel"); fi
say active_bytes $((active_bytes))
is active_is_folder [ -d "$models/model.cvimodel" ]
sum info_sha256 "$models/model.json"
sum runner_sha256 "$runner"
is runner_runs runs "$runner"
found=no IFS=:
for place in $libraries; do
    if [ -e "$place/$library" ]; then found=yes; fi
done
unset IFS
say has_library $found
kept=
for entry in "$history"/[0-9]*-*; do
    if [ -e "$entry" ] || [ -L "$entry" ]; then kept="$kept ${entry##*/}:"; fi
    if [ -f "$entry/model.cvimodel" ] && [ ! -L "$entry" ]; then
        kept="$kept$(head -c 64 "$entry/sha256" 2>/dev/null)"
    fi
done
say kept "$kept"
say record "$(first "$history/active.json")"
say pending "$(first "$history/.recam-new-record")"
holder=
for file in "$work"/lock.claim.*; do
    if [ -e "$file" ] && alive "${file##*/lock.claim.}"; then holder=$(head -c 600 "$file"); fi
done
say lock "$(printf %s "$holder" | tr '\n' ' ')"
info=$models/model.json
if [ -f "$info" ] && [ -r "$info" ]; then
    say info present
    head -c "$limit" "$info"
else
    say info absent
fi
printf '\n%s end=yes\n' "$nonce"
