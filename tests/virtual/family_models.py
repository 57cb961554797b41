"""A trained model of every family, and what is to be found in the picture that each gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelled import detections, truth
from PIL import Image
from recam_runs import DEMO, MODELS, Run

from recam_deploy.detection.match import Agreement, agreement
from recam_deploy.detection.types import Detection

SHAPES = ("circle", "square", "triangle", "star", "cross")
PICTURE = DEMO / "test" / "test-10007.jpg"
"""Five shapes, all of which each float model finds, and nothing else; how many they find in other
pictures is in their cards."""


@dataclass(frozen=True)
class Subject:
    """A model, its family to `recam convert` and to the camera, and whether its class names are
    the shapes', one for all of them, or those of a picture's one shape."""

    title: str
    model: Path
    family: str
    taken_for: str
    task: str = "detect"

    def picture(self, folder: Path) -> Path:
        """The picture to test with: a classifier's is cut out, into `folder`."""
        if self.task != "classify":
            return PICTURE
        left, top, right, bottom = self.wanted()[0].box
        margin = 0.15 * (right - left)
        corners = (left - margin, top - margin, right + margin, bottom + margin)
        with Image.open(PICTURE) as whole:
            whole.crop(tuple(map(round, corners))).save(folder / "cut.png")
        return folder / "cut.png"

    def wanted(self) -> list[Detection]:
        """What that picture shows, by the label file; a classifier's shape has no place in it."""
        shown = truth(PICTURE, SHAPES)
        if self.task == "classify":
            return [max(shown, key=_area)]
        if self.task == "pose":
            return [replace(one, class_id=0, label="shape") for one in shown]
        return shown


def _trained(title: str, file: str, family: str, taken_for: str, task: str) -> Subject:
    return Subject(title, MODELS / f"{file}.onnx", family, taken_for, task)


SUBJECTS = (
    Subject(
        "YOLO11 detection (the bundled model)", DEMO / "shapes.onnx", "yolo11-detect", "YOLO11"
    ),
    _trained("YOLO11 detection", "yolo11-shapes-192", "yolo11-detect", "YOLO11", "detect"),
    _trained("YOLOv8 detection", "yolov8-shapes-192", "yolo11-detect", "YOLO11", "detect"),
    _trained("YOLOv5 detection", "yolov5-shapes-192", "yolov5-detect", "YOLOv5", "detect"),
    _trained("YOLO26 detection", "yolo26-shapes-192", "yolo26-detect", "YOLO26", "detect"),
    _trained("YOLO11 pose", "yolo11-pose-shapes-192", "yolo11-pose", "YOLO11-pose", "pose"),
    _trained("YOLOv8 pose", "yolov8-pose-shapes-192", "yolo11-pose", "YOLO11-pose", "pose"),
    _trained("YOLO11 segmentation", "yolo11-seg-shapes-192", "yolo11-seg", "YOLO11-seg", "segment"),
    _trained("YOLOv8 segmentation", "yolov8-seg-shapes-192", "yolo11-seg", "YOLO11-seg", "segment"),
    _trained(
        "YOLO11 classification", "yolo11-cls-shapes-128", "classify", "classifier", "classify"
    ),
)


def found_on_camera(
    run: Run, camera: dict[str, Any], subject: Subject, artifact: Path, folder: Path
) -> tuple[Agreement, list[Detection]]:
    """Run an artifact on the camera: how much of the truth it found, and all that it found.

    A classifier's best class is compared with the one shape's.
    """
    report = run(
        *("test", artifact, "--image", subject.picture(folder), "--json"),
        cwd=folder,
        RECAM_SETTINGS=camera["settings"],
    )
    assert report.code == 0, report.err + report.out
    found = detections(report.document)
    if subject.task == "classify":
        right = [one.label for one in found[:1]] == [one.label for one in subject.wanted()]
        return Agreement(reference=1, matched=int(right)), found
    return agreement(subject.wanted(), found, min_iou=0.5), found


def _area(one: Detection) -> float:
    left, top, right, bottom = one.box
    return (right - left) * (bottom - top)
