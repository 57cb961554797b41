"""Check that the model for the compiler computes what the user's file does."""

from __future__ import annotations

import contextlib

import numpy as np
import numpy.typing as npt
import onnx

from ..errors import InputError
from ..network.float_model import Array, largest_difference
from ..network.model import RAW, Network
from ..network.normalising import WIDENED
from ..network.plain_input import both_inputs
from ..network.prepare import output_scales
from ..network.reading import read_as_written

MAX_DIFFERENCE = 1e-4
MAX_WIDENED_DIFFERENCE = 2e-2
"""Where the file computes in half precision, which has 11 bits."""


def check_prepared(model: onnx.ModelProto, prepared: onnx.ModelProto, network: Network) -> None:
    """Compare the outputs of `prepared` on noise with those of `model`, and of the file itself.

    `model` is what `read_network` returned. Raises InputError when they differ.
    """
    image = network.input
    noise = np.random.default_rng(0).random((1, 3, image.height, image.width), np.float32)
    turned = noise.transpose(0, 2, 3, 1) if image.channels_last else noise
    _judge(_difference(model, prepared, network, noise, turned), MAX_DIFFERENCE)
    if network.normalised:
        raw = network.family == RAW
        given, noise = both_inputs(read_as_written(network.path), noise, raw=raw)
        written = read_as_written(network.path, given.shape)
        named = {name for node in written.graph.node for name in node.output}
        # A tensor inside a function or a branch has a name of recam's.
        if named.issuperset(network.cut_at):
            widened = WIDENED in network.normalised
            # onnxruntime runs no opset below 7, and no convolution of doubles.
            with contextlib.suppress(_NotRunError):
                found = _difference_from_file(written, prepared, network, noise, given)
                _judge(found, MAX_WIDENED_DIFFERENCE if widened else MAX_DIFFERENCE)


class _NotRunError(Exception):
    """onnxruntime cannot run the file as it is written."""


def _difference_from_file(
    written: onnx.ModelProto,
    prepared: onnx.ModelProto,
    network: Network,
    noise: Array,
    given: npt.NDArray[np.generic],
) -> float:
    try:
        return _difference(written, prepared, network, noise, given)
    except InputError as error:
        raise _NotRunError from error


def _difference(
    model: onnx.ModelProto,
    prepared: onnx.ModelProto,
    network: Network,
    noise: Array,
    given: npt.NDArray[np.generic],
) -> float:
    """Compare both models on noise, which `model` gets in its own form, `given`."""
    return largest_difference(
        model, prepared, network.cut_at, noise, output_scales(network), given=given
    )


def _judge(difference: float, most: float) -> None:
    if difference > most:
        raise InputError(
            f"preparing the model at opset 17 changed its outputs by {difference:.2g}",
            "Export the model with opset=17, and please report the model.",
        )
