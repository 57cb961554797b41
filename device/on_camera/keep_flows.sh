#!/bin/sh
# Move an uploaded document into a folder, readable for its owner only, and remove the oldest there.
# The uploaded file is removed after an error.
#
# Arguments: the folder; the uploaded file; its new name; its sha256; how many to keep, by name.
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
keep=$5
set -- "$1"/[0-9]*-*.json
while [ $# -gt "$keep" ]; do rm -f "$1"; shift; done
