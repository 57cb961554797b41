"""The shell programs that put a model in place; for busybox and for coreutils alike.

As everywhere, paths and texts come in as arguments or on stdin. Whatever changes something is run
by `Lock.script`, so that it does nothing once the lock is lost.
"""

from __future__ import annotations

from ..ssh.scripts import DIGEST, INSTALL_DAMAGED, INSTALL_IN_THE_WAY, RECEIVE

STORAGE_FAILED = 67
CHANGED_MEANWHILE = 68
NOT_READ_BACK = 69

# settle FILE...: what was written is on the storage. `sync FILE` is one fsync, of folders too;
# an old `sync` passes over the names and settles everything.
_SETTLE = """
settle() { sync "$@" 2>/dev/null || sync; }
"""

# Removes what interrupted runs left in the models folder $1, all but the file $3, and in the
# history $2.
CLEAN = """
for file in "$1"/.recam-*; do
    if [ "$file" = "$3" ]; then continue; fi
    if [ -f "$file" ] || [ -L "$file" ]; then rm -f "$file"; fi
done
for folder in "$2"/.recam-new-[0-9]*; do
    if [ -e "$folder" ] || [ -L "$folder" ]; then rm -rf "$folder"; fi
done
"""

# Prints the size of the file $1, and the sha256 of each of its pieces of $2 bytes, a line each.
PIECES = (
    DIGEST
    + """
if [ ! -f "$1" ] || [ -L "$1" ]; then exit 0; fi
size=$(wc -c <"$1")
echo $((size))
piece=0
while [ $((piece * $2)) -lt "$size" ]; do
    dd if="$1" bs="$2" skip=$piece count=1 2>/dev/null | digest /dev/stdin
    piece=$((piece + 1))
done
"""
)

# Cuts the file $1 off after $2 bytes, then adds what comes in, of the form $3. Where the storage
# cannot take that the file is removed at once: it must not be what fills it. A link is not written
# through.
APPEND = (
    RECEIVE
    + f"""
umask 022
if [ -L "$1" ] || [ -d "$1" ]; then rm -rf "$1"; fi
if ! dd if=/dev/null of="$1" bs=1 seek="$2" 2>/dev/null; then
    echo "$1: cannot be written" >&2
    exit 1
fi
receive "$3" >>"$1"
code=$?
if [ $code -ne 0 ] && [ $code -lt 126 ]; then
    rm -f "$1"
    exit {STORAGE_FAILED}
fi
exit $code
"""
)

# Sees to it that the file $1, whose sha256 is $2, is what it should be and on the storage.
# Where $3 names a file of the history it is made from that one first: a copy, for what is active
# may be written over in place, as scp does. A model that is damaged there is forgotten, so that the
# next run does without it.
STAGE = (
    DIGEST
    + _SETTLE
    + f"""
set -eu
umask 022
if [ -n "$3" ]; then
    rm -f "$1"
    cp "$3" "$1" || {{ rm -f "$1"; exit {STORAGE_FAILED}; }}
fi
if [ "$(digest "$1")" != "$2" ]; then
    rm -f "$1"
    if [ -n "$3" ]; then
        found=$(digest "$3")
        if [ -n "$found" ] && [ "$found" != "$2" ]; then rm -rf "${{3%/*}}"; fi
    fi
    echo "$1: damaged" >&2
    exit {INSTALL_DAMAGED}
fi
chmod 644 "$1" 2>/dev/null || [ -r "$1" ]
settle "$1"
"""
)

