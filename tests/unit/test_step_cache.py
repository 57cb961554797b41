"""A finished step is reused only when it is whole and nothing that went into it changed."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from recam_deploy.errors import CacheBusyError
from recam_deploy.progress import SilentProgress, Step
from recam_deploy.step_cache import StepCache, step_key


def writing(text: str) -> object:
    def build(folder: Path) -> None:
        (folder / "result").write_text(text)

    return build


class Builds:
    """A build that counts how often it ran."""

    def __init__(self, text: str = "x") -> None:
        self.count = 0
        self._text = text

    def __call__(self, folder: Path) -> None:
        self.count += 1
        (folder / "result").write_text(self._text)


class Heard:
    """Keeps the titles of what is announced."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.heard = threading.Event()

    def step(self, title: str, unit: str = "") -> AbstractContextManager[Step]:
        self.titles.append(title)
        self.heard.set()
        return SilentProgress().step(title, unit)

    def say(self, message: str) -> None:
        self.titles.append(message)


def test_a_step_is_built_once(tmp_path: Path) -> None:
    cache, build = StepCache(tmp_path), Builds()
    first, second = (cache.run("s", "s-1", build) for _ in range(2))
    assert (build.count, first.cached, second.cached) == (1, False, True)
    assert (second.folder / "result").read_text() == "x"


def test_any_input_changes_the_key() -> None:
    keys = {
        step_key("s", 1, {"model": "a", "arguments": ("x", "y")}),
        step_key("s", 1, {"model": "b", "arguments": ("x", "y")}),
        step_key("s", 1, {"model": "a", "arguments": ("y", "x")}),
        step_key("s", 2, {"model": "a", "arguments": ("x", "y")}),
        step_key("t", 1, {"model": "a", "arguments": ("x", "y")}),
    }
    assert len(keys) == 5
    assert step_key("s", 1, {"a": 1, "b": 2}) == step_key("s", 1, {"b": 2, "a": 1})


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("no")

    cache = StepCache(tmp_path)
    with pytest.raises(RuntimeError):
        cache.run("s", "s-1", fail)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == []
    assert not cache.run("s", "s-1", Builds()).cached


@pytest.mark.parametrize(
    "record",
    [
        "null",
        "[]",
        "3",
        '"x"',
        '{"files": 3}',
        '{"files": {"result": 3}}',
        '{"files": {"a\\u0000b": "x"}}',
        "[" * 100_000,
        '{"files": ' + "9" * 5000 + "}",
        "NaN",
    ],
)
def test_row_15_a_record_of_another_form_is_a_damaged_one(tmp_path: Path, record: str) -> None:
    cache, build = StepCache(tmp_path), Builds()
    folder = cache.run("s", "s-1", build).folder
    (folder / "step.json").write_text(record)
    assert cache.find("s-1") is None
    assert not cache.run("s", "s-1", build).cached
    assert cache.run("s", "s-1", build).cached


def test_row_15_a_file_in_the_place_of_a_step_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "s-1").write_text("not a folder")
    assert not StepCache(tmp_path).run("s", "s-1", Builds()).cached


@pytest.mark.parametrize("damage", ["change", "remove", "record", "no record"])
def test_a_damaged_step_is_built_again(tmp_path: Path, damage: str) -> None:
    cache, build = StepCache(tmp_path), Builds()
    folder = cache.run("s", "s-1", build).folder
    if damage == "change":
        (folder / "result").write_text("y")
    elif damage == "remove":
        (folder / "result").unlink()
    elif damage == "record":
        (folder / "step.json").write_text("{")
    else:
        (folder / "step.json").unlink()
    again = cache.run("s", "s-1", build)
    assert (again.cached, build.count) == (False, 2)
    assert (again.folder / "result").read_text() == "x"


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    leftover = tmp_path / ".s-1-building-abc"
    leftover.mkdir()
    (leftover / "half").write_text("x")
    StepCache(tmp_path).run("s", "s-1", Builds())
    assert not leftover.exists()


def test_two_at_once_build_it_once(tmp_path: Path) -> None:
    build, entered, release = Builds(), threading.Event(), threading.Event()

    def slow(folder: Path) -> None:
        entered.set()
        release.wait(5)
        build(folder)

    waiting = Heard()
    results = []
    first = threading.Thread(
        target=lambda: results.append(StepCache(tmp_path).run("s", "s-1", slow))
    )
    second = threading.Thread(
        target=lambda: results.append(StepCache(tmp_path, waiting).run("s", "s-1", build))
    )
    first.start()
    entered.wait(5)
    second.start()
    waiting.heard.wait(5)
    release.set()
    first.join(5)
    second.join(5)
    assert build.count == 1
    assert sorted(result.cached for result in results) == [False, True]
    assert waiting.titles == ["Waiting for another recam to finish the step s"]


def test_cleaning_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    for index, name in enumerate(("a-1", "b-1", "c-1")):
        folder = cache.run(name[0], name, Builds("x" * 1000)).folder
        os.utime(folder / "step.json", (index, index))
    cache.run("a", "a-1", Builds())
    largest = max(entry.size for entry in cache.entries())
    assert cache.clean(keep_bytes=largest) > 0
    assert [entry.folder.name for entry in cache.entries()] == ["a-1"]
    cache.clean()
    assert cache.entries() == []


def test_nothing_is_removed_while_a_conversion_runs(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    cache.run("a", "a-1", Builds())
    with cache.in_use(), pytest.raises(CacheBusyError):
        StepCache(tmp_path).clean()
    assert len(cache.entries()) == 1
    assert cache.clean() > 0


def test_a_run_that_died_does_not_block_cleaning(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    cache.run("a", "a-1", Builds())
    (tmp_path / ".runs").mkdir()
    (tmp_path / ".runs" / "dead.lock").touch()
    assert cache.clean() > 0


def test_what_a_killed_run_was_building_goes_with_the_next_cleaning(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    cache.run("a", "a-1", Builds())
    (tmp_path / ".b-1-building-x1y2").mkdir()
    (tmp_path / ".b-1-building-x1y2" / "half").write_text("x")
    assert cache.clean(keep_bytes=1_000_000) == 0
    assert not list(tmp_path.glob(".b-1-building-*"))
    assert len(cache.entries()) == 1


def test_a_step_is_found_only_when_it_is_whole(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    assert cache.find("a-1") is None
    folder = cache.run("a", "a-1", Builds()).folder
    assert cache.find("a-1") == folder
    next(path for path in folder.iterdir() if path.name != "step.json").write_text("spoilt")
    assert cache.find("a-1") is None


def test_a_conversion_that_fails_leaves_no_mark_of_its_use(tmp_path: Path) -> None:
    cache = StepCache(tmp_path / "steps")
    with pytest.raises(KeyboardInterrupt), cache.in_use():
        raise KeyboardInterrupt
    assert list((tmp_path / "steps" / ".runs").iterdir()) == []


def test_no_conversion_begins_while_steps_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take a step for finished whose files go away under its hands."""
    cache = StepCache(tmp_path / "steps")
    cache.run("a", "a-1", Builds())
    order: list[str] = []
    remove = shutil.rmtree

    def convert() -> None:
        with StepCache(tmp_path / "steps").in_use():
            order.append("converting")

    conversion = threading.Thread(target=convert)

    def slow(folder: Path) -> None:
        if not conversion.ident:
            conversion.start()
        conversion.join(0.3)
        remove(folder)
        order.append("removed")

    monkeypatch.setattr(shutil, "rmtree", slow)
    cache.clean()
    conversion.join(5)
    assert order[-1] == "converting"
    assert len(order) > 1
