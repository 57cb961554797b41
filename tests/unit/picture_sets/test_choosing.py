"""The choice of pictures is spread over all, and says what it passed over (cases 7, 14, 20)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from recam_deploy.errors import InputError
from recam_deploy.picture_sets import FoundPictures, Look, choose, spread

RANDOM = np.random.default_rng(0)


def many(count: int, folders: int = 1) -> FoundPictures:
    paths = sorted(Path(f"f{n % folders:02}/{n:05}.jpg") for n in range(count))
    return FoundPictures(Path("set"), tuple(paths))


class Reader:
    """Gives each picture a thumbnail of noise, but for some; remembers which were read."""

    def __init__(self, unreadable: Sequence[str] = ()) -> None:
        self.read: list[Path] = []
        self.unreadable = frozenset(unreadable)

    def __call__(self, paths: Sequence[Path]) -> list[Look]:
        self.read += paths
        return [
            InputError(f"{path} cannot be read as a picture: it is empty", "Remove it.")
            if path.name in self.unreadable
            else RANDOM.integers(0, 256, (16, 16), np.uint8)
            for path in paths
        ]


@pytest.mark.parametrize(("count", "most"), [(1, 1), (5, 5), (5, 9), (600, 100), (101, 100)])
def test_case_7_a_choice_is_evenly_spread(count: int, most: int) -> None:
    places = spread(range(count), most)
    assert len(places) == min(count, most)
    gaps = np.diff([*places, count])
    assert max(gaps) - min(gaps) <= 1
    assert places == spread(range(count), most)


def test_case_7_two_scenes_are_both_taken() -> None:
    scenes = [Path(f"{scene}_{n:03}.jpg") for scene in "ab" for n in range(300)]
    chosen = choose(FoundPictures(Path(), tuple(scenes)), 100, Reader())
    assert Counter(path.name[0] for path in chosen.pictures) == {"a": 50, "b": 50}


def test_case_20_subfolders_are_taken_in_proportion_and_few_pictures_are_read() -> None:
    reader = Reader()
    chosen = choose(many(10_000, folders=40), 100, reader)
    per_folder = Counter(path.parent for path in chosen.pictures)
    assert len(per_folder) == 40
    assert set(per_folder.values()) <= {2, 3}
    assert len(reader.read) == 100
    assert chosen.told() == "100 of 10,000 pictures, from 40 folders"


def test_a_flat_folder_of_few_keeps_all_in_order() -> None:
    """So that what an earlier version converted is found in the cache."""
    found = many(100)
    assert choose(found, 100, Reader()).pictures == found.pictures


def test_unreadable_pictures_are_replaced_by_the_nearest_and_named() -> None:
    reader = Reader(["00000.jpg", "00010.jpg", "00011.jpg", "00020.jpg"])
    chosen = choose(many(100), 10, reader)
    assert len(chosen.pictures) == 10
    assert Path("f00/00012.jpg") in chosen.pictures
    assert Path("f00/00001.jpg") in chosen.pictures
    assert list(chosen.pictures) == sorted(chosen.pictures)
    assert chosen.passed_over["unreadable"] == 4
    assert len(reader.read) == 14
    (problem,) = chosen.problems
    assert problem.startswith("4 unreadable pictures were passed over. f00/00000.jpg: it is empty;")
    assert problem.endswith("; and 1 more")


def test_with_too_many_unreadable_pictures_not_all_are_tried() -> None:
    reader = Reader([f"{n:05}.jpg" for n in range(10_000)])
    with pytest.raises(InputError, match="none of 100 pictures of set can be read; the first: "):
        choose(many(10_000), 10, reader)
    assert len(reader.read) == 100


def test_case_14_pictures_of_kinds_that_are_not_read_are_told() -> None:
    found = FoundPictures(
        Path("phone"), (Path("a.jpg"), Path("b.jpg")), Counter({".heic": 50, ".txt": 2})
    )
    chosen = choose(found, 100, Reader())
    assert "passed over: 50 .heic." in chosen.problems[0]
    assert chosen.doubts[0].startswith("only 2 calibration pictures;")
    document = chosen.as_json()
    assert (document["taken"], document["of"], document["folders"]) == (2, 2, 1)
    assert document["passed_over"] == {".heic": 50, ".txt": 2}


@pytest.mark.parametrize(
    ("kind", "says"),
    [("alike", "39 of 40 calibration pictures are nearly the same"), ("dark", "40 of 40 .* black")],
)
def test_case_7_doubtful_sets_are_warned_of(kind: str, says: str) -> None:
    scene = RANDOM.integers(0, 240, (16, 16))

    def look(paths: Sequence[Path]) -> list[Look]:
        noise = [RANDOM.integers(0, 6, (16, 16)) for _ in paths]
        return [np.uint8(n + scene if kind == "alike" else n) for n in noise]

    (doubt,) = choose(many(40), 100, look).doubts
    assert re.search(says, doubt)


def test_a_good_set_is_not_doubted() -> None:
    chosen = choose(many(40), 100, Reader())
    assert chosen.doubts == chosen.problems == ()
    asked_for_few = choose(many(40), 5, Reader())
    assert asked_for_few.doubts == ()