# The switch. Arguments: the models folder; the staged model with its sha256, or twice ""; what to
# do with model.json ("write" what comes in, "copy" a file of the history, "remove" or "leave" it),
# its staged name, its sha256, the file to copy; the sha256 of the active model as it was planned
# for ("absent" where there is none, "" where it could not be read); the history; the name under
# which the active model is kept there ("": not at all) and the one it has there already; the
# record; then the names of those that are forgotten.
#
# First all that can fail, then the old model is kept, then both files are renamed, the folder
# settled and the model read back; the record is the last thing written.
SWITCH = (
    DIGEST
    + _SETTLE
    + f"""
set -eu
umask 022
models=$1 model=$2 model_sha=$3 info_action=$4 info=$5 info_sha=$6 info_source=$7
expected=$8 history=$9
shift 9
keep=$1 kept=$2 record=$3
shift 3
active=$models/model.cvimodel

case $info_action in
write) rm -f "$info"; cat >"$info" || {{ rm -f "$info"; exit {STORAGE_FAILED}; }} ;;
copy) rm -f "$info"; cp "$info_source" "$info" || {{ rm -f "$info"; exit {STORAGE_FAILED}; }} ;;
esac
for pair in "$model:$model_sha" "$info:$info_sha"; do
    file=${{pair%:*}} sum=${{pair##*:}}
    if [ -z "$sum" ]; then continue; fi
    if [ "$(digest "$file")" != "$sum" ]; then
        rm -f "$file"
        echo "$file: damaged" >&2
        exit {INSTALL_DAMAGED}
    fi
    chmod 644 "$file" 2>/dev/null || [ -r "$file" ]
    settle "$file"
done
for target in "$active" "$models/model.json"; do
    if [ -d "$target" ]; then echo "$target" >&2; exit {INSTALL_IN_THE_WAY}; fi
done
found=absent
if [ -f "$active" ]; then found=$(digest "$active"); fi
if [ -n "$expected" ] && [ "$found" != "$expected" ]; then exit {CHANGED_MEANWHILE}; fi

# As a second name for the same bytes where that is soon the only one, else as a copy.
keep_active() {{
    mkdir "$1" || return 1
    if [ -z "$model" ] || [ -L "$active" ] || ! ln "$active" "$1/model.cvimodel" 2>/dev/null; then
        cp "$active" "$1/model.cvimodel" || return 1
    fi
    if [ -f "$models/model.json" ]; then cp "$models/model.json" "$1/model.json" || return 1; fi
    echo "$expected" >"$1/sha256" || return 1
    settle "$1"/* "$1"
}}
mkdir -p "$history"
if [ -n "$kept" ] && [ -d "$history/$kept" ]; then
    if [ "$kept" != "$keep" ]; then mv "$history/$kept" "$history/$keep"; fi
elif [ -n "$keep" ]; then
    new=$history/.recam-new-$keep
    rm -rf "$new"
    keep_active "$new" || {{ rm -rf "$new"; exit {STORAGE_FAILED}; }}
    mv "$new" "$history/$keep"
    settle "$history"
fi
# Until it is the record it tells what a switch that was cut off was to.
rm -f "$history/.recam-new-record"
printf '%s\\n' "$record" >"$history/.recam-new-record"
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
if [ -n "$model_sha" ] && [ "$found" != "$model_sha" ]; then exit {NOT_READ_BACK}; fi
mv -f "$history/.recam-new-record" "$history/active.json"
settle "$history"
for name in "$@"; do rm -rf "$history/${{name:?}}" || break; done
"""
)

# Prints, for each kept model in the history $1, its name, its sha256, and at most $3 bytes of its
# model.json, each thing after a line that begins with $2.
LIST = (
    DIGEST
    + """
for folder in "$1"/[0-9]*-*; do
    if [ ! -f "$folder/model.cvimodel" ] || [ -L "$folder" ]; then continue; fi
    printf '\\n%s entry=%s %s\\n' "$2" "${folder##*/}" "$(head -c 64 "$folder/sha256")"
    if [ -f "$folder/model.json" ]; then
        printf '%s info=%s\\n' "$2" "$(digest "$folder/model.json")"
        head -c "$3" "$folder/model.json"
    fi
done
printf '\\n%s end\\n' "$2"
"""
)
