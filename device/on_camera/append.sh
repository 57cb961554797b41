#!/bin/sh
# Truncate a file to some bytes, then append stdin to it; never through a link. When the storage is
# full, remove the file at once, so that it does not fill the camera's disk.
#
# Arguments: the file; the bytes to keep; the form of stdin, "plain" or "gzip".
# Prints: "gzip" where the camera can decompress it; errors, on stderr.
# Exit codes: 0; 1 where the file cannot be opened; STORAGE_FAILED; from 126 on, a signal.
# shellcheck source=lib.sh
. ./lib.sh
offer_gzip
umask 022
if [ -L "$1" ] || [ -d "$1" ]; then rm -rf "$1"; fi
if ! dd if=/dev/null of="$1" bs=1 seek="$2" 2>/dev/null; then
    echo "$1: cannot be written" >&2
    exit 1
fi
receive "$3" >>"$1"
code=$?
if [ $code -ne 0 ] && [ $code -lt 126 ]; then
    rm -f "$1"
    exit $STORAGE_FAILED
fi
exit $code
