"""Which layers must stay in BF16: what errors in each tensor do to the network's outputs.

The compiler's own search (`run_qtable`) compares a layer with the float model where it stands, and
gives every layer behind a BF16 one the float model's values, so what was lost before is forgotten:
for YOLOX-nano it promises a cosine of 0.998 where the finished cvimodel has 0.92. Here every error
is carried to the end, by running the network as `emulation` writes it: first each tensor's alone,
which gives an order of the layers (`order.keep_order`); then as many of the first layers are kept
as the outputs' cosine asks for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from ..detection.pictures import read_picture
from ..network.float_model import Array, FloatModel, float_input, least_cosine, network_image
from ..network.model import Network
from ..network.runtime import Runtime
from ..progress import Progress
from ..toolchain import read_calibration_table
from .emulation import Layer, QuantizedNetwork, Source
from .options import SearchOptions
from .order import Noise, cosine_of, hardest, keep_order, noise_between

# Ordering needs fewer pictures than deciding how many layers it takes, if they are those that INT8
# does most harm to: on a segmentation of 281 layers, the first two of ten pictures ordered them so
# that 100 in BF16 had a noise four times that of 100 ordered on the worst two, or on eight.
_MEASURED_ON = 3
# Nearer than this to what BF16 alone reaches, more layers in BF16 buy nothing.
_NEAR = 5e-4


@dataclass(frozen=True)
class LayerLoss:
    """A layer, and the cosine of the outputs that is lost, about, when it alone is in INT8."""

    layer: Layer
    loss: float


@dataclass(frozen=True)
class FloatLayers:
    """The layers to keep in BF16, in the order of the graph, and what the least cosine of any
    output then is; beside it, what it is with all layers in INT8 and with all in BF16. `casts` is
    how many tensors are cast between the two. `losses` are of all layers, worst first."""

    layers: tuple[Layer, ...]
    cosine: float
    int8_cosine: float
    bf16_cosine: float
    casts: int
    losses: tuple[LayerLoss, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The compiler's names of the tensors to keep in BF16."""
        return tuple(name for layer in self.layers for name in layer.names)

    def table(self) -> str:
        """A quantization table for `model_deploy`."""
        head = (
            f"# cosine, emulated: {self.int8_cosine:.4f} in INT8, {self.cosine:.4f} with these "
            f"{len(self.names)} in BF16, {self.bf16_cosine:.4f} all in BF16; {self.casts} casts\n"
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
        f"about {found.cosine:.4f} ({reached}; {found.casts} tensors cast between them)"
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
    network = trial.network
    everything = trial.cosine(network.layers)
    none_float = trial.cosine(())
    kept = [n for n, x in enumerate(network.layers) if not set(always).isdisjoint(x.tensors)]

    def result(layers: Sequence[Layer], reached: float, noise: Noise | None) -> FloatLayers:
        losses = () if noise is None else _losses(network, noise)
        casts = network.casts(layers)
        in_order = tuple(layer for layer in network.layers if layer in layers)
        return FloatLayers(in_order, reached, none_float, everything, casts, losses)

    at_first = [network.layers[number] for number in kept]
    reached = trial.cosine(at_first) if kept else none_float
    if reached >= expected_cos:
        return result(at_first, reached, None)
    noise = _measured(trial, at_first, progress)
    sizes = [len(layer.names) for layer in network.layers]
    numbers = keep_order(noise, [source.layers for source in network.sources], sizes, kept)
    order = [network.layers[number] for number in numbers]
    most = max(len(kept), _fitting(order, max_float_layers))
    target = expected_cos if everything >= expected_cos else everything - _NEAR
    cosines: dict[int, float] = {}
    fewest, enough = len(kept), most
    with progress.step("Trying mixed precision", "trials") as step:
        while fewest < enough:
            step.update(len(cosines), len(cosines) + (enough - fewest).bit_length())
            middle = (fewest + enough) // 2
            cosines[middle] = trial.cosine(order[:middle])
            if cosines[middle] >= target:
                enough = middle
            else:
                fewest = middle + 1
    chosen = order[:enough]
    return result(chosen, cosines.get(enough) or trial.cosine(chosen), noise)


def _measured(trial: _Trial, in_bf16: Sequence[Layer], progress: Progress) -> Noise:
    """The noise of each source at each output, [sources, outputs], on the pictures that lose most
    with no more than the layers `in_bf16` in BF16."""
    sources = trial.network.sources
    noise_behind = trial.noise_behind(in_bf16)
    found = []
    title = "Measuring what each tensor loses in INT8"
    with progress.step(title, "tensors") as step, ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, noise in enumerate(pool.map(noise_behind, sources)):
            step.update(number + 1, len(sources))
            found.append(noise)
    return np.array(found)


def _losses(network: QuantizedNetwork, noise: Noise) -> tuple[LayerLoss, ...]:
    found = []
    for number, layer in enumerate(network.layers):
        touching = [number in source.layers for source in network.sources]
        found.append(LayerLoss(layer, 1 - cosine_of(float(noise[touching].sum(axis=0).max()))))
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
        self._model = model
        self._images = images
        self._expected = self._outputs(model)

    def cosine(self, in_bf16: Sequence[Layer]) -> float:
        """The outputs' least cosine with the layers `in_bf16` in BF16, the others in INT8."""
        return least_cosine(self._expected, self._quantized(in_bf16))

    def noise_behind(self, in_bf16: Sequence[Layer]) -> Callable[[Source], list[float]]:
        """A function that tells the noise at each output when a source's tensor alone is in INT8.

        It holds all tensors of the float network for a few pictures: those that lose most when only
        the layers `in_bf16` are in BF16.
        """
        chosen = hardest(self._expected, self._quantized(in_bf16), _MEASURED_ON)
        inside = onnx.ModelProto()
        inside.CopyFrom(self._model)
        names = [o.name for o in inside.graph.output]
        tensors = dict.fromkeys(name for node in inside.graph.node for name in node.output if name)
        del inside.graph.output[:]
        inside.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
        runner = Runtime(inside.SerializeToString(), as_written=True)
        values = []
        for number in chosen:
            given = {runner.inputs[0]: self._images[number]}
            values.append(given | dict(zip(tensors, runner.run(given), strict=True)))

        def noise(source: Source) -> list[float]:
            changed = self.network.behind(source, values[0])
            runtime = Runtime(changed.SerializeToString(), as_written=True)
            outputs = [o.name for o in changed.graph.output]
            found = [
                dict(zip(outputs, runtime.run({n: v[n] for n in runtime.inputs}), strict=True))
                for v in values
            ]
            return [
                noise_between([v[name] for v in values], [v[name] for v in found])
                if name in outputs
                else 0.0
                for name in names
            ]

        return noise

    def _quantized(self, in_bf16: Sequence[Layer]) -> list[list[Array]]:
        kept = {tensor for layer in in_bf16 for tensor in layer.tensors}
        tensors = {tensor for layer in self.network.layers for tensor in layer.tensors}
        return self._outputs(self.network.with_int8(tensors - kept))

    def _outputs(self, model: onnx.ModelProto) -> list[list[Array]]:
        runner = FloatModel(model.SerializeToString(), as_written=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(runner.run, self._images))
