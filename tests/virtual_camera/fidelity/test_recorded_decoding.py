"""The virtual camera's decoders give the bits that the camera's C++ gives."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from virtual.releases import NEXT
from virtual.sscma import factory
from virtual.sscma.families import DECODERS

from .recorded import CASES, as_recorded, decode, described, lines, read

NAMES = sorted(path.stem for path in CASES.glob("*.npz") if path.stem != "input_bytes")


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_decoded_to_the_last_bit(name: str) -> None:
    case = read(name)
    family = factory.choose(case.model, case.release)
    assert family is not None
    assert family.number == case.family
    found = decode(case, family.name)
    # repr tells every float from every other one, and NaN from all.
    assert repr([as_recorded(result) for result in found]) == repr(case.results)
    assert lines(found) == (case.printed or lines(found))


def test_there_are_cases_of_every_kind() -> None:
    cases = [read(name) for name in NAMES]
    assert {case.model.outputs[0].dtype for case in cases} == {"float32", "int8", "uint8"}
    assert {case.family for case in cases} == {1, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 17}
    assert all(case.results for case in cases)


def test_what_the_next_firmware_takes_for_a_pose_may_have_no_classes_at_all() -> None:
    outputs = [[3], [1], [51, 3], [8, 4], [1, 4, 8, 8], [1], [4, 16], [2], [8, 16]]
    model = described([[1, 64, 64, 3]], outputs)
    family = factory.choose(model, NEXT)
    assert family is not None
    assert family.name == "YOLO26-pose"
    arrays = [np.ones(shape, np.float32) for shape in outputs]
    assert DECODERS[family.name](model, arrays, False) == []


def test_bfloat16_outputs_show_nothing() -> None:
    case = read("yolo11_float32_last_digit")
    halves = dataclasses.replace(
        case.model,
        outputs=tuple(dataclasses.replace(out, dtype="bfloat16") for out in case.model.outputs),
    )
    arrays = [out.array(bytes(2 * math.prod(out.shape))) for out in halves.outputs]
    assert decode(dataclasses.replace(case, model=halves, arrays=arrays), "YOLO11") == []
