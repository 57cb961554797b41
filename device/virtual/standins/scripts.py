"""Write the shell scripts that start the stand-ins."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
MARK = "# Part of the virtual reCamera."

# The loader path is the camera's business alone: this interpreter starts without it
# and hands it on to the simulator.
_LOADER = """\
#!/bin/sh
{mark} Plays the RISC-V program $1 as sscma-model.
VIRTUAL_CAMERA_LIBRARY_PATH=${{LD_LIBRARY_PATH-}}
export VIRTUAL_CAMERA_LIBRARY_PATH
unset LD_LIBRARY_PATH
exec {python} -I -c {code} {camera} "$@"
"""

_CODE = """\
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from virtual.sscma.main import main
sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))"""

_RUNNER = """\
#!/bin/sh
{mark} The test binary that is on the camera already.
exec {loader} "$0" "$@"
"""

_SUDO = """\
#!/bin/sh
{mark}
exec {python} -I -S {script} {camera} "$@"
"""

# The camera's python3 has the standard library and no more.
_PYTHON = """\
#!/bin/sh
{mark}
exec {python} -S "$@"
"""

_UNAME = """\
#!/bin/sh
{mark}
case "$*" in
    -m) echo riscv64 ;;
    -n) echo reCamera ;;
    -a) echo "Linux reCamera 5.10.4-tag- #1 PREEMPT riscv64 GNU/Linux" ;;
    *) exec /usr/bin/env PATH={path} uname "$@" ;;
esac
"""

_ID = """\
#!/bin/sh
{mark}
if [ -n "${{VIRTUAL_CAMERA_ROOT-}}" ]; then number=0 name=root; else number=1000 name=recamera; fi
case "$*" in
    -u | -g) echo "$number" ;;
    -un | -gn) echo "$name" ;;
    "") echo "uid=$number($name) gid=$number($name) groups=$number($name)" ;;
    *) exec /usr/bin/env PATH={path} id "$@" ;;
esac
"""

_HOST_PATH = "/usr/bin:/bin"


def loader(camera: Path) -> str:
    code = _CODE.format(folder=str(PACKAGE.parent))
    return _LOADER.format(
        mark=MARK,
        python=shlex.quote(sys.executable),
        code=shlex.quote(code),
        camera=shlex.quote(str(camera)),
    )


def runner(loader_path: Path) -> str:
    return _RUNNER.format(mark=MARK, loader=shlex.quote(str(loader_path)))


def is_ours(path: Path) -> bool:
    """Tell whether this file is one of the scripts made here (and not a client's upload)."""
    try:
        with path.open("rb") as stream:
            return MARK.encode() in stream.read(200)
    except OSError:
        return False


def stand_ins(camera: Path) -> dict[str, str]:
    """Return name and text of every script in the camera's ``/usr/bin``."""
    python = shlex.quote(sys.executable)
    sudo = _SUDO.format(
        mark=MARK,
        python=python,
        script=shlex.quote(str(PACKAGE / "standins" / "sudo.py")),
        camera=shlex.quote(str(camera)),
    )
    return {
        "sudo": sudo,
        "python3": _PYTHON.format(mark=MARK, python=python),
        "uname": _UNAME.format(mark=MARK, path=_HOST_PATH),
        "id": _ID.format(mark=MARK, path=_HOST_PATH),
    }
