"""How much memory does a whole cold conversion take, the compiler's processes included?

    python tests/bench/memory.py MODEL.onnx PICTURES [--images N] [FLAG of `recam convert`...]

Every 50 ms, where the machine has time for it, the proportional set sizes (PSS: pages that
processes share are counted once) of `recam` and all below it are added up, as
/proc/PID/smaps_rollup has them: Linux only. Prints the peak, what ran then, the peak of each
program by itself, and how often was looked.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench_runs import cold_cache, conversion

from recam_deploy.settings import load_settings
from recam_deploy.terminal import Terminal
from recam_deploy.toolchain import ensure

_EVERY = 0.05
_LIMIT = 3_000_000_000


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name in parentheses may hold anything; the parent comes second after it.
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            children[int(parent)].append(int(entry.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def memory_of(pid: int) -> int:
    """A process's PSS in bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    sizes = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    return 1024 * sum(sizes)


def program_of(pid: int) -> str:
    """What a process is called here: its script or subcommand rather than its interpreter."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "ended"
    names = [Path(word).name for word in words[:3] if word and not word.startswith("-")]
    if names and names[0].startswith("python") and len(names) > 1:
        return names[1]
    return names[0] if names else "ended"


class Peaks:
    """The largest sum so far with what made it up, and each program's own largest."""

    def __init__(self) -> None:
        self.total = 0
        self.parts: dict[str, int] = {}
        self.programs: dict[str, int] = {}
        self.intervals: list[float] = []

    def monitor(self, process: subprocess.Popen[bytes]) -> None:
        """Sample until the process has ended."""
        last = time.monotonic()
        while process.poll() is None:
            self._sample(process.pid)
            now = time.monotonic()
            self.intervals.append(now - last)
            last = now
            time.sleep(max(0.0, _EVERY / 2 - (time.monotonic() - now)))

    def _sample(self, root: int) -> None:
        parts: dict[str, int] = defaultdict(int)
        for pid in tree(root):
            parts[program_of(pid)] += memory_of(pid)
        total = sum(parts.values())
        if total > self.total:
            self.total, self.parts = total, dict(parts)
        for name, size in parts.items():
            self.programs[name] = max(size, self.programs.get(name, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--images", type=int, default=100)
    options, flags = parser.parse_known_args()
    cache = load_settings().cache_dir
    ensure(cache, Terminal(as_json=False))
    peaks = Peaks()
    with tempfile.TemporaryDirectory(prefix="recam-bench-") as scratch:
        folder = Path(scratch)
        environment = cold_cache(folder, cache, os.environ)
        words = conversion(options.model, options.pictures, options.images, folder / "m.cvimodel")
        with subprocess.Popen(
            [*words, *flags], env=environment, stdout=subprocess.DEVNULL
        ) as process:
            peaks.monitor(process)
    print(f"peak of all processes: {_told(peaks.total)}, when these ran:")
    for name, size in sorted(peaks.parts.items(), key=lambda part: -part[1]):
        print(f"  {name}: {_told(size)}")
    print("each program's own peak:")
    for name, size in sorted(peaks.programs.items(), key=lambda part: -part[1]):
        print(f"  {name}: {_told(size)}")
    largest = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"largest process by the system's own count, which misses no moment: {_told(largest)}")
    apart = sorted(1000 * interval for interval in peaks.intervals)
    print(
        f"time between two samples: median {apart[len(apart) // 2]:.0f} ms, longest "
        f"{apart[-1]:.0f} ms"
    )
    raise SystemExit(process.returncode or (peaks.total > _LIMIT))


def _told(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


if __name__ == "__main__":
    main()
