#!/bin/sh
# Print a word on stderr, then exec the program that follows: the word shows that sudo has accepted
# the user. It precedes every command under sudo, so it is one line.
#
# Arguments: the word; the program and its arguments.
# Prints: the word on stderr, then what the program prints. Exit code: the program's.
printf %s "$1" >&2; shift; exec "$@"
