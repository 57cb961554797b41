#!/bin/sh
# Print our user id and the form of the camera's `timeout`, then exec the program that follows
# under that limit. It precedes a connection's first command.
#
# Arguments: a word that begins the line; the limit in seconds; the program and its arguments.
# Prints: "WORD UID LIMIT", where LIMIT is kill, plain or none; then what the program prints.
# Exit code: the program's, or that of `timeout`.
# shellcheck source=lib.sh
. ./lib.sh
find_limit
echo "$1 $(id -u) $limit"
if [ "$within" ]; then within="$within $2"; fi
shift 2
# shellcheck disable=SC2086  # several words, or none
exec $within "$@"
