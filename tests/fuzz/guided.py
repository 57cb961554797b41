"""Throw bytes at the readers, guided by the code that they reach: atheris, which is libFuzzer.

    python tests/fuzz/guided.py                        every reader, a minute each
    python tests/fuzz/guided.py cvimodel --seconds 600
    python tests/fuzz/guided.py cvimodel --corpus DIR  keep what reached new code, and go on from it

Needs the extra `fuzz` (Linux on x86-64, Python 3.11 or newer). Input that a reader neither takes
nor refuses in words is kept in the folder `fuzz-found` under the current one, and the exit is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
NEEDED = "atheris is not installed: pip install -e '.[fuzz]' (Linux, x86-64, Python 3.11 or newer)"
ROOT = HERE.parents[1]
sys.path[:0] = [str(p) for p in (HERE / "parts", HERE.parent / "unit", ROOT / "device", ROOT)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readers", nargs="*", metavar="READER", help="all, if none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each reader (default: 60)")
    parser.add_argument("--corpus", type=Path, help="a folder of what reached new code")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"), help="for bad input")
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if find_spec("atheris") is None:
        print(NEEDED, file=sys.stderr)
        return 2
    if given.scratch:
        _fuzz(given.readers[0], given.scratch, given.seconds, given.corpus, given.found)
    from readers import READERS

    if unknown := set(given.readers) - set(READERS):
        parser.error(f"no reader {', '.join(sorted(unknown))}; there are {', '.join(READERS)}")
    failed = []
    for name in given.readers or READERS:
        print(f"== {name}", flush=True)
        # libFuzzer ends the process that it runs in, and lets it clean nothing up.
        with tempfile.TemporaryDirectory() as scratch:
            words = [sys.executable, __file__, name, "--scratch", scratch]
            words += ["--seconds", str(given.seconds), "--found", str(given.found)]
            words += ["--corpus", str(given.corpus)] if given.corpus else []
            if subprocess.run(words).returncode:
                failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}; the input is in {given.found}", file=sys.stderr)
    return 1 if failed else 0


def _fuzz(name: str, scratch: Path, seconds: int, corpus: Path | None, found: Path) -> NoReturn:
    """Fuzz one reader, until the time is over or it fails; ends this process."""
    import atheris

    with atheris.instrument_imports(include=["recam_deploy"]):
        from readers import READERS
        from rig import Rig
    from answering import Server

    reader = READERS[name]
    rig = Rig(scratch, Server())
    inputs = (corpus or scratch / "corpus") / name
    inputs.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    for seed in reader.seeds:
        (inputs / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    # Names of the good input: without them JSON is found letter by letter.
    words = scratch / "words"
    words.write_text(_dictionary(reader.seeds))
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={4 * max(map(len, reader.seeds))}",
        f"-dict={words}",
        f"-artifact_prefix={found}/{name}-",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup(["guided", str(inputs), *options], lambda data: reader.read(rig, data))
    atheris.Fuzz()
    raise AssertionError("libFuzzer ends the process")


def _dictionary(seeds: tuple[bytes, ...]) -> str:
    """The words of the seeds as libFuzzer wants them, a line each."""
    text = b" ".join(seeds).decode("latin-1")
    cleaned = "".join(letter if letter.isalnum() or letter in "_-" else " " for letter in text)
    words = sorted({word for word in cleaned.split() if word.isascii() and 1 < len(word) < 33})
    return "".join(f'"{word}"\n' for word in words)


if __name__ == "__main__":
    sys.exit(main())
