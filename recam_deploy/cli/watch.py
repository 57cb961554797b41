"""Run `recam watch`: show the camera's detections live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import INTERRUPTED, bounded
from .options.camera import PlaceFlags
from .options.common import AsJson
from .options.groups import grouped
from .options.numbers import number

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
        int | None,
        typer.Option(
            **number("watch.count"), help="End after this many pictures.", show_default=False
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            **number("watch.seconds"),
            help="End this many seconds after the first picture. (default: until Ctrl-C; with "
            "--json, and without --count: 10)",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the camera's model finds, live in the terminal.

    Reads the results from the camera's MQTT broker, or where that is closed, from the preview
    websocket of the model node. Boxes are in pixels of the camera's picture.

    Example: recam watch --host 192.168.42.1
    """
    from ..live.preview import PreviewSource
    from ..live.watching import Collector, collect, open_source
    from ..terminal import Terminal

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    if as_json and count is None and seconds is None:
        seconds = _JSON_SECONDS
    collector = Collector()
    source = open_source(settings.camera, runs=True)
    if isinstance(source, PreviewSource):
        terminal.say(f"The camera's broker is closed from outside; reading {source.where}.")
    try:
        with terminal.live("Waiting for live results") as screen:
            report = collect(
                source,
                count=count,
                seconds=seconds,
                first_within=_SILENCE_SECONDS,
                show=lambda _, event: screen.show(*_table(collector.report(), event)),
                collector=collector,
            )
    except KeyboardInterrupt:
        if not collector.count:
            raise
        report = collector.report()
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
    parts = ["1 picture" if report.count == 1 else f"{report.count} pictures"]
    if report.fps is not None:
        parts.append(f"{report.fps:.1f} a second")
    if report.timings:
        t = report.timings
        parts.append(
            f"preprocess {t.preprocess:.0f} ms, inference {t.inference:.0f} ms, "
            f"postprocess {t.postprocess:.0f} ms"
        )
    return parts


def live_lines(report: LiveReport) -> list[str]:
    """Summarize live results for people: the speed, and the first detections."""
    best_first = sorted(report.first, key=lambda found: -found.score)
    lines = [
        f"  {d.label:<16} {d.score:.2f}  at {', '.join(f'{side:.0f}' for side in d.box)}"
        for d in best_first[:20]
    ]
    speed = ["; ".join(_speed(report)), *_limit(report)]
    found = "the first objects found live:" if lines else "no objects found in them"
    return [*speed, found, *lines]


def _limit(report: LiveReport) -> list[str]:
    """Say that it is the camera's service, and not the model, that allows no more."""
    from ..live.watching import RATE_LIMIT

    if report.unlimited_fps is None:
        return []
    return [
        f"the camera's service sends {RATE_LIMIT} results a second at most; "
        f"the model's own speed is {report.unlimited_fps:.0f} a second"
    ]
