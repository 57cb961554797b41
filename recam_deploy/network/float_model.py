"""Run the float model in onnxruntime, as the reference for every later result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from PIL import Image

from ..detection.letterbox import Letterbox, sampled
from ..detection.pictures import read_picture
from .model import YOLO_PREPROCESSING, Network, Preprocessing
from .runtime import Array as Array
from .runtime import Runtime

_SAFE_IR = 10


class FloatModel:
    """A float32 model with one image input."""

    def __init__(self, model: Path | bytes, *, threads: int = 0, as_written: bool = False) -> None:
        """Load an ONNX file or a serialized model; see `Runtime` for the options.

        Raises InputError when onnxruntime cannot load it.
        """
        self._runtime = Runtime(model, threads, as_written=as_written)
        self._input = self._runtime.inputs[0]

    def run(self, image: npt.NDArray[np.generic]) -> list[Array]:
        """Return the outputs for one input, a tensor of the model's input shape and type.

        Raises InputError when onnxruntime fails.
        """
        return self._runtime.run({self._input: image})


def normalized(
    image: npt.NDArray[np.uint8], preprocessing: Preprocessing = YOLO_PREPROCESSING
) -> Array:
    """Convert an RGB picture, uint8 [H, W, 3], to the network's input, float32 [1, 3, H, W].

    The same preprocessing is fused into the cvimodel.
    """
    ordered = image if preprocessing.pixel_format == "rgb" else image[..., ::-1]
    mean, scale = (np.array(v, np.float32) for v in (preprocessing.mean, preprocessing.scale))
    values = (ordered.astype(np.float32) - mean) * scale
    planes: Array = np.ascontiguousarray(values.transpose(2, 0, 1)[None])
    return planes


def network_image(
    network: Network, picture: Image.Image
) -> tuple[Letterbox, npt.NDArray[np.uint8]]:
    """Fit a picture to the cvimodel's input, uint8 [H, W, 3] of the network's `picture_size`.

    Return it with the letterbox. Without `keep_aspect_ratio` the picture is stretched instead.
    """
    height, width = network.picture_size
    letterbox = Letterbox.fit(picture.size, (width, height))
    if network.preprocessing.keep_aspect_ratio:
        fitted = letterbox.apply(picture)
    else:
        fitted = sampled(picture.convert("RGB"), (width, height))
    return letterbox, np.asarray(fitted, np.uint8)


def float_input(network: Network, image: npt.NDArray[np.uint8]) -> Array:
    """Return the prepared model's input, float32 [1, 3, H, W], for the cvimodel's input `image`.

    That is its centre where it is larger than the network's input.
    """
    wanted = network.input
    top = image.shape[0] // 2 - wanted.height // 2
    left = image.shape[1] // 2 - wanted.width // 2
    centre = image[top : top + wanted.height, left : left + wanted.width]
    return normalized(centre, network.preprocessing)


def network_input(network: Network, path: Path) -> Array:
    """Read a picture file as the prepared model's input, float32 [1, 3, H, W].

    Raises InputError when it cannot be read.
    """
    _, image = network_image(network, read_picture(path))
    return float_input(network, image)


def largest_difference(
    original: onnx.ModelProto,
    prepared: onnx.ModelProto,
    outputs: Sequence[str],
    image: Array,
    scales: Sequence[Array] = (),
    *,
    given: npt.NDArray[np.generic] | None = None,
) -> float:
    """Compute the largest `relative_difference` between `prepared` and `original` on one input.

    The outputs of `prepared` are compared with the tensors `outputs` of `original`, which may be
    inside its graph; each of these is multiplied by its factors in `scales`, if there are any.
    `image` is [1, 3, H, W]; `original` gets `given` instead where its input differs in form.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(original)
    # onnxruntime refuses newer IR versions; what they add (small float types) is not used here.
    exposed.ir_version = min(original.ir_version, _SAFE_IR)
    shapes = {value.name: value for value in (*original.graph.value_info, *original.graph.output)}
    del exposed.graph.output[:]
    exposed.graph.output.extend(shapes[name] for name in outputs)
    first = FloatModel(exposed.SerializeToString()).run(image if given is None else given)
    second = FloatModel(prepared.SerializeToString()).run(image)
    scaled = [a * scale for a, scale in zip(first, scales, strict=True)] if scales else first
    return max(relative_difference(b, a) for a, b in zip(scaled, second, strict=True))


def relative_difference(found: Array, wanted: Array) -> float:
    """Compute the largest difference between two tensors of one size.

    It is absolute or, where `wanted` has values above 1 such as coordinates, a share of the largest
    of them. It is infinite where only one of two values is finite.
    """
    first, second = found.ravel().astype(np.float64), wanted.ravel().astype(np.float64)
    finite = np.isfinite(first) & np.isfinite(second)
    if not np.array_equal(first[~finite], second[~finite], equal_nan=True):
        return math.inf
    largest = float(np.abs(second[finite]).max(initial=1.0))
    return float(np.abs(first[finite] - second[finite]).max(initial=0.0)) / largest


def cosine(a: Array, b: Array) -> float:
    """Compute the cosine similarity of two flat tensors.

    It is 1 for two tensors of zeros, and 0 where values that are not finite leave it undefined.
    """
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    norm = float(np.linalg.norm(a64) * np.linalg.norm(b64))
    if norm == 0:
        return 1.0 if not a64.any() and not b64.any() else 0.0
    similarity = float(a64 @ b64) / norm
    return similarity if math.isfinite(similarity) else 0.0


def output_cosines(
    expected: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]]
) -> tuple[float, ...]:
    """Compute the cosine of each output over all pictures; both arguments are [picture][output]."""
    return tuple(
        cosine(np.concatenate([o.ravel() for o in a]), np.concatenate([o.ravel() for o in b]))
        for a, b in zip(zip(*expected, strict=True), zip(*found, strict=True), strict=True)
    )


def least_cosine(expected: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]]) -> float:
    """Return the least of `output_cosines`."""
    return min(output_cosines(expected, found))
