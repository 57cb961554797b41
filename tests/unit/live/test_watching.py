"""Listening: when it begins, when it ends, and what it makes of what it heard."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from typer.testing import CliRunner

from recam_deploy.cli.main import app
from recam_deploy.cli.watch import live_lines
from recam_deploy.errors import LiveError
from recam_deploy.live.events import LiveEvent, LiveTimings, Message, NodeReply
from recam_deploy.live.watching import Collector, LiveReport, collect, wait_until_created
from recam_deploy.progress import SilentProgress


class Script:
    """A source that tells what it was given, and then nothing."""

    def __init__(self, contents: Iterable[LiveEvent | NodeReply], node: str = "model") -> None:
        self._waiting = [Message(node, content) for content in contents]

    def next(self, until: float) -> Message | None:
        return self._waiting.pop(0) if self._waiting else None

    def drain(self) -> None:
        self._waiting.clear()

    def close(self) -> None:
        pass


def seen(count: int) -> LiveEvent:
    return LiveEvent(count, (640, 480), (), LiveTimings(1, count, 3))


@pytest.mark.parametrize(("wanted", "told"), [(2, False), (5, True)])
def test_a_watch_that_falls_silent_says_so(
    monkeypatch: pytest.MonkeyPatch, wanted: int, told: bool
) -> None:
    source = Script(map(seen, range(2)))
    monkeypatch.setattr("recam_deploy.live.watching.open_source", lambda *_, **__: source)
    words = ["watch", "--host", "127.0.0.1", "--count", str(wanted)]
    done = CliRunner().invoke(app, words, env={"RECAM_SETTINGS": ""})
    assert done.exit_code == 0
    assert done.stdout.startswith("2 pictures")
    assert ("no more results" in done.stderr) is told


MADE = NodeReply("create", 0, "")
FAILED = NodeReply("create", 6, "Model not supported")


def test_so_many_events_are_enough() -> None:
    report = collect(Script(map(seen, range(9))), count=3, seconds=None, first_within=1)
    assert [event.count for event in report.events] == [0, 1, 2]
    assert report.timings == LiveTimings(1, 1, 3)


def test_silence_is_an_error_with_a_next_step() -> None:
    with pytest.raises(LiveError, match="no live results") as caught:
        collect(Script([]), count=3, seconds=None, first_within=0.1)
    assert "green" in caught.value.hint


def test_slow_results_are_waited_for_though_the_time_to_tell_the_speed_by_is_over() -> None:
    class Slow(Script):
        def next(self, until: float) -> Message | None:
            # Each is there at the very end of the time it is given, but for the last.
            return super().next(until) if until - time.monotonic() > 0.5 else None

    events = map(seen, range(9))
    report = collect(Slow(events), count=9, seconds=0.0, first_within=1, at_least=3)
    assert report.count == 3


def test_each_of_the_results_asked_for_has_to_come_and_to_be_one() -> None:
    with pytest.raises(LiveError, match="only 2 of the first live results"):
        collect(Script([seen(1), seen(2)]), count=9, seconds=9, first_within=1, at_least=3)
    failing = Script([seen(1), NodeReply("invoke", 5, "TPU timeout"), seen(2)])
    with pytest.raises(LiveError, match="TPU timeout"):
        collect(failing, count=9, seconds=9, first_within=1, at_least=3)


def test_an_error_of_a_node_ends_the_wait_in_its_words() -> None:
    with pytest.raises(LiveError, match="Model not supported"):
        collect(Script([FAILED, seen(1)]), count=1, seconds=None, first_within=1)
    with pytest.raises(LiveError, match="Model not supported"):
        wait_until_created(Script([FAILED]), {"model"}, 1, SilentProgress())


def test_events_of_the_old_model_do_not_make_the_new_one_ready() -> None:
    assert not wait_until_created(Script([seen(1), seen(2)]), {"model"}, 0.1, SilentProgress())
    assert wait_until_created(Script([seen(1), MADE]), {"model"}, 0.1, SilentProgress())


def test_other_nodes_are_not_waited_for() -> None:
    assert not wait_until_created(Script([MADE], "other"), {"model"}, 0.1, SilentProgress())
    assert wait_until_created(Script([FAILED], "other"), set(), 0.1, SilentProgress())


def test_the_speed_is_told_from_the_second_picture_on() -> None:
    assert LiveReport((seen(1),), 1, 0.0).fps is None
    assert LiveReport((seen(1), seen(2), seen(3)), 3, 0.5).fps == 4


@pytest.mark.parametrize(
    ("pictures_a_second", "milliseconds", "own"),
    [(9.8, 50, 20), (9.8, 100, None), (9.8, 120, None), (6.0, 50, None), (25.0, 20, 50)],
)
def test_the_camera_s_limit_is_told_apart_from_the_model_s_speed(
    pictures_a_second: float, milliseconds: float, own: float | None
) -> None:
    event = LiveEvent(1, (640, 480), (), LiveTimings(10, milliseconds - 15, 5))
    report = LiveReport((event,) * 50, 50, 49 / pictures_a_second)
    assert report.unlimited_fps == own
    said = [line for line in live_lines(report) if "at most" in line]
    assert len(said) == (own is not None)
    if own:
        assert "10 results a second" in said[0]
        assert said[0].endswith(f"{own:.0f} a second")


def test_nothing_is_said_of_a_speed_that_is_not_known() -> None:
    event = LiveEvent(1, (640, 480), (), None)
    assert LiveReport((event, event), 2, 0.1).unlimited_fps is None
    nothing = LiveEvent(1, (640, 480), (), LiveTimings(0, 0, 0))
    assert LiveReport((nothing, nothing), 2, 0.1).unlimited_fps is None


def test_a_long_watch_keeps_the_last_pictures_and_counts_all() -> None:
    collector = Collector()
    for count in range(3000):
        collector.add(seen(count))
    report = collector.report()
    assert report.count == 3000
    assert len(report.events) <= 1000
    assert report.events[-1].count == 2999
    assert 0 < report.seconds < time.monotonic()
