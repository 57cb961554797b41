#!/bin/sh
# Make the staged model and its model.json the active ones. First do all that may fail, then keep
# the old model, rename both files, flush the folder and read the model back. Write the record last.
#
# Arguments:
#   1 models folder
#   2 staged model, 3 its sha256; both "" where the model does not change
#   4 what to do with model.json: "write" stdin, "copy" a file of the history, "remove", "leave"
#   5 staged model.json, 6 its sha256, 7 the file to copy; "" where there is none
#   8 sha256 of the active model in the plan: "absent" for none, "" for an unreadable one
#   9 history
#   10 name under which the active model is kept there ("": not at all), 11 its present name there
#   12 record
#   13... names in the history to remove
# Prints: "active SHA256" of the model that was read back; errors, on stderr.
# Exit codes: 0, STORAGE_FAILED, INSTALL_DAMAGED, INSTALL_IN_THE_WAY, CHANGED_MEANWHILE,
# NOT_READ_BACK, or that of a program that failed.
# shellcheck source=lib.sh
. ./lib.sh
set -eu
umask 022
models=$1 model=$2 model_sha=$3 info_action=$4 info=$5 info_sha=$6 info_source=$7
expected=$8 history=$9
shift 9
keep=$1 kept=$2 record=$3
shift 3
active=$models/model.cvimodel

case $info_action in
write) rm -f "$info"; cat >"$info" || { rm -f "$info"; exit $STORAGE_FAILED; } ;;
copy) rm -f "$info"; cp "$info_source" "$info" || { rm -f "$info"; exit $STORAGE_FAILED; } ;;
esac
for pair in "$model:$model_sha" "$info:$info_sha"; do
    file=${pair%:*} sum=${pair##*:}
    if [ -z "$sum" ]; then continue; fi
    if [ "$(digest "$file")" != "$sum" ]; then
        rm -f "$file"
        echo "$file: damaged" >&2
        exit $INSTALL_DAMAGED
    fi
    chmod 644 "$file" 2>/dev/null || [ -r "$file" ]
    settle "$file"
done
for target in "$active" "$models/model.json"; do
    if [ -d "$target" ]; then echo "$target" >&2; exit $INSTALL_IN_THE_WAY; fi
done
found=absent
if [ -f "$active" ]; then found=$(digest "$active"); fi
if [ -n "$expected" ] && [ "$found" != "$expected" ]; then exit $CHANGED_MEANWHILE; fi

# A hard link suffices where the active name is about to be replaced; otherwise copy.
keep_active() {
    mkdir "$1" || return 1
    if [ -z "$model" ] || [ -L "$active" ] || ! ln "$active" "$1/model.cvimodel" 2>/dev/null; then
        cp "$active" "$1/model.cvimodel" || return 1
    fi
    if [ -f "$models/model.json" ]; then cp "$models/model.json" "$1/model.json" || return 1; fi
    echo "$expected" >"$1/sha256" || return 1
    settle "$1"/* "$1"
}
mkdir -p "$history"
if [ -n "$kept" ] && [ -d "$history/$kept" ]; then
    if [ "$kept" != "$keep" ]; then mv "$history/$kept" "$history/$keep"; fi
elif [ -n "$keep" ]; then
    new=$history/.recam-new-$keep
    rm -rf "$new"
    keep_active "$new" || { rm -rf "$new"; exit $STORAGE_FAILED; }
    mv "$new" "$history/$keep"
    settle "$history"
fi
# Until it is renamed, this record describes an interrupted switch.
rm -f "$history/.recam-new-record"
printf '%s\n' "$record" >"$history/.recam-new-record"
settle "$history/.recam-new-record"

trap '' HUP INT TERM
if [ -n "$model" ]; then mv -f "$model" "$active"; fi
case $info_action in
write | copy) mv -f "$info" "$models/model.json" ;;
remove) rm -f "$models/model.json" ;;
esac
settle "$models"
found=$(digest "$active")
echo "active $found"
if [ -n "$model_sha" ] && [ "$found" != "$model_sha" ]; then exit $NOT_READ_BACK; fi
mv -f "$history/.recam-new-record" "$history/active.json"
settle "$history"
for name in "$@"; do rm -rf "$history/${name:?}" || break; done
