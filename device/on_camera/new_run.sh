#!/bin/sh
# Make the folder of a test run, for its owner only, and remove those of earlier runs.
#
# Arguments: the work folder; the new folder in it.
# Prints nothing. Exit codes: 0, or that of `mkdir`: it must not exist yet.
for folder in "$1"/.recam-run-*; do
    if [ -d "$folder" ] && [ ! -L "$folder" ]; then rm -rf "$folder"; fi
done
umask 077
mkdir "$2"
