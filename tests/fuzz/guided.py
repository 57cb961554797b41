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
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDED = "atheris is not installed: pip install -e '.[fuzz]' (Linux, x86-64, Python 3.11 or newer)"
sys.path[:0] = [str(HERE / "parts"), str(HERE.parent / "unit"), str(HERE.parents[1])]


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("readers", nargs="*")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        import atheris
    except ImportError:
        print(NEEDED, file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["recam_deploy"]):
        from readers import READERS
    if unknown := set(given.readers) - set(READERS):
        parser.error(f"no reader {', '.join(sorted(unknown))}; there are {', '.join(READERS)}")
    if given.here:
        _fuzz(given.readers[0], given.seconds, given.corpus, given.found)
    failed = []
    for name in given.readers or READERS:
        print(f"== {name}", flush=True)
        # libFuzzer ends the process that it runs in.
        words = [sys.executable, __file__, "--here", name, "--seconds", str(given.seconds)]
        words += ["--found", str(given.found)]
        words += ["--corpus", str(given.corpus)] if given.corpus else []
        if subprocess.run(words).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}; the input is in {given.found}", file=sys.stderr)
    return 1 if failed else 0


def _fuzz(name: str, seconds: int, corpus: Path | None, found: Path) -> None:
    import atheris
    from answering import Server
    from readers import READERS, Rig

    reader = READERS[name]
    with tempfile.TemporaryDirectory() as scratch:
        rig = Rig(Path(scratch), Server())
        inputs = (corpus / name) if corpus else Path(scratch) / "corpus"
        inputs.mkdir(parents=True, exist_ok=True)
        found.mkdir(parents=True, exist_ok=True)
        for seed in reader.seeds:
            (inputs / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
        longest = 4 * max(map(len, reader.seeds))
        options = [f"-max_total_time={seconds}", f"-max_len={longest}", "-timeout=20"]
        options += [
            "-rss_limit_mb=2048",
            f"-artifact_prefix={found}/{name}-",
            "-print_final_stats=1",
            "-verbosity=0",
        ]
        # Names and punctuation of the good input: without them JSON is found letter by letter.
        words = Path(scratch) / "words"
        words.write_text(_dictionary(reader.seeds))
        atheris.Setup(
            ["guided", str(inputs), f"-dict={words}", *options],
            lambda data: reader.read(rig, data),
        )
        atheris.Fuzz()


def _dictionary(seeds: tuple[bytes, ...]) -> str:
    """The words of the seeds as libFuzzer wants them, a line each."""
    text = b" ".join(seeds).decode("latin-1")
    cleaned = "".join(letter if letter.isalnum() or letter in "_-" else " " for letter in text)
    words = sorted({word for word in cleaned.split() if word.isascii() and 1 < len(word) < 33})
    return "".join(f'"{word}"\n' for word in words)


if __name__ == "__main__":
    sys.exit(main())
