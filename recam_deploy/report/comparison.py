"""Run both models on the same pictures, and compute all numbers of the report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..conversion.tpu import Tpu
from ..conversion.verification import Sample, decode, run_float
from ..detection.match import Agreement, Pairing, pair
from ..detection.pictures import read_picture
from ..errors import InputError
from ..network.float_model import Array, FloatModel, cosine
from ..network.model import RAW
from ..network.prepare import prepare
from ..progress import Progress
from .layers import LayerErrors, LayerMeter
from .pictures import draw_pair
from .similarity import Similarity
from .subject import Subject

_BATCH = 16
"""The pictures whose tensors are in memory at a time; 16 of a 640 model take about 160 MB."""


@dataclass(frozen=True)
class OutputError:
    """The error of one output against the float model's, over all pictures.

    `largest` and `mean` are absolute errors, in the units of the output; `peak` is the float
    output's largest absolute value, as their scale.
    """

    name: str
    shape: tuple[int, ...]
    cosine: float
    largest: float
    mean: float
    peak: float


@dataclass(frozen=True)
class ComparedPicture:
    """One picture: the least cosine of its outputs, the detections, and both drawings as JPEG."""

    name: str
    size: tuple[int, int]
    cosine: float
    pairing: Pairing
    float_jpeg: bytes
    tpu_jpeg: bytes

    @property
    def mask_ious(self) -> tuple[float, ...]:
        """Return the IoU of the masks of each match; empty for models without masks."""
        return tuple(
            reference.mask.iou(found.mask)
            for reference, found in self.pairing.matched
            if reference.mask and found.mask
        )


@dataclass(frozen=True)
class Comparison:
    """The comparison of a cvimodel with its float model on `pictures`, of the `available` number.

    `layers` is None unless layers were measured.
    """

    subject: Subject
    outputs: tuple[OutputError, ...]
    pictures: tuple[ComparedPicture, ...]
    available: int
    layers: LayerErrors | None = None

    @property
    def detects(self) -> bool:
        """Say whether the outputs can be decoded to detections; a raw network's cannot."""
        return self.subject.network.family != RAW

    @property
    def agreement(self) -> Agreement:
        """Return the counts of detections over all pictures."""
        return sum((picture.pairing.agreement for picture in self.pictures), Agreement())

    @property
    def mask_iou(self) -> float | None:
        """Return the mean IoU over the masks of all matches; None where there are none."""
        ious = [iou for picture in self.pictures for iou in picture.mask_ious]
        return math.fsum(ious) / len(ious) if ious else None

    def as_json(self, report: Path) -> dict[str, Any]:
        """Return the document of `verify --json`; masks and layers only where compared."""
        counts = self.agreement
        more: dict[str, Any] = {}
        if self.mask_iou is not None:
            more["mask_iou"] = round(self.mask_iou, 4)
        if self.layers:
            more["layers"] = [layer.as_json() for layer in self.layers.layers]
        return {
            "images": len(self.pictures),
            "outputs": [
                {"name": output.name, "cosine": round(output.cosine, 6)} for output in self.outputs
            ],
            "detections": {
                "float": counts.reference,
                "matched": counts.matched,
                "missed": counts.reference - counts.matched,
                "extra": counts.extra,
            },
            **more,
            "report": str(report.absolute()),
        }


def compare(
    subject: Subject,
    pictures: Sequence[Path],
    tpu: Tpu,
    progress: Progress,
    limit: int,
    meter: LayerMeter | None = None,
    available: int | None = None,
) -> Comparison:
    """Run the float model and the cvimodel on the first `limit` pictures, and compare the results.

    `meter` measures the layers on the first of them. `available` is the number of pictures that
    they were chosen from, where that is not all of `pictures`. Raises InputError without pictures
    and for a picture that cannot be read, and SimulatorError when the cvimodel cannot be run.
    """
    if not pictures:
        raise InputError("there are no pictures to compare on", "Give a folder of pictures.")
    network = subject.network
    prepared = prepare(subject.graph, network)
    model = FloatModel(prepared.SerializeToString())
    chosen = pictures[:limit]
    sums = [_Sums() for _ in network.cut_at]
    compared: list[ComparedPicture] = []
    for start in range(0, len(chosen), _BATCH):
        paths = chosen[start : start + _BATCH]
        for sample, on_tpu in _run_both(subject, model, paths, tpu, progress):
            for total, a, b in zip(sums, sample.outputs, on_tpu, strict=True):
                total.add(a.ravel(), b.ravel())
            if meter:
                meter.add(network, subject.graph, prepared, sample.image, on_tpu, progress)
            compared.append(_compared(subject, sample, on_tpu))
    outputs = tuple(
        total.error(name, shape)
        for name, shape, total in zip(network.cut_at, network.output_shapes, sums, strict=True)
    )
    layers = meter.result() if meter else None
    return Comparison(subject, outputs, tuple(compared), available or len(pictures), layers)


def _run_both(
    subject: Subject, model: FloatModel, paths: Sequence[Path], tpu: Tpu, progress: Progress
) -> Iterator[tuple[Sample, list[Array]]]:
    """Yield each picture with the float model's outputs, and the TPU's outputs for it."""
    samples = []
    with progress.step("Running the float model", "images") as step:
        for index, path in enumerate(paths):
            step.update(index, len(paths))
            samples.append(run_float(subject.network, model, path))
    on_tpu = tpu.run(subject.artifact.cvimodel, [sample.image for sample in samples], progress)
    yield from zip(samples, on_tpu, strict=True)


def _compared(subject: Subject, sample: Sample, outputs: Sequence[Array]) -> ComparedPicture:
    pairing = pair(
        decode(subject.network, sample.outputs, sample.letterbox),
        decode(subject.network, outputs, sample.letterbox),
    )
    left, right = draw_pair(read_picture(sample.path), pairing)
    least = min(cosine(a.ravel(), b.ravel()) for a, b in zip(sample.outputs, outputs, strict=True))
    return ComparedPicture(sample.path.name, sample.letterbox.source, least, pairing, left, right)


@dataclass
class _Sums:
    """The sums for the errors of one output, to which pictures are added."""

    similarity: Similarity = field(default_factory=Similarity)
    absolute: float = 0.0
    count: int = 0
    largest: float = 0.0
    peak: float = 0.0

    def add(self, a: Array, b: Array) -> None:
        """Add the float output `a` and the TPU's `b`, both flat."""
        a64, b64 = a.astype(np.float64), b.astype(np.float64)
        error = np.abs(a64 - b64)
        self.similarity.add(a64, b64)
        self.absolute += float(error.sum())
        self.count += a64.size
        # numpy's maximum keeps a NaN; Python's max may not.
        self.largest = float(np.maximum(self.largest, error.max()))
        self.peak = float(np.maximum(self.peak, np.abs(a64).max()))

    def error(self, name: str, shape: tuple[int, ...]) -> OutputError:
        return OutputError(
            name=name,
            shape=shape,
            cosine=self.similarity.cosine,
            largest=self.largest,
            mean=self.absolute / max(1, self.count),
            peak=self.peak,
        )
