"""The models and pictures that are measured on; `data` is the folder ../shared/data of the project,
or wherever --data says. Only the bundled model needs nothing beside the project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from recam_deploy.conversion.calibration import CalibrationSet, read_calibration_set
from recam_deploy.network.model import Network, Preprocessing
from recam_deploy.network.reading import read_network, read_raw_network

PROJECT = Path(__file__).resolve().parents[2]
SHARED = PROJECT.parent / "shared" / "data"

_BYTES_BGR = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bgr")


@dataclass(frozen=True)
class Subject:
    """A model, the folder it is calibrated on with how many pictures, and the folder that results
    are judged on."""

    name: str
    model: Path
    calibration: Path
    images: int
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


def subjects(data: Path) -> dict[str, Subject]:
    """All subjects by name; those whose files are missing are left out."""
    demo = PROJECT / "device" / "demo"
    onnx_folder, shapes = data / "onnx", data / "shapes" / "images"
    found = (
        Subject("demo", demo / "shapes.onnx", demo / "calibration", 20, demo / "test"),
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
