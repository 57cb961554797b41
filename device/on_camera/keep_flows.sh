#!/bin/sh
# Move an uploaded document into a folder, readable for its owner only, and remove the oldest there.
# The uploaded file is removed after an error.
#
# Arguments: the folder; the uploaded file; its new name, NUMBER-….json with at least four digits;
# its sha256; how many to keep: the new one and those of the highest numbers.
# Prints: errors, on stderr.
# Exit codes: 0, INSTALL_DAMAGED, INSTALL_IN_THE_WAY, or that of a program that failed.
# shellcheck source=lib.sh
. ./lib.sh
set -eu
umask 077
uploaded=$2
trap 'rm -f "$uploaded"' EXIT
if [ -L "$1" ]; then echo "$1: is a symbolic link" >&2; exit $INSTALL_IN_THE_WAY; fi
if [ "$(digest "$2")" != "$4" ]; then echo "$2: damaged" >&2; exit $INSTALL_DAMAGED; fi
mkdir -p "$1"
chmod 600 "$2"
mv -f "$2" "$1/$3"
folder=$1 new=$1/$3 keep=$5
# A shell sorts by text, in which 10000 is before 9999: take the shorter numbers first. Another
# machine may count from 1 while higher numbers are here: the new document stays.
set --
digits='[0-9][0-9][0-9][0-9]'
for _ in 4 5 6 7 8 9; do
    # shellcheck disable=SC2231  # it is a pattern
    for file in "$folder"/$digits-*.json; do
        if [ -f "$file" ] && [ "$file" != "$new" ]; then set -- "$@" "$file"; fi
    done
    digits="[0-9]$digits"
done
while [ $# -ge "$keep" ] && [ $# -gt 0 ]; do rm -f "$1"; shift; done
