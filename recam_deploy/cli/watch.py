"""`recam watch`: what the camera finds, as it finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import INTERRUPTED, bounded
from .options.camera import PlaceFlags
from .options.common import AsJson
from .options.groups import grouped

if TYPE_CHECKING:
    from ..live.events import LiveEvent
    from ..live.watching import LiveReport

_JSON_SECONDS = 10.0
_SILENCE_SECONDS = 60.0


@bounded
@grouped
def watch(
    camera: PlaceFlags,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many pictures.", show_default=False)
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="End so many seconds after the first picture. (default: until Ctrl-C; with "
            "--json, and without --count: 10)",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the camera's model finds, live in the terminal.

    Reads the results from the camera's MQTT broker, or from the model node's preview socket where
    the broker is closed. Boxes are in pixels of the camera's picture.

    Example: recam watch --host 192.168.42.1
    """
    from ..live.watching import Collector, collect, open_source
    from ..terminal import Terminal

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    if as_json and count is None and seconds is None:
        seconds = _JSON_SECONDS
    seen = Collector()
    source = open_source(settings.camera, runs=True)
    try:
        with terminal.live("Waiting for live results") as screen:
            report = collect(
                source,
                count=count,
                seconds=seconds,
                first_within=_SILENCE_SECONDS,
                show=lambda _, event: screen.show(*_table(seen.report(), event)),
                collector=seen,
            )
    except KeyboardInterrupt:
        if not seen.count:
            raise
        report = seen.report()
        terminal.result(report.as_json(), live_lines(report))
        raise typer.Exit(INTERRUPTED) from None
    finally:
        source.close()
    if seconds is None and (count is None or report.count < count):
        terminal.warn(f"no more results came from the camera within {_SILENCE_SECONDS:g} s")
    terminal.result(report.as_json(), live_lines(report))


def _table(report: LiveReport, event: LiveEvent) -> tuple[str, list[tuple[str, str, str]]]:
    rows = [
        (d.label, f"{d.score:.2f}", ", ".join(f"{side:.0f}" for side in d.box))
        for d in event.detections
    ]
    return "; ".join(_speed(report)), rows


def _speed(report: LiveReport) -> list[str]:
    words = ["1 picture" if report.count == 1 else f"{report.count} pictures"]
    if report.fps is not None:
        words.append(f"{report.fps:.1f} a second")
    if report.timings:
        t = report.timings
        words.append(
            f"preprocess {t.preprocess:.0f} ms, inference {t.inference:.0f} ms, "
            f"postprocess {t.postprocess:.0f} ms"
        )
    return words


def live_lines(report: LiveReport) -> list[str]:
    """What was seen, for people: the speed, and the first detections."""
    best_first = sorted(report.first, key=lambda found: -found.score)
    lines = [
        f"  {d.label:<16} {d.score:.2f}  at {', '.join(f'{side:.0f}' for side in d.box)}"
        for d in best_first[:20]
    ]
    found = "the first objects found live:" if lines else "no objects found in them"
    return ["; ".join(_speed(report)), found, *lines]
