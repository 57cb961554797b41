"""The virtual camera takes a model for the family that the camera takes it for."""

from __future__ import annotations

import json
from typing import Any

from virtual.releases import CURRENT, NEXT, Release
from virtual.sscma import factory

from .recorded import CASES, described


def rows(name: str) -> list[list[Any]]:
    """Read rows of input shape, output shapes and number of the family, null where refused."""
    result: list[list[Any]] = json.loads((CASES / name).read_text(encoding="utf-8"))
    return result


def number(inputs: list[list[int]], outputs: list[list[int]], release: Release) -> int | None:
    family = factory.choose(described(inputs, outputs), release)
    return family.number if family else None


def test_every_recorded_model_gets_its_family() -> None:
    table = rows("families.json")
    wrong = [row for row in table if number([row[0]], row[1], CURRENT) != row[2]]
    assert len(table) == 872
    assert wrong == []


def test_the_next_firmware_takes_what_the_current_one_refuses() -> None:
    taken = {json.dumps(row[:2]): row[2] for row in rows("families_next.json")}
    assert len(taken) == 135
    wrong = []
    for shape, outputs, known in rows("families.json"):
        expected = taken.get(json.dumps([shape, outputs]), known)
        if number([shape], outputs, NEXT) != expected:
            wrong.append((shape, outputs, expected))
    assert wrong == []
    assert all(number([row[0]], row[1], CURRENT) is None for row in rows("families_next.json"))


def test_only_the_next_firmware_knows_a_map_of_classes_that_is_not_square() -> None:
    segmenter = [[1, 512, 1024, 3]], [[1, 19, 64, 128]]
    assert number(*segmenter, CURRENT) is None
    assert number(*segmenter, NEXT) == 17


def test_a_search_may_begin_with_a_family() -> None:
    anything = described([[1, 64, 64, 3]], [[1, 300, 6, 1]])
    assert factory.choose(anything) is None
    for begin, found in ((15, 15), (16, None), (14, None), (999, None)):
        family = factory.choose(anything, CURRENT, begin)
        assert (family.number if family else None) == found
    family = factory.choose(anything, NEXT, 14)
    assert family is not None
    assert family.number == 15


def test_a_classifier_may_have_an_input_of_five_dimensions() -> None:
    assert number([[1, 64, 64, 3, 1]], [[1, 10]], CURRENT) == 4
    assert number([[1, 64, 64, 3, 1]], [[1, 252, 6]], CURRENT) == 4
    assert number([[64, 64, 3]], [[1, 10]], CURRENT) is None
