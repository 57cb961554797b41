"""The models and pictures that are measured on: the bundled model, and those of a folder.

    python tests/bench/bench_models.py FOLDER --data DATA

writes a trained model at 640 into FOLDER, with pictures to calibrate it: yolo11n-shapes-320 with a
larger input, and its own pictures, four on a canvas. Prints how well it finds, on each quarter of
such canvases, what the model at 320 finds there.

DATA is a folder with exports in `onnx/` and their pictures in `shapes/images/calib`,
`shapes/images/test` and `images`; it is not part of the project.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from PIL import Image

from recam_deploy.conversion.calibration import CalibrationSet, read_calibration_set
from recam_deploy.conversion.verification import decode
from recam_deploy.detection.letterbox import Letterbox
from recam_deploy.detection.match import Agreement, agreement
from recam_deploy.detection.pictures import read_picture
from recam_deploy.detection.types import Detection
from recam_deploy.network.float_model import FloatModel, float_input, network_image
from recam_deploy.network.heads import STRIDES
from recam_deploy.network.model import Network, Preprocessing
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network, read_raw_network
from recam_deploy.picture_sets import find_pictures

PROJECT = Path(__file__).resolve().parents[2]
TILED_MODEL, TILED_PICTURES = "yolo11n-shapes-640.onnx", "pictures-640"

_BYTES_BGR = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bgr")
_CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))


@dataclass(frozen=True)
class Subject:
    """A model, the folder it is calibrated on with how many pictures (None: all), and the folder
    that results are judged on."""

    name: str
    model: Path
    calibration: Path
    images: int | None
    test: Path
    preprocessing: Preprocessing | None = None

    def read(self) -> tuple[Network, onnx.ModelProto]:
        """The network and its graph; a raw one where it has preprocessing of its own."""
        if self.preprocessing:
            return read_raw_network(self.model, (), self.preprocessing)
        return read_network(self.model, (), Preprocessing())

    def pictures(self) -> CalibrationSet:
        """The pictures to calibrate with."""
        return read_calibration_set(self.calibration, self.images)


def subjects(data: Path | None) -> dict[str, Subject]:
    """All subjects by name, the bundled model alone without `data`; those whose files are missing
    are left out."""
    demo = PROJECT / "device" / "demo"
    bundled = Subject("demo", demo / "shapes.onnx", demo / "calibration", 20, demo / "test")
    if data is None:
        return {bundled.name: bundled}
    onnx_folder, shapes = data / "onnx", data / "shapes" / "images"
    found = (
        bundled,
        Subject(
            "yolo11n-320",
            onnx_folder / "yolo11n-shapes-320.onnx",
            shapes / "calib",
            100,
            shapes / "test",
        ),
        Subject(
            "yolo11n-640",
            onnx_folder / "yolo11n-640-random.onnx",
            shapes / "calib",
            100,
            shapes / "test",
        ),
        Subject(
            "yolox-nano",
            onnx_folder / "yolox_nano.onnx",
            shapes / "calib",
            20,
            data / "images",
            _BYTES_BGR,
        ),
    )
    return {subject.name: subject for subject in found if subject.model.is_file()}


def enlarged(model: onnx.ModelProto, times: int) -> onnx.ModelProto:
    """A YOLO11 detector with the same weights and an input `times` as high and wide.

    What the export wrote down of its grids grows with them: the sizes that tensors are reshaped to,
    in the attention block and where boxes are decoded, and there the centres of all cells and their
    strides.
    """
    large = onnx.ModelProto()
    large.CopyFrom(model)
    graph = large.graph
    side = graph.input[0].type.tensor_type.shape.dim[2].dim_value
    for dim in graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value *= times
    for value in graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.dim_value = _grown(dim.dim_value, side, times)
    del graph.value_info[:]
    reshaped_to = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    cells = _cells(side)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    tensors |= {n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant"}
    for name, tensor in tensors.items():
        values = numpy_helper.to_array(tensor)
        if name in reshaped_to:
            sizes = [_grown(size, side, times) for size in values.tolist()]
            tensor.CopyFrom(numpy_helper.from_array(np.array(sizes, np.int64), tensor.name))
        elif values.shape == (1, 2, cells):
            tensor.CopyFrom(numpy_helper.from_array(_centres(side * times)[None], tensor.name))
        elif values.shape == (1, cells):
            tensor.CopyFrom(numpy_helper.from_array(_strides(side * times)[None], tensor.name))
    for entry in large.metadata_props:
        if entry.key == "imgsz":
            entry.value = str([side * times] * 2)
    return onnx.shape_inference.infer_shapes(large, strict_mode=True, data_prop=True)


def _grown(size: int, side: int, times: int) -> int:
    """A side, or the number of cells, of a grid that the export knew."""
    last = side // STRIDES[-1]
    factors = {last: times, last**2: times**2, _cells(side): times**2}
    return size * factors.get(size, 1)


def _cells(side: int) -> int:
    return sum((side // stride) ** 2 for stride in STRIDES)


def _centres(side: int) -> np.ndarray:
    """x and y of all cells, in cells, float32 [2, N]."""
    grids = []
    for stride in STRIDES:
        rows, columns = np.mgrid[: side // stride, : side // stride]
        grids.append(np.stack([columns.ravel(), rows.ravel()]) + 0.5)
    return np.concatenate(grids, axis=1).astype(np.float32)


def _strides(side: int) -> np.ndarray:
    return np.concatenate(
        [np.full((side // stride) ** 2, stride, np.float32) for stride in STRIDES]
    )


def canvas(pictures: Sequence[Image.Image], side: int) -> Image.Image:
    """Four pictures, each letterboxed into its quarter, row by row."""
    whole = Image.new("RGB", (2 * side, 2 * side))
    for picture, (column, row) in zip(pictures, _CORNERS, strict=True):
        tile = Letterbox.fit(picture.size, (side, side)).apply(picture)
        whole.paste(tile, (column * side, row * side))
    return whole


def write_canvases(pictures: Sequence[Path], side: int, folder: Path) -> None:
    """As many canvases as there are pictures, each of which comes once into each quarter."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, path in enumerate(pictures):
        four = [pictures[(index + step) % len(pictures)] for step in range(len(_CORNERS))]
        canvas([read_picture(one) for one in four], side).save(
            folder / f"{index:04}-{path.stem}.jpg", quality=95
        )


