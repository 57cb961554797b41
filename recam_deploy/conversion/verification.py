"""Compare the finished cvimodel, run as on the chip, with the float model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detection.decode import SCORE_THRESHOLD
from ..detection.letterbox import Letterbox
from ..detection.match import Agreement, agreement
from ..detection.pictures import read_picture
from ..detection.types import Detection
from ..network.decoding import decode_family
from ..network.float_model import Array, FloatModel, float_input, network_image, output_cosines
from ..network.model import Network
from ..picture_sets import spread
from ..progress import Progress
from .options import CHECK_CANDIDATES
from .tpu import Tpu


@dataclass(frozen=True)
class Verification:
    """The agreement of the cvimodel with the float model on `pictures` (file names).

    `cosine` has one value for each output, over all pictures. `detections` counts those of the
    float model with a score of at least 0.5, and how many of them the cvimodel finds too.
    """

    cosine: tuple[float, ...]
    detections: Agreement
    pictures: tuple[str, ...]

    def passed(self, min_cosine: float, min_matched: float) -> bool:
        """Say whether the least cosine and the share of matched detections reach the limits."""
        return min(self.cosine) >= min_cosine and self.detections.recall >= min_matched

    def as_json(self) -> dict[str, Any]:
        """Return the document that the step cache and the manifest hold."""
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
        """Read the document of `as_json`."""
        counts = document["detections"]
        return cls(
            cosine=tuple(document["cosine"]),
            detections=Agreement(counts["float"], counts["matched"], counts["extra"]),
            pictures=tuple(document["pictures"]),
        )


@dataclass(frozen=True)
class Sample:
    """A picture with the float model's `outputs` for it.

    `image` is the cvimodel's input, uint8 [H, W, 3]; `letterbox` is the picture's place in it.
    """

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
    tpu: Tpu,
    progress: Progress,
) -> Verification:
    """Compare the prepared float ONNX with the cvimodel, which `tpu` runs.

    Of at least 16 pictures spread over all, use the `images` with the most detections of the float
    model: a picture without objects shows little. Raises InputError and SimulatorError.
    """
    samples = _samples(network, FloatModel(prepared), pictures, images, progress)
    on_tpu = tpu.run(cvimodel, [sample.image for sample in samples], progress)
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
    candidates = spread(pictures, max(images, CHECK_CANDIDATES))
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
    """Decode the outputs of a network; see `network.decoding.decode_family`."""
    return decode_family(
        network.family, network.classes, network.labels, outputs, letterbox, score_threshold
    )
