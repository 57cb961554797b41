"""How many classes a cvimodel tells apart, by the shapes of its outputs alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes

from recam_deploy.cvimodel import Tensor, read_model
from recam_deploy.cvimodel.classes import class_count

SIZE = 64
GRIDS = (8, 4, 2)
CELLS = sum(grid * grid for grid in GRIDS)


def maps(*channels: int) -> list[tuple[int, ...]]:
    return [(1, c, g, g) for g in GRIDS for c in channels]


@pytest.mark.parametrize(
    ("shapes", "family", "count"),
    [
        (maps(64, 7), "yolo11-detect", 7),
        (maps(64) + maps(7), "yolov8-detect", 7),
        (maps(4, 7), "yolo26-detect", 7),
        (maps(4) + maps(7), "yolo26-detect", 7),
        ([(1, CELLS * 3, 12)], "yolov5-detect", 7),
        ([(1, 7)], "classify", 7),
        ([(1, 5 + 51, CELLS, 1)], "yolo11-pose", 1),
        ([(1, 4 + 7 + 32, CELLS), (1, 32, 16, 16)], "yolo11-seg", 7),
        ([(1, 3), (1, 3)], None, None),
    ],
)
def test_each_family_tells_its_number_of_classes(
    tmp_path: Path, shapes: list[tuple[int, ...]], family: str | None, count: int | None
) -> None:
    image = Tensor("i", (1, SIZE, SIZE, 3), "uint8", 1.0, "RGB_PACKED")
    outputs = [Tensor(f"o{n}", shape, "int8", 1.0, "") for n, shape in enumerate(shapes)]
    path = tmp_path / "m.cvimodel"
    path.write_bytes(cvimodel_bytes([image], outputs))
    model = read_model(path)
    assert (model.family, class_count(model)) == (family, count)
