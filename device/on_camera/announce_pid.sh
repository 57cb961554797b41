#!/bin/sh
# Print our process id on stderr, then exec the program that follows, which keeps that id, so that
# end_process.sh can end it. It precedes every command, so it is one line.
#
# Arguments: a word to print before the id; the program and its arguments.
# Prints: "WORD" "ID" ";" on stderr, then what the program prints. Exit code: the program's.
printf "%s$$;" "$1" >&2; shift; exec "$@"
