#!/bin/sh
# End a process and its group with SIGTERM, then with SIGKILL.
#
# Arguments: the process id, or "" for none.
# Prints nothing. Exit code: 0.
if [ -z "$1" ]; then exit 0; fi
for signal in TERM KILL; do
    kill -$signal "-$1" || kill -$signal "$1" || exit 0
    sleep 0.3 || sleep 1
done 2>/dev/null
