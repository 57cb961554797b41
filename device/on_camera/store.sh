#!/bin/sh
# Write stdin to a file from some byte on, never through a link; remove the file after an error.
#
# Arguments: the file; its mode; the byte to start at (0: a new file); the form of stdin, "plain" or
# "gzip".
# Prints: "gzip" where the camera can decompress it.
# Exit codes: 0; 1 where the file cannot be written.
# shellcheck source=lib.sh
. ./lib.sh
offer_gzip
if [ -d "$1" ] && [ ! -L "$1" ]; then echo "$1: is a folder" >&2; exit 1; fi
if [ "$3" -eq 0 ]; then rm -f "$1"; fi
[ ! -L "$1" ] && receive "$4" >>"$1" && chmod "$2" "$1" && exit
rm -f "$1"
exit 1
