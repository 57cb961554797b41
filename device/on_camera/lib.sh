#!/bin/sh
# Define functions and exit codes that the scripts share. The loader (recam_deploy/ssh/scripts.py)
# puts this file in the place of a line `. ./lib.sh`. Sourcing it runs and prints nothing.
# shellcheck disable=SC2034  # no script uses everything here

# Exit codes; recam_deploy/camera/exit_codes.py has the same.
INSTALL_DAMAGED=65
INSTALL_IN_THE_WAY=66
STORAGE_FAILED=67
CHANGED_MEANWHILE=68
NOT_READ_BACK=69
LOCK_BUSY=75

# digest FILE: print its sha256 in hex.
digest() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum <"$1" | cut -d ' ' -f 1
    else
        python3 -c 'import hashlib, sys
print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())' <"$1"
    fi
}

# settle FILE...: flush files and folders to the storage. `sync FILE` is one fsync; an old `sync`
# ignores the names and flushes everything.
settle() { sync "$@" 2>/dev/null || sync; }

# linked PATH: succeed if it is a symbolic link, or lies behind one.
linked() {
    part=$1
    while [ -n "$part" ] && [ "$part" != / ]; do
        if [ -L "$part" ]; then return 0; fi
        part=${part%/*}
    done
    return 1
}

# offer_gzip: print "gzip" where the camera can decompress it.
offer_gzip() {
    if command -v gunzip >/dev/null 2>&1; then echo gzip; fi
}

# receive FORM: copy stdin to stdout, decompressed if FORM is "gzip". It fails where stdout cannot
# be written; damaged or incomplete input shows in the file's sha256.
receive() { if [ "$1" = gzip ]; then gunzip | cat; else cat; fi; }

# read_boot: set $boot, an id that changes at each restart. `alive` needs it.
read_boot() { boot=$(cat /proc/sys/kernel/random/boot_id); }

# tick PROCESS: print the clock tick of its start; fail if it does not run. That is field 22 of its
# stat (proc(5)). Count from the end of field 2, which may hold spaces and brackets.
tick() {
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086  # split into its fields
    set -- ${stat##*) }
    case $1 in Z | X) return 1 ;; esac
    echo "${20}"
}

# alive B.T.P: succeed if process P of boot B, started at tick T, runs.
alive() {
    case $1 in "$boot".*) ;; *) return 1 ;; esac
    process=${1##*.} started=${1%.*}
    case $process in '' | *[!0-9]*) return 1 ;; esac
    [ "$(tick "$process")" = "${started##*.}" ]
}

# find_limit: set $limit to the form of the camera's `timeout`, $within to the words that call it.
find_limit() {
    if timeout -k 1 5 true 2>/dev/null; then limit=kill within='timeout -k 2'
    elif timeout 5 true 2>/dev/null; then limit=plain within=timeout
    else limit=none within=; fi
}
