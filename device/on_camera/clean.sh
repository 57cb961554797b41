#!/bin/sh
# Remove temporary files of interrupted runs from the models folder and the history.
#
# Arguments: the models folder; the history; a file of the models folder to keep, or "".
# Prints nothing. Exit code: 0, or that of the last `rm`.
for file in "$1"/.recam-*; do
    if [ "$file" = "$3" ]; then continue; fi
    if [ -f "$file" ] || [ -L "$file" ]; then rm -f "$file"; fi
done
for folder in "$2"/.recam-new-[0-9]*; do
    if [ -e "$folder" ] || [ -L "$folder" ]; then rm -rf "$folder"; fi
done
