"""Read what the camera's C++ made of given tensors, recorded as data.

The code was SSCMA-Micro 60e2ede, built for riscv64 with GCC 12 -O2 and run under qemu; memory
behind a tensor was zero. A case is an `.npz`: the outputs `out0`, `out1`, ... in the model's order,
and `meta`, JSON with the input, the outputs' descriptions, the thresholds (null: the decoder's
own), the number of the family, the error code, the results and the printed lines (null where they
were not kept). Those of the next firmware are of e830d54.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from virtual.releases import CURRENT, RELEASES, Release
from virtual.sscma.families import DECODERS
from virtual.sscma.families.boxes import STANDARD, Thresholds
from virtual.sscma.families.classifier import STANDARD as CLASSIFIER
from virtual.sscma.results import Box, Label, Pose, Result, Segment
from virtual.sscma.tensors import Model, Tensor, UnsupportedTypeError

CASES = Path(__file__).parent / "cases"

_BYTES = {"float32": 4, "int8": 1, "uint8": 1, "uint16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class Recorded:
    """One case: a model with its outputs' values, and what the camera made of them."""

    model: Model
    arrays: list[NDArray[Any]]
    thresholds: tuple[float | None, float | None]
    family: int
    results: list[Any]
    printed: list[str]
    release: Release


def tensor(record: dict[str, Any], name: str) -> Tensor:
    """Build a tensor from a record of `shape`, `dtype` and, if given, `scale`, `zero_point`."""
    size = int(np.prod(record["shape"])) * _BYTES[record["dtype"]]
    scale, zero_point = record.get("scale", 1.0), record.get("zero_point", 0)
    return Tensor(name, tuple(record["shape"]), record["dtype"], size, scale, zero_point)


def described(inputs: list[list[int]], outputs: list[list[int]]) -> Model:
    """Build a model of uint8 inputs and float32 outputs with these shapes."""
    return Model(
        tuple(tensor({"shape": shape, "dtype": "uint8"}, "in") for shape in inputs),
        tuple(tensor({"shape": shape, "dtype": "float32"}, "out") for shape in outputs),
    )


def read(name: str) -> Recorded:
    """Read the case of this name."""
    with np.load(CASES / f"{name}.npz") as file:
        meta = json.loads(str(file["meta"]))
        arrays = [file[f"out{index}"] for index in range(len(meta["outputs"]))]
    outputs = tuple(tensor(record, f"out{i}") for i, record in enumerate(meta["outputs"]))
    return Recorded(
        Model((tensor(meta["input"], "in"),), outputs),
        arrays,
        (meta["score_threshold"], meta["iou_threshold"]),
        meta["family"],
        meta["results"],
        meta["printed"],
        RELEASES[meta.get("release", CURRENT.name)],
    )


def decode(case: Recorded, family: str) -> list[Result]:
    """Decode as the virtual camera does, with the case's thresholds; nothing for a type that the
    decoder does not know."""
    own = CLASSIFIER if family == "classifier" else STANDARD
    score, iou = case.thresholds
    thresholds = Thresholds(own.score if score is None else score, own.iou if iou is None else iou)
    try:
        return list(DECODERS[family](case.model, case.arrays, False, thresholds))
    except UnsupportedTypeError:
        return []


def as_recorded(result: Result) -> Any:
    """Write a result as the cases have it."""
    if isinstance(result, Box):
        return _numbers(result)
    if isinstance(result, Pose):
        points = zip(result.points, result.visible, strict=True)
        return {"box": _numbers(result.box), "points": [[x, y, v] for (x, y), v in points]}
    if isinstance(result, Segment):
        rows = [
            [row, int(columns[0]), int(columns[-1]), len(columns)]
            for row, cells in enumerate(result.mask)
            if len(columns := np.flatnonzero(cells))
        ]
        cells = int(result.mask.sum())
        return {"box": _numbers(result.box), "mask_cells": cells, "mask_rows": rows}
    assert isinstance(result, Label)
    return [result.score, result.target]


def lines(results: list[Result]) -> list[str]:
    """List the lines that `sscma-model` prints for the results."""
    return "".join(result.lines() for result in results).splitlines()


def _numbers(box: Box) -> list[float]:
    return [box.x, box.y, box.w, box.h, box.score, box.target]
