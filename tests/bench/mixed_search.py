"""Our search for mixed precision beside the compiler's run_qtable: time, layers, and what is true.

    python tests/bench/mixed_search.py [--data FOLDER] [--model NAME] [--rounds N]
        [--pictures FOLDER] [--test FOLDER] [--expected-cos C] [--work FOLDER]

Both search with the same calibration table and pictures: run_qtable for a cosine of --expected-cos
on its own scale, 0.5 + 0.5 * cosine; ours for our default, and once more for as many layers as
run_qtable took. Then each one's table is compiled, and the cvimodel run in the simulator: the
outputs' least cosine against float, and the detections matched. INT8 and BF16 alone stand beside.

Processor seconds stand beside those on the clock: they tell more on a machine that is busy. With
--work what run_qtable found is kept with the time it took, and used again.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench_models import Subject, subjects
from calibration_accuracy import Workshop

from recam_deploy.conversion.commands import (
    BF16,
    INT8,
    MIXED,
    ONNX_FILE,
    QUANTIZE_TABLE_FILE,
    TABLE_FILE,
    search_command,
)
from recam_deploy.conversion.work_folder import finish_search, link_pictures
from recam_deploy.mixed_precision.options import SearchOptions
from recam_deploy.mixed_precision.search import search_layers
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import load_settings
from recam_deploy.terminal import Terminal
from recam_deploy.toolchain import ensure, run_tool

_KEPT_FILE = "run_qtable.json"


@dataclass(frozen=True)
class Search:
    """What a search found: a quantization table, and the medians of its seconds."""

    table: str
    seconds: float
    processor: float

    @property
    def layers(self) -> int:
        """How many layers the table keeps in BF16."""
        return sum(1 for line in self.table.splitlines() if line and not line.startswith("#"))


def timed(search: Callable[[], str], rounds: int) -> Search:
    """Search `rounds` times."""
    seconds, processor, table = [], [], ""
    for _ in range(rounds):
        started, before = time.monotonic(), _processor_seconds()
        table = search()
        seconds.append(time.monotonic() - started)
        processor.append(_processor_seconds() - before)
    return Search(table, statistics.median(seconds), statistics.median(processor))


def _processor_seconds() -> float:
    """What this process took, and all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(entry.ru_utime + entry.ru_stime for entry in used)


class Searches:
    """The searches on one network, in the folder where it is prepared."""

    def __init__(self, shop: Workshop, table: Path) -> None:
        self._shop = shop
        self._table = table
        self._pictures = shop.pictures.paths[: SearchOptions().images]

    def by_compiler(self, expected_cos: float) -> str:
        """run_qtable's table."""
        folder = self._shop.folder
        (folder / TABLE_FILE).write_bytes(self._table.read_bytes())
        (folder / QUANTIZE_TABLE_FILE).unlink(missing_ok=True)
        links = link_pictures(self._pictures, folder)
        options = SearchOptions(expected_cos=expected_cos, by_compiler=True)
        command = search_command(len(self._pictures), options)
        done = run_tool(self._shop.compiler, command, folder, folder / "log", SilentProgress())
        finish_search(folder, done.tail, None)
        for link in links:
            link.unlink()
        return (folder / QUANTIZE_TABLE_FILE).read_text(encoding="utf-8")

    def ours(self, options: SearchOptions) -> str:
        """Our table."""
        network, prepared = self._shop.network, self._shop.folder / ONNX_FILE
        return search_layers(
            network, self._table, prepared, self._pictures, options, SilentProgress()
        ).table()


def kept_or(path: Path | None, search: Callable[[], Search]) -> Search:
    """A search's result from an earlier run, else from now."""
    if path and path.is_file():
        return Search(**json.loads(path.read_text(encoding="utf-8")))
    found = search()
    if path:
        path.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _tell(
    title: str, search: Search | None, shop: Workshop, table: Path, quantization: str
) -> None:
    cosines, counts = shop.judge(table, quantization, search.table if search else "")
    spent = ""
    if search:
        spent = (
            f"{search.seconds:.1f} s, {search.processor:.1f} s of processors, "
            f"{search.layers} float layers, "
        )
    print(
        f"{title}: {spent}true cosine {min(cosines):.4f}, matched {counts.matched} of "
        f"{counts.reference}, {counts.extra} extra",
        flush=True,
    )


def bench(subject: Subject, folder: Path, options: argparse.Namespace) -> None:
    """All searches on one subject, told as they are done."""
    compiler = ensure(load_settings().cache_dir, Terminal(as_json=False))
    shop = Workshop(subject, folder, compiler, options.images)
    table, _ = shop.table("fast")
    searches = Searches(shop, table)
    _tell("INT8", None, shop, table, INT8)
    _tell("BF16", None, shop, table, BF16)
    wanted = options.expected_cos
    theirs = kept_or(
        options.work and folder / _KEPT_FILE,
        lambda: timed(lambda: searches.by_compiler(wanted), options.rounds),
    )
    _tell(f"run_qtable, {wanted} on its scale", theirs, shop, table, MIXED)
    by_cosine = SearchOptions()
    ours = timed(lambda: searches.ours(by_cosine), options.rounds)
    _tell(f"ours, {by_cosine.expected_cos}", ours, shop, table, MIXED)
    by_layers = replace(by_cosine, expected_cos=1.0, max_float_layers=theirs.layers)
    limited = timed(lambda: searches.ours(by_layers), options.rounds)
    _tell(f"ours, at most {theirs.layers} layers", limited, shop, table, MIXED)
    for title, found in (("ours", ours), ("ours with its layers", limited)):
        print(
            f"{title}: 1/{theirs.seconds / found.seconds:.1f} of run_qtable's time, "
            f"1/{theirs.processor / found.processor:.1f} of its processor seconds"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="see bench_models.py")
    parser.add_argument("--model", default="yolox-nano")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pictures", type=Path, help="to calibrate and search with")
    parser.add_argument("--test", type=Path, help="to judge the cvimodels on")
    parser.add_argument("--images", type=int, default=12, help="of the latter, at most")
    parser.add_argument("--expected-cos", type=float, default=0.999)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    known = subjects(options.data)
    if options.model not in known:
        parser.error(f"there is no model {options.model}; --data may name a folder that has it")
    subject = known[options.model]
    if options.pictures:
        subject = replace(subject, calibration=options.pictures, images=None)
    subject = replace(subject, test=options.test or subject.test)
    with tempfile.TemporaryDirectory(prefix="recam-bench-") as scratch:
        folder = (options.work or Path(scratch)) / subject.name
        bench(subject, folder, options)


if __name__ == "__main__":
    main()
