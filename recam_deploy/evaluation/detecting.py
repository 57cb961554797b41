"""Run a float model and its cvimodel on pictures, and decode both as the camera does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..conversion.tpu import EmulatedTpu, Tpu
from ..detection.letterbox import Letterbox
from ..detection.pictures import read_picture
from ..detection.types import Box, Detection
from ..errors import InputError
from ..network.decoding import decode_family
from ..network.float_model import Array, FloatModel, float_input, network_image
from ..network.model import CLASSIFY, Network
from ..progress import SilentProgress
from .types import MOST_DETECTIONS, SCORE_FLOOR, Found

Result = Found | InputError
"""What was found in a picture, or why it cannot be read."""

_BEST_CLASSES = 5


@dataclass(frozen=True)
class Models:
    """A network's two models: the prepared float ONNX, and the cvimodel.

    Any process can load them from their files. `emulated` is the cvimodel's emulated network, None
    where another `Tpu` runs it. Without `prepared`, the float model is not run.
    """

    network: Network
    cvimodel: Path
    prepared: Path | None
    emulated: Path | None


def detect(models: Models, pictures: Sequence[Path], tpu: Tpu | None = None) -> list[Result]:
    """Run both models on picture files; `tpu` runs the cvimodel, by default the emulator.

    One thread computes, so the results do not depend on the machine's number of cores. Raises
    SimulatorError, and CameraError where the camera runs the cvimodel.
    """
    float_model = _float_model(models.prepared) if models.prepared else None
    if tpu is None:
        tpu = _emulator(models.emulated or models.cvimodel)
    network = models.network
    results: list[Result] = []
    fitted: dict[int, tuple[Letterbox, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]] = {}
    for number, path in enumerate(pictures):
        try:
            fitted[number] = network_image(network, read_picture(path))
            results.append(Found((), ()))
        except InputError as error:
            results.append(error)
    images = [image for _, image in fitted.values()]
    on_tpu = tpu.run(models.cvimodel, images, SilentProgress()) if images else []
    for (number, (letterbox, image)), outputs in zip(fitted.items(), on_tpu, strict=True):
        reference: tuple[Detection, ...] = ()
        if float_model:
            reference = _decode(network, float_model.run(float_input(network, image)), letterbox)
        results[number] = Found(reference, _decode(network, outputs, letterbox))
    return results


@lru_cache(maxsize=2)
def _float_model(path: Path) -> FloatModel:
    return FloatModel(path, threads=1)


@lru_cache(maxsize=2)
def _emulator(path: Path) -> EmulatedTpu:
    return EmulatedTpu(path, threads=1)


def _decode(
    network: Network, outputs: Sequence[Array], letterbox: Letterbox
) -> tuple[Detection, ...]:
    if network.family == CLASSIFY:
        return _best_classes(network, outputs[0], letterbox)
    return tuple(
        decode_family(
            network.family,
            network.classes,
            network.labels,
            outputs,
            letterbox,
            SCORE_FLOOR,
            MOST_DETECTIONS,
        )
    )


def _best_classes(network: Network, output: Array, letterbox: Letterbox) -> tuple[Detection, ...]:
    """Return a classifier's five best classes; the camera shows the first alone."""
    scores = output.ravel()
    width, height = letterbox.source
    box: Box = (0.0, 0.0, float(width), float(height))
    best = np.argsort(-scores, kind="stable")[:_BEST_CLASSES].tolist()
    labels = network.labels
    return tuple(
        Detection(one, labels[one] if one < len(labels) else str(one), float(scores[one]), box)
        for one in best
    )
