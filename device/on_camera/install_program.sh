#!/bin/sh
# Check an uploaded program, make it executable, and rename it to its final path.
#
# Arguments: the uploaded file; its final path; its sha256.
# Prints: errors, on stderr.
# Exit codes: 0, INSTALL_DAMAGED, INSTALL_IN_THE_WAY, or that of `mv` or `chmod`.
# shellcheck source=lib.sh
. ./lib.sh
set -eu
if [ "$(digest "$1")" != "$3" ]; then echo "$1: damaged" >&2; exit $INSTALL_DAMAGED; fi
if [ -d "$2" ]; then echo "$2: is a folder" >&2; exit $INSTALL_IN_THE_WAY; fi
chmod 755 "$1"
mv -f "$1" "$2"
