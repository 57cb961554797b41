#!/bin/sh
# Print the size and the hashes of a partly uploaded file, so that the upload can resume.
#
# Arguments: the file; the size of a piece in bytes.
# Prints: the file's size, then the sha256 of each piece, a line each; nothing where there is no
# such file. Exit code: 0.
# shellcheck source=lib.sh
. ./lib.sh
if [ ! -f "$1" ] || [ -L "$1" ]; then exit 0; fi
size=$(wc -c <"$1")
echo $((size))
piece=0
while [ $((piece * $2)) -lt "$size" ]; do
    dd if="$1" bs="$2" skip=$piece count=1 2>/dev/null | digest /dev/stdin
    piece=$((piece + 1))
done
