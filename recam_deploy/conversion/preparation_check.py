"""Check that the model for the compiler computes what the user's file does."""

from __future__ import annotations

import numpy as np
import onnx

from ..errors import InputError
from ..network.float_model import Array, largest_difference
from ..network.model import Network
from ..network.normalising import WIDENED
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
    _compare(model, prepared, network, noise, MAX_DIFFERENCE)
    if network.normalised:
        written = read_as_written(network.path, image.shape)
        named = {name for node in written.graph.node for name in node.output}
        # A tensor inside a function or a branch has a name of recam's.
        if named.issuperset(network.cut_at):
            most = MAX_WIDENED_DIFFERENCE if WIDENED in network.normalised else MAX_DIFFERENCE
            _compare(written, prepared, network, noise, most)


def _compare(
    model: onnx.ModelProto, prepared: onnx.ModelProto, network: Network, noise: Array, most: float
) -> None:
    difference = largest_difference(
        model,
        prepared,
        network.cut_at,
        noise,
        output_scales(network),
        channels_last=network.input.channels_last,
    )
    if difference > most:
        raise InputError(
            f"preparing the model at opset 17 changed its outputs by {difference:.2g}",
            "Export the model with opset=17, and please report the model.",
        )
