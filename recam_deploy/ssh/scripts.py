"""The small shell programs that run on the camera; for busybox and for coreutils alike.

They are constants: paths and names come in as arguments, never as part of the text.
"""

from __future__ import annotations

import re

from ..errors import CameraError

# digest FILE: its sha256 in hex.
DIGEST = """
digest() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum <"$1" | cut -d ' ' -f 1
    else
        python3 -c 'import hashlib, sys
print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())' <"$1"
    fi
}
"""

# linked PATH: whether it is a symbolic link, or lies behind one.
LINKED = """
linked() {
    part=$1
    while [ -n "$part" ] && [ "$part" != / ]; do
        if [ -L "$part" ]; then return 0; fi
        part=${part%/*}
    done
    return 1
}
"""

# alive B.T.P: whether process P of boot B, started at tick T, runs. Field 22 of its stat is the
# tick (proc(5)); the second field may hold spaces and brackets, so they are counted from its end.
LIVING = """
boot=$(cat /proc/sys/kernel/random/boot_id)
tick() {
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    set -- ${stat##*) }
    case $1 in Z | X) return 1 ;; esac
    echo "${20}"
}
alive() {
    case $1 in "$boot".*) ;; *) return 1 ;; esac
    process=${1##*.} started=${1%.*}
    case $process in '' | *[!0-9]*) return 1 ;; esac
    [ "$(tick "$process")" = "${started##*.}" ]
}
"""

# Prints the sha256 of $1, or "absent" where there is no such file.
SHA256 = (
    DIGEST
    + """
if [ -f "$1" ]; then digest "$1"; else echo absent; fi
"""
)

INSTALL_DAMAGED = 65
INSTALL_IN_THE_WAY = 66

# Puts an uploaded program ($1, whose sha256 is $3) in place as $2.
INSTALL_PROGRAM = (
    DIGEST
    + f"""
set -eu
if [ "$(digest "$1")" != "$3" ]; then echo "$1: damaged" >&2; exit {INSTALL_DAMAGED}; fi
if [ -d "$2" ]; then echo "$2: is a folder" >&2; exit {INSTALL_IN_THE_WAY}; fi
chmod 755 "$1"
mv -f "$1" "$2"
"""
)

# Puts an uploaded document ($2, whose sha256 is $4) into the folder $1 as $3; of those that are
# there, the last $5 by name stay. What was uploaded is gone in the end, whatever came of it.
KEEP = (
    DIGEST
    + f"""
set -eu
umask 077
uploaded=$2
trap 'rm -f "$uploaded"' EXIT
if [ -L "$1" ]; then echo "$1: is a symbolic link" >&2; exit {INSTALL_IN_THE_WAY}; fi
if [ "$(digest "$2")" != "$4" ]; then echo "$2: damaged" >&2; exit {INSTALL_DAMAGED}; fi
mkdir -p "$1"
chmod 600 "$2"
mv -f "$2" "$1/$3"
keep=$5
set -- "$1"/[0-9]*-*.json
while [ $# -gt "$keep" ]; do rm -f "$1"; shift; done
"""
)

# Removes the folders of earlier test runs in the folder $1, and makes this run's, $2.
NEW_RUN = """
for folder in "$1"/.recam-run-*; do
    if [ -d "$folder" ] && [ ! -L "$folder" ]; then rm -rf "$folder"; fi
done
umask 077
mkdir "$2"
"""

# Says "gzip" where that can be unpacked. receive FORM: what comes in, unpacked if FORM is "gzip".
# It fails with whoever writes; what was damaged or cut off shows in the file's sha256.
RECEIVE = """
if command -v gunzip >/dev/null 2>&1; then echo gzip; fi
receive() { if [ "$1" = gzip ]; then gunzip | cat; else cat; fi; }
"""

# Writes what comes in, of the form $4, to the file $1 from byte $3 on, with the mode $2; never
# through a link.
STORE = (
    RECEIVE
    + """
if [ -d "$1" ] && [ ! -L "$1" ]; then echo "$1: is a folder" >&2; exit 1; fi
if [ "$3" -eq 0 ]; then rm -f "$1"; fi
[ ! -L "$1" ] && receive "$4" >>"$1" && chmod "$2" "$1" && exit
rm -f "$1"
exit 1
"""
)

# Says $1 on stderr, then becomes the program that follows.
ANNOUNCE = 'printf %s "$1" >&2; shift; exec "$@"'
ANNOUNCE_PID = 'printf "%s$$;" "$1" >&2; shift; exec "$@"'

# Ends process $1 (if any) and its group, politely and then by force.
END = """
if [ -z "$1" ]; then exit 0; fi
for signal in TERM KILL; do
    kill -$signal "-$1" || kill -$signal "$1" || exit 0
    sleep 0.3 || sleep 1
done 2>/dev/null
"""

# Ends the programs that were started with the file "Out.jpg" of the folder $1 as an argument.
END_RUN = """
for signal in TERM KILL; do
    left=
    for entry in /proc/[0-9]*; do
        case "$(tr '\\000' '\\n' <"$entry/cmdline")" in
        *"$1/Out.jpg"*) kill -$signal "${entry##*/}" && left=yes ;;
        esac
    done
    if [ -z "$left" ]; then exit 0; fi
    sleep 0.3 || sleep 1
done 2>/dev/null
"""

# Which form of `timeout` there is, in $limit, and the words for it in $within.
LIMITS = """
if timeout -k 1 5 true 2>/dev/null; then limit=kill within='timeout -k 2'
elif timeout 5 true 2>/dev/null; then limit=plain within=timeout
else limit=none within=; fi
"""

# Says on a first line $1, who we are there and which form of `timeout` there is; then becomes the
# program that follows, which has $2 seconds.
INTRODUCE = (
    LIMITS
    + """
echo "$1 $(id -u) $limit"
if [ "$within" ]; then within="$within $2"; fi
shift 2
exec $within "$@"
"""
)

_UID = re.compile("[0-9]{1,10}")
_LIMITS = {"kill": ("timeout", "-k", "2"), "plain": ("timeout",), "none": ()}


def parse_introduction(line: str, token: str) -> tuple[int, tuple[str, ...]]:
    """Our user id, and the words that put a limit in seconds on a command (none: no limit).

    Raises CameraError when `line` is not what INTRODUCE says with `token` as its $1.
    """
    words = line.split()
    if (
        len(words) != 3
        or words[0] != token
        or not _UID.fullmatch(words[1])
        or words[2] not in _LIMITS
    ):
        raise CameraError(
            f"the camera does not answer a plain command as it should: {line.strip()[:80]!r}",
            "Is this the right address? Its shell must print nothing of its own.",
        )
    return int(words[1]), _LIMITS[words[2]]


def limited(limit: tuple[str, ...], seconds: float) -> tuple[str, ...]:
    """The words before a command that has `seconds`; none where the camera has no `timeout`."""
    return (*limit, whole(seconds)) if limit else ()


def whole(seconds: float) -> str:
    """Seconds as every `timeout` takes them."""
    return str(max(1, round(seconds)))
