#!/bin/sh
# List the models of the history.
#
# Arguments: the history; a word that begins each line; the most bytes of a model.json to print.
# Prints: for each model "WORD entry=NAME SHA256 BYTES" and, where it has a model.json,
# "WORD info=SHA256" followed by that file; at the end "WORD end". Each follows an empty line or
# the file's text.
# shellcheck source=lib.sh
. ./lib.sh
for folder in "$1"/[0-9]*-*; do
    if [ ! -f "$folder/model.cvimodel" ] || [ -L "$folder" ]; then continue; fi
    bytes=$(wc -c <"$folder/model.cvimodel")
    printf '\n%s entry=%s %s %s\n' "$2" "${folder##*/}" "$(head -c 64 "$folder/sha256")" \
        $((bytes))
    if [ -f "$folder/model.json" ]; then
        printf '%s info=%s\n' "$2" "$(digest "$folder/model.json")"
        head -c "$3" "$folder/model.json"
    fi
done
printf '\n%s end\n' "$2"
