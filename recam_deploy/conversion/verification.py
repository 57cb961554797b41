"""The finished cvimodel, bit for bit as the chip runs it, against the float model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detection.decode import (
    SCORE_THRESHOLD,
    decode_anchored,
    decode_classes,
    decode_heads,
    decode_rows,
    grouped,
    interleaved,
)
from ..detection.letterbox import Letterbox
from ..detection.match import Agreement, agreement
from ..detection.pictures import read_picture
from ..detection.types import Detection
from ..network.float_model import Array, FloatModel, float_input, network_image, output_cosines
from ..network.model import (
    CLASSIFY,
    RAW,
    YOLO11_DETECT,
    YOLO11_POSE,
    YOLO11_SEG,
    YOLO26_DETECT,
    YOLOV5_DETECT,
    Network,
)
from ..progress import Progress
from ..toolchain.simulator import Simulator

_CANDIDATES = 16


@dataclass(frozen=True)
class Verification:
    """How close the cvimodel comes to the float model on `pictures`.

    `cosine` has one value an output, over all pictures; `detections` counts those of the float
    model with a score of at least 0.5 and how many of them the cvimodel finds too.
    """

    cosine: tuple[float, ...]
    detections: Agreement
    pictures: tuple[str, ...]

    def passed(self, min_cosine: float, min_matched: float) -> bool:
        """Whether it is good enough to deploy."""
        return min(self.cosine) >= min_cosine and self.detections.recall >= min_matched

    def as_json(self) -> dict[str, Any]:
        """As it is kept in the step cache."""
        return {
            "cosine": [round(value, 6) for value in self.cosine],
            "detections": {
                "float": self.detections.reference,
                "matched": self.detections.matched,
                "extra": self.detections.extra,
            },
            "pictures": list(self.pictures),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Verification:
        """The reverse of `as_json`."""
        counts = document["detections"]
        return cls(
            cosine=tuple(document["cosine"]),
            detections=Agreement(counts["float"], counts["matched"], counts["extra"]),
            pictures=tuple(document["pictures"]),
        )


@dataclass(frozen=True)
class Sample:
    """A picture as the cvimodel takes it, uint8 [H, W, 3], how it lies in there, and the float
    model's outputs for it."""

    path: Path
    letterbox: Letterbox
    image: npt.NDArray[np.uint8]
    outputs: list[Array]


def run_float(network: Network, model: FloatModel, path: Path) -> Sample:
    """Run the float model on a picture file. Raises InputError when it cannot be read."""
    letterbox, image = network_image(network, read_picture(path))
    return Sample(path, letterbox, image, model.run(float_input(network, image)))


def verify(
    network: Network,
    prepared: Path,
    cvimodel: Path,
    pictures: Sequence[Path],
    images: int,
    simulator: Simulator,
    progress: Progress,
) -> Verification:
    """Compare the prepared float ONNX with the cvimodel in the simulator.

    Of the first pictures, the `images` on which the float model finds most are used: a picture
    with nothing on it would prove little.
    """
    samples = _samples(network, FloatModel(prepared), pictures, images, progress)
    on_tpu = simulator.run(cvimodel, [sample.image for sample in samples], progress)
    counts = Agreement()
    for sample, outputs in zip(samples, on_tpu, strict=True):
        counts += agreement(
            decode(network, sample.outputs, sample.letterbox),
            decode(network, outputs, sample.letterbox),
        )
    cosines = output_cosines([sample.outputs for sample in samples], on_tpu)
    return Verification(cosines, counts, tuple(sample.path.name for sample in samples))


def _samples(
    network: Network, model: FloatModel, pictures: Sequence[Path], images: int, progress: Progress
) -> list[Sample]:
    candidates = pictures[: max(images, _CANDIDATES)]
    samples = []
    with progress.step("Running the float model", "images") as step:
        for index, path in enumerate(candidates):
            step.update(index, len(candidates))
            samples.append(run_float(network, model, path))
    return sorted(samples, key=lambda sample: -_found(network, sample))[:images]


def _found(network: Network, sample: Sample) -> int:
    return len(decode(network, sample.outputs, sample.letterbox, score_threshold=0.5))


def decode(
    network: Network,
    outputs: Sequence[Array],
    letterbox: Letterbox,
    score_threshold: float = SCORE_THRESHOLD,
) -> list[Detection]:
    """What the outputs of a model of any family mean, in pixels of the original picture; nothing
    for a raw one."""
    labels = network.labels
    if network.family == YOLO11_DETECT:
        return decode_heads(interleaved(outputs), letterbox, labels, score_threshold)
    if network.family == YOLO26_DETECT:
        return decode_heads(grouped(outputs), letterbox, labels, score_threshold)
    if network.family == YOLOV5_DETECT:
        return decode_anchored(outputs[0], letterbox, labels, score_threshold)
    if network.family == RAW:
        return []
    if network.family == CLASSIFY:
        return decode_classes(outputs[0], letterbox, labels, score_threshold)
    return decode_rows(
        outputs[0],
        network.classes,
        letterbox,
        labels,
        keypoints=network.family == YOLO11_POSE,
        prototypes=outputs[1] if network.family == YOLO11_SEG else None,
        score_threshold=score_threshold,
    )