def agreement_of_quarters(small: Path, large: Path, pictures: Sequence[Path]) -> Agreement:
    """Whether the larger model finds on each quarter what the smaller one finds on the picture that
    lies there."""
    (one, one_graph), (four, four_graph) = read_network(small), read_network(large)
    alone = FloatModel(prepare(one_graph, one).SerializeToString())
    together = FloatModel(prepare(four_graph, four).SerializeToString())
    side = one.input.width
    total = Agreement()
    for start in range(0, len(pictures) - len(pictures) % len(_CORNERS), len(_CORNERS)):
        parts = [read_picture(path) for path in pictures[start : start + len(_CORNERS)]]
        found = _found(four, together, canvas(parts, side))
        for picture, (column, row) in zip(parts, _CORNERS, strict=True):
            tile = canvas([picture] * len(_CORNERS), side).crop((0, 0, side, side))
            wanted = _found(one, alone, tile)
            total += agreement(wanted, _in_quarter(found, column * side, row * side, side))
    return total


def _found(network: Network, model: FloatModel, picture: Image.Image) -> list[Detection]:
    letterbox, image = network_image(network, picture)
    return decode(network, model.run(float_input(network, image)), letterbox)


def _in_quarter(found: Sequence[Detection], left: int, top: int, side: int) -> list[Detection]:
    """The detections whose centres lie in the quarter, in its own pixels."""
    moved = []
    for detection in found:
        x1, y1, x2, y2 = detection.box
        if left <= (x1 + x2) / 2 < left + side and top <= (y1 + y2) / 2 < top + side:
            moved.append(replace(detection, box=(x1 - left, y1 - top, x2 - left, y2 - top)))
    return moved


def write_tiled(data: Path, folder: Path) -> tuple[Path, Path]:
    """The trained model at 640 and its pictures; returns where both are."""
    subject = subjects(data)["yolo11n-320"]
    model, pictures = folder / TILED_MODEL, folder / TILED_PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(enlarged(onnx.load(subject.model), 2), model)
    write_canvases(find_pictures(subject.calibration).pictures, 320, pictures)
    return model, pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    model, pictures = write_tiled(options.data, options.folder)
    subject = subjects(options.data)["yolo11n-320"]
    counts = agreement_of_quarters(subject.model, model, find_pictures(subject.test).pictures)
    print(f"{model}\n{pictures}")
    print(
        f"on quarters of canvases it finds {counts.matched} of the {counts.reference} objects that "
        f"the model at 320 finds, and {counts.extra} more"
    )


if __name__ == "__main__":
    main()
