"""Which layers must stay in BF16: what each one loses in INT8, measured at the network's outputs.

The compiler's own search (`run_qtable`) compares a layer with the float model where it stands, and
gives every layer behind a BF16 one the float model's values, so what was lost before is forgotten:
for YOLOX-nano it promises a cosine of 0.998 where the finished cvimodel has 0.92. Here every error
is carried to the end, by running the network as `network.quantizing` writes it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from ..detection.pictures import read_picture
from ..network.model import Network
from ..network.quantizing import Layer, QuantizedNetwork
from ..progress import Progress
from ..toolchain import read_calibration_table
from .options import SearchOptions
from .reference import Array, FloatModel, float_input, least_cosine, network_image

# Ranking needs fewer pictures than deciding how many layers it takes.
_RANKED_ON = 2
# Nearer than this to what BF16 alone reaches, more layers in BF16 buy nothing.
_NEAR = 5e-4


@dataclass(frozen=True)
class LayerLoss:
    """A layer, and the cosine of the outputs that is lost when it alone is in INT8."""

    layer: Layer
    loss: float


@dataclass(frozen=True)
class FloatLayers:
    """The layers to keep in BF16, and what the least cosine of any output then is; beside it, what
    it is with all layers in INT8 and with all in BF16. `losses` are of all layers, worst first."""

    layers: tuple[Layer, ...]
    cosine: float
    int8_cosine: float
    bf16_cosine: float
    losses: tuple[LayerLoss, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The compiler's names of the tensors to keep in BF16."""
        return tuple(name for layer in self.layers for name in layer.names)

    def table(self) -> str:
        """A quantization table for `model_deploy`."""
        head = (
            f"# cosine, emulated: {self.int8_cosine:.4f} in INT8, {self.cosine:.4f} with these "
            f"{len(self.names)} in BF16, {self.bf16_cosine:.4f} all in BF16\n"
        )
        return head + "".join(f"{name} BF16\n" for name in self.names)

    def loss_table(self) -> str:
        """Each layer and the outputs' cosine when it alone is in INT8, in run_qtable's form."""
        return "".join(
            f"No.{number:<4}: Layer: {name:<50}\t\tCos: {1 - entry.loss:.6f}\n"
            for number, entry in enumerate(self.losses)
            for name in entry.layer.names
        )


def search_layers(
    network: Network,
    table: Path,
    prepared: Path,
    pictures: Sequence[Path],
    options: SearchOptions,
    progress: Progress,
) -> FloatLayers:
    """`find_float_layers` for a prepared ONNX file, a calibration table and picture files; says
    what came of it."""
    thresholds = {name: line.threshold for name, line in read_calibration_table(table).items()}
    found = find_float_layers(
        onnx.load(prepared),
        thresholds,
        [float_input(network, network_image(network, read_picture(p))[1]) for p in pictures],
        progress,
        expected_cos=options.expected_cos,
        always=network.float_tail,
        max_float_layers=options.max_float_layers,
    )
    reached = f"{found.int8_cosine:.4f} in INT8, {found.bf16_cosine:.4f} all in BF16"
    progress.say(
        f"Mixed precision: {len(found.names)} of {len(thresholds)} layers in BF16, for a cosine of "
        f"about {found.cosine:.4f} ({reached})"
    )
    if found.cosine < options.expected_cos:
        capped = found.bf16_cosine >= options.expected_cos
        limit = "more layers than are allowed" if capped else "more than BF16 gives this network"
        progress.say(f"A cosine of {options.expected_cos} needs {limit}")
    return found


def find_float_layers(
    model: onnx.ModelProto,
    thresholds: Mapping[str, float],
    images: Sequence[Array],
    progress: Progress,
    *,
    expected_cos: float,
    always: Collection[str] = (),
    max_float_layers: int | None = None,
) -> FloatLayers:
    """The fewest layers to keep in BF16 so that the outputs' cosine reaches `expected_cos`, or what
    BF16 can reach where that is less; at most `max_float_layers` tensors, but in any case the
    layers that make the tensors `always`.

    `thresholds` are those of a calibration table; `images` are inputs as the network takes them.
    Raises InputError when onnxruntime cannot run the network.
    """
    trial = _Trial(model, thresholds, images)
    everything = trial.cosine(trial.network.layers)
    none_float = trial.cosine(())
    kept = [layer for layer in trial.network.layers if not set(always).isdisjoint(layer.tensors)]
    at_first = trial.cosine(kept) if kept else none_float
    if at_first >= expected_cos:
        return FloatLayers(tuple(kept), at_first, none_float, everything, ())
    losses = _ranked(trial, progress)
    order = kept + [entry.layer for entry in losses if entry.layer not in kept]
    most = max(len(kept), _fitting(order, max_float_layers))
    with progress.step("Trying mixed precision", "trials") as step:
        target = expected_cos if everything >= expected_cos else everything - _NEAR
        fewest, enough, tried = len(kept), most, 0
        while fewest < enough:
            step.update(tried, tried + (enough - fewest).bit_length())
            middle = (fewest + enough) // 2
            if trial.cosine(order[:middle]) >= target:
                enough = middle
            else:
                fewest = middle + 1
            tried += 1
    chosen = tuple(order[:enough])
    return FloatLayers(chosen, trial.cosine(chosen), none_float, everything, losses)


def _ranked(trial: _Trial, progress: Progress) -> tuple[LayerLoss, ...]:
    layers = trial.network.layers
    found = []
    title = "Measuring what each layer loses in INT8"
    with progress.step(title, "layers") as step, ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, loss in enumerate(pool.map(trial.loss, layers)):
            step.update(index + 1, len(layers))
            found.append(LayerLoss(layers[index], loss))
    return tuple(sorted(found, key=lambda entry: -entry.loss))


def _fitting(layers: Sequence[Layer], most: int | None) -> int:
    """How many of the first layers make at most `most` tensors."""
    if most is None:
        return len(layers)
    totals = np.cumsum([len(layer.names) for layer in layers])
    return int(np.searchsorted(totals, most, side="right"))


class _Trial:
    """Runs the network with chosen layers in INT8 and compares it with the float one."""

    def __init__(
        self, model: onnx.ModelProto, thresholds: Mapping[str, float], images: Sequence[Array]
    ) -> None:
        self.network = QuantizedNetwork(model, thresholds)
        self._images = images
        self._expected = self._outputs(frozenset(), bf16=False, images=images)

    def cosine(self, in_bf16: Sequence[Layer]) -> float:
        """The outputs' least cosine with the layers `in_bf16` in BF16, the others in INT8."""
        kept = {tensor for layer in in_bf16 for tensor in layer.tensors}
        tensors = {tensor for layer in self.network.layers for tensor in layer.tensors}
        outputs = self._outputs(frozenset(tensors - kept), bf16=True, images=self._images)
        return least_cosine(self._expected, outputs)

    def loss(self, layer: Layer) -> float:
        """What is lost with `layer` alone in INT8, the others in float32."""
        images = self._images[:_RANKED_ON]
        outputs = self._outputs(frozenset(layer.tensors), bf16=False, images=images)
        return 1 - least_cosine(self._expected[: len(images)], outputs)

    def _outputs(
        self, int8: frozenset[str], *, bf16: bool, images: Sequence[Array]
    ) -> list[list[Array]]:
        changed = self.network.with_int8(int8, bf16=bf16)
        runner = FloatModel(changed.SerializeToString(), as_written=True)
        return [runner.run(image) for image in images]
