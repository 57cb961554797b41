#!/bin/sh
# End the programs that have a file of a run's folder among their arguments.
#
# Arguments: the folder.
# Prints nothing. Exit code: 0.
for signal in TERM KILL; do
    left=
    for entry in /proc/[0-9]*; do
        case "$(tr '\000' '\n' <"$entry/cmdline")" in
        *"$1/"*) kill -$signal "${entry##*/}" && left=yes ;;
        esac
    done
    if [ -z "$left" ]; then exit 0; fi
    sleep 0.3 || sleep 1
done 2>/dev/null
