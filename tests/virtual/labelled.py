"""What is to be found in pictures, by labels or by the float model, and what a document lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from recam_deploy.conversion.verification import decode
from recam_deploy.detection.letterbox import Letterbox
from recam_deploy.detection.match import pair
from recam_deploy.detection.pictures import read_picture
from recam_deploy.detection.types import Detection
from recam_deploy.network.float_model import Array, FloatModel, float_input, network_image
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network

_MIN_IOU, _MOST_APART = 0.8, 0.1


def detections(document: dict[str, Any]) -> list[Detection]:
    return [
        Detection(
            d["class_id"],
            d["label"],
            d["score"],
            tuple(d["box"]),
            tuple((x, y) for x, y in d.get("keypoints", ())),
        )
        for d in document["detections"]
    ]


def alike(expected: Sequence[Detection], found: Sequence[Detection]) -> bool:
    """Say whether both are the same objects, at least one, at nearly these places and scores."""
    pairing = pair(expected, found, min_iou=_MIN_IOU)
    if pairing.missed or pairing.extra or not pairing.matched:
        return False
    return all(abs(one.score - other.score) < _MOST_APART for one, other in pairing.matched)


def truth(picture: Path, names: tuple[str, ...]) -> list[Detection]:
    """The objects that the YOLO label file beside a picture names, as certain detections."""
    width, height = Image.open(picture).size
    found = []
    for line in picture.with_suffix(".txt").read_text().splitlines():
        number, x, y, w, h = line.split()
        cx, cy, dx, dy = float(x), float(y), float(w) / 2, float(h) / 2
        box = ((cx - dx) * width, (cy - dy) * height, (cx + dx) * width, (cy + dy) * height)
        found.append(Detection(int(number), names[int(number)], 1.0, box))
    return found


def float_outputs(
    source: Path, pictures: Sequence[Path]
) -> Iterator[tuple[list[Array], Letterbox]]:
    """The outputs of the float model `source` for each picture, and how that lies in its input."""
    network, graph = read_network(source)
    model = FloatModel(prepare(graph, network).SerializeToString())
    for picture in pictures:
        letterbox, image = network_image(network, read_picture(picture))
        yield model.run(float_input(network, image)), letterbox


def float_detections(source: Path, pictures: Sequence[Path]) -> list[list[Detection]]:
    """What the float model `source` finds in each picture."""
    network, _ = read_network(source)
    return [decode(network, *found) for found in float_outputs(source, pictures)]
