#!/bin/sh
# Make a folder, and make a user its owner.
#
# Arguments: the folder; the user's id.
# Prints: errors, on stderr. Exit codes: 0, or that of the program that failed.
mkdir -p "$1" && chown "$2" "$1"
