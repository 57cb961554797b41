#!/bin/sh
# Print the sha256 of a file.
#
# Arguments: the file.
# Prints: the sha256 in hex, or "absent" where there is no such file.
# shellcheck source=lib.sh
. ./lib.sh
if [ -f "$1" ]; then digest "$1"; else echo absent; fi
