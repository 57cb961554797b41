"""How long `recam --help` takes, measured against loading the libraries that it cannot do without.

python tests/bench/start_up.py; ends with 1 where it takes more than 1.6 times as long.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 20
MOST = 1.6
LEAST_POSSIBLE = ("-c", "import typer, rich.console")
HELP = ("-m", "recam_deploy", "--help")


def seconds(words: tuple[str, ...]) -> float:
    """The time of one run, its bytecode being there."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> int:
    """Measure both by turns, and print the medians."""
    for words in (LEAST_POSSIBLE, HELP):
        seconds(words)
    pairs = [(seconds(LEAST_POSSIBLE), seconds(HELP)) for _ in range(RUNS)]
    least, taken = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = taken / least
    print(f"recam --help {taken * 1000:.0f} ms, its libraries {least * 1000:.0f} ms: {ratio:.2f}")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
