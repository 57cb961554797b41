#!/bin/sh
# Check the hash of a staged model and flush it to the storage; first copy it from the history, if
# it comes from there. A hard link would not do, since scp overwrites the active model in place.
# Remove a damaged model from the history, so that the next run does not use it.
#
# Arguments: the staged model; its sha256; the file of the history to copy, or "".
# Prints: errors, on stderr.
# Exit codes: 0, STORAGE_FAILED, INSTALL_DAMAGED, or that of a program that failed.
# shellcheck source=lib.sh
. ./lib.sh
set -eu
umask 022
if [ -n "$3" ]; then
    rm -f "$1"
    cp "$3" "$1" || { rm -f "$1"; exit $STORAGE_FAILED; }
fi
if [ "$(digest "$1")" != "$2" ]; then
    rm -f "$1"
    if [ -n "$3" ]; then
        found=$(digest "$3")
        if [ -n "$found" ] && [ "$found" != "$2" ]; then rm -rf "${3%/*}"; fi
    fi
    echo "$1: damaged" >&2
    exit $INSTALL_DAMAGED
fi
chmod 644 "$1" 2>/dev/null || [ -r "$1" ]
settle "$1"
