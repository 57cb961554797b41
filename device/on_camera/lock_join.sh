#!/bin/sh
# Join a held lock, then run the script that follows; fail where the lock is no longer held. The
# script that follows must not set a trap on EXIT.
#
# Arguments: the work folder; the holder's claim; then those of the script that follows.
# Prints: errors, on stderr. Exit codes: LOCK_BUSY; 1 where no claim can be written; else those of
# the script that follows.
# shellcheck source=lib.sh
. ./lib.sh
read_boot
lock_folder=$1 lock_mine=$boot.$(tick $$).$$
trap 'rm -f "$lock_folder/lock.claim.$lock_mine" "$lock_folder/lock.held.$lock_mine"' EXIT
trap 'exit 1' HUP INT TERM
: >"$1/lock.held.$lock_mine"
cp "$1/lock.claim.$2" "$1/lock.claim.$lock_mine" 2>/dev/null
if ! alive "$2" || [ ! -e "$1/lock.claim.$2" ]; then
    echo "the lock on the camera was lost" >&2
    exit $LOCK_BUSY
fi
if [ ! -e "$1/lock.claim.$lock_mine" ]; then
    echo "no claim could be written in $1" >&2
    exit 1
fi
shift 2
