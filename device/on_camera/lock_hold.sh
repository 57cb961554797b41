#!/bin/sh
# Claim the camera's lock, and hold it while keepalive bytes arrive on stdin. Of two claims at the
# same time the process that started first wins: it waits until the other has withdrawn.
# recam_deploy/camera/lock.py explains the lock.
#
# Arguments: the work folder; a word that begins our lines; the holder; its purpose; the most
# seconds without a keepalive.
# Prints one of: "WORD held CLAIM"; "WORD busy" and the holder's two lines; "WORD failed" and the
# reason; "WORD linked"; "WORD closed" where the user may not write to the folder.
# Exit codes: 0 when it was held and has ended, LOCK_BUSY, 1.
# shellcheck source=lib.sh
. ./lib.sh
# At one second each, where `sleep` takes no fractions, this is less than recam waits for our line.
most_looks=25
read_boot
find_limit
folder=$1 nonce=$2 owner=$3 purpose=$4
if [ "$within" ]; then within="$within $5"; fi
umask 022
if linked "$folder"; then echo "$nonce linked"; exit 1; fi
mkdir -p "$folder" 2>/dev/null
if [ ! -w "$folder" ]; then echo "$nonce closed"; exit 1; fi
me=$boot.$(tick $$).$$
withdraw() { rm -f "$folder/lock.text.$me" "$folder/lock.claim.$me" "$folder/lock.held.$me"; }
trap withdraw EXIT
trap 'exit 1' HUP INT TERM
for file in "$folder"/lock.text.* "$folder"/lock.held.*; do
    name=${file##*/lock.????.}
    if [ -e "$file" ] && ! alive "$name"; then rm -f "$file"; fi
done
claim() {
    printf '%s\n%s\n' "$owner" "$purpose" >"$folder/lock.text.$me" &&
        mv "$folder/lock.text.$me" "$folder/lock.claim.$me"
}
reason=$(claim 2>&1) || { printf '%s failed\n%s\n' "$nonce" "$reason"; exit 1; }
earlier() {
    theirs=${1%.*} ours=${me%.*}
    theirs=${theirs##*.} ours=${ours##*.}
    [ "$theirs" -lt "$ours" ] || { [ "$theirs" -eq "$ours" ] && [ "${1##*.}" -lt $$ ]; }
}
looks=0
while :; do
    first='' later='' gone=''
    for file in "$folder"/lock.claim.*; do
        name=${file##*/lock.claim.}
        if [ "$name" = "$me" ] || [ ! -e "$file" ]; then continue; fi
        if ! alive "$name"; then
            rm -f "$file" "$folder/lock.held.$name" "$folder/lock.text.$name"
            gone=$name
        elif [ -e "$folder/lock.held.$name" ] || earlier "$name"; then first=$name
        else later=$name; fi
    done
    looks=$((looks + 1))
    if [ -n "$first" ] || [ "$looks" -gt $most_looks ]; then
        printf '%s busy\n' "$nonce"
        head -c 600 "$folder/lock.claim.${first:-$later}"
        exit $LOCK_BUSY
    fi
    # A script may have joined the claim that is gone just before its end, so look again.
    if [ -z "$later$gone" ]; then break; fi
    if [ -n "$later" ]; then sleep 0.1 2>/dev/null || sleep 1; fi
done
: >"$folder/lock.held.$me"
printf '%s held %s\n' "$nonce" "$me"
# shellcheck disable=SC2086  # several words, or none
while beat=$($within dd bs=64 count=1 2>/dev/null) && [ -n "$beat" ]; do :; done
