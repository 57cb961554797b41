"""Search for the layers to keep in BF16, by the effect of each tensor's errors on the outputs.

The compiler's own search (`run_qtable`) compares the outputs of single layers, and feeds every
layer after a BF16 one with the float model's values, so earlier errors are ignored: for YOLOX-nano
it reports a cosine of 0.998 where the finished cvimodel has 0.92. This search measures errors at
the network's outputs, by running the emulated network (`emulation`). It first measures each
tensor's error alone, which ranks the layers (`order.rank_layers`). It then finds by bisection how
many of the first layers the expected cosine needs.
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
from .order import Noise, cosine_of, noise_between, rank_layers, worst_pictures

# Ranking needs fewer pictures than deciding how many layers are needed, if they are the pictures
# with the largest errors in INT8. For a segmentation model of 281 layers, 100 layers in BF16 ranked
# on the first two of ten pictures had four times the noise of 100 ranked on the worst two, or on
# eight.
_MEASURED_ON = 3
# A cosine this close to that of all layers in BF16 is enough where `expected_cos` is out of reach.
_NEAR = 5e-4


@dataclass(frozen=True)
class LayerLoss:
    """A layer, and the loss of the outputs' cosine, estimated, when it alone is in INT8."""

    layer: Layer
    loss: float


@dataclass(frozen=True)
class FloatLayers:
    """The layers to keep in BF16, in the order of the graph.

    `cosine` is the least cosine of any output with these layers in BF16, `int8_cosine` with none,
    and `bf16_cosine` with all; all three are emulated. `casts` is how many tensors are cast between
    INT8 and BF16. `losses` are those of all layers, the largest first; empty when none were
    measured.
    """

    layers: tuple[Layer, ...]
    cosine: float
    int8_cosine: float
    bf16_cosine: float
    casts: int
    losses: tuple[LayerLoss, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the compiler's names of the tensors to keep in BF16."""
        return tuple(name for layer in self.layers for name in layer.names)

    def table(self) -> str:
        """Write a quantization table for `model_deploy`."""
        head = (
            f"# cosine, emulated: {self.int8_cosine:.4f} in INT8, {self.cosine:.4f} with these "
            f"{len(self.names)} in BF16, {self.bf16_cosine:.4f} all in BF16; {self.casts} casts\n"
        )
        return head + "".join(f"{name} BF16\n" for name in self.names)

    def loss_table(self) -> str:
        """Write the outputs' cosine with each layer alone in INT8, in run_qtable's format."""
        return _loss_table(self.losses)


def search_layers(
    network: Network,
    table: Path,
    prepared: Path,
    pictures: Sequence[Path],
    options: SearchOptions,
    progress: Progress,
) -> FloatLayers:
    """Read the files, call `find_float_layers`, and show its result in `progress`.

    `table` is a calibration table, `prepared` the ONNX file of the step "prepare". Raises
    InputError, CompilationError for the table, and as `find_float_layers`.
    """
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
        limit = "with so few layers in BF16" if capped else "for this network, even all in BF16"
        progress.say(f"A cosine of {options.expected_cos} cannot be reached {limit}")
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
    """Find the fewest layers to keep in BF16 so that the outputs' cosine reaches `expected_cos`.

    Where BF16 cannot reach that, find the fewest that come close to all in BF16. At most
    `max_float_layers` tensors are kept, but always the layers that produce the tensors `always`.

    `thresholds` are those of a calibration table; `images` are inputs, float32 [1, 3, H, W]. Raises
    InputError when onnxruntime cannot run the network, and UnsupportedModelError below opset 10.
    """
    evaluator = _Evaluator(model, thresholds, images)
    network = evaluator.network
    everything = evaluator.cosine(network.layers)
    none_float = evaluator.cosine(())
    kept = _kept(network, always)

    def result(layers: Sequence[Layer], reached: float, noise: Noise | None) -> FloatLayers:
        losses = () if noise is None else _losses(network, noise)
        casts = network.casts(layers)
        in_order = tuple(layer for layer in network.layers if layer in layers)
        return FloatLayers(in_order, reached, none_float, everything, casts, losses)

    at_first = [network.layers[number] for number in kept]
    reached = evaluator.cosine(at_first) if kept else none_float
    if reached >= expected_cos:
        return result(at_first, reached, None)
    noise, order = _ranked(evaluator, kept, progress)
    most = max(len(kept), _fitting(order, max_float_layers))
    target = expected_cos if everything >= expected_cos else everything - _NEAR
    cosines: dict[int, float] = {}
    fewest, enough = len(kept), most
    with progress.step("Testing mixed precision", "runs") as step:
        while fewest < enough:
            step.update(len(cosines), len(cosines) + (enough - fewest).bit_length())
            middle = (fewest + enough) // 2
            cosines[middle] = evaluator.cosine(order[:middle])
            if cosines[middle] >= target:
                enough = middle
            else:
                fewest = middle + 1
    chosen = order[:enough]
    return result(chosen, cosines.get(enough) or evaluator.cosine(chosen), noise)


@dataclass(frozen=True)
class Ranking:
    """All layers of a network, those first whose errors cost most.

    The first `kept` of them must be in BF16. `losses` are as in `FloatLayers`.
    """

    order: tuple[Layer, ...]
    kept: int
    losses: tuple[LayerLoss, ...]

    def table(self, count: int) -> str:
        """Write a quantization table for `model_deploy` with the first `count` layers in BF16."""
        names = (name for layer in self.order[:count] for name in layer.names)
        return "".join(f"{name} BF16\n" for name in names)

    def fitting(self, most_tensors: int | None) -> int:
        """Count the first layers that have at most so many tensors, and those that must be."""
        return max(self.kept, _fitting(self.order, most_tensors))

    def loss_table(self) -> str:
        """Write the outputs' cosine with each layer alone in INT8, in run_qtable's format."""
        return _loss_table(self.losses)


def rank_network_layers(
    network: Network,
    table: Path,
    prepared: Path,
    pictures: Sequence[Path],
    progress: Progress,
) -> Ranking:
    """Rank the layers by their effect on the outputs; arguments and errors as `search_layers`."""
    thresholds = {name: line.threshold for name, line in read_calibration_table(table).items()}
    images = [float_input(network, network_image(network, read_picture(p))[1]) for p in pictures]
    evaluator = _Evaluator(onnx.load(prepared), thresholds, images)
    kept = _kept(evaluator.network, network.float_tail)
    noise, order = _ranked(evaluator, kept, progress)
    return Ranking(tuple(order), len(kept), _losses(evaluator.network, noise))


def _kept(network: QuantizedNetwork, always: Collection[str]) -> list[int]:
    """Return the numbers of the layers that produce the tensors `always`."""
    return [n for n, x in enumerate(network.layers) if not set(always).isdisjoint(x.tensors)]


def _ranked(
    evaluator: _Evaluator, kept: Sequence[int], progress: Progress
) -> tuple[Noise, list[Layer]]:
    """Return the noise of each source at each output, and the layers in their ranking."""
    network = evaluator.network
    noise = _measured(evaluator, [network.layers[number] for number in kept], progress)
    sizes = [len(layer.names) for layer in network.layers]
    numbers = rank_layers(noise, [source.layers for source in network.sources], sizes, kept)
    return noise, [network.layers[number] for number in numbers]


def _measured(evaluator: _Evaluator, in_bf16: Sequence[Layer], progress: Progress) -> Noise:
    """Measure the noise of each source at each output, [sources, outputs].

    The pictures are those with the largest errors when only the layers `in_bf16` are in BF16.
    """
    sources = evaluator.network.sources
    noise_meter = evaluator.noise_meter(in_bf16)
    found = []
    title = "Measuring the error of each tensor in INT8"
    with progress.step(title, "tensors") as step, ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, noise in enumerate(pool.map(noise_meter, sources)):
            step.update(number + 1, len(sources))
            found.append(noise)
    return np.array(found)


def _losses(network: QuantizedNetwork, noise: Noise) -> tuple[LayerLoss, ...]:
    found = []
    for number, layer in enumerate(network.layers):
        touching = [number in source.layers for source in network.sources]
        found.append(LayerLoss(layer, 1 - cosine_of(float(noise[touching].sum(axis=0).max()))))
    return tuple(sorted(found, key=lambda entry: -entry.loss))


def _loss_table(losses: Sequence[LayerLoss]) -> str:
    return "".join(
        f"No.{number:<4}: Layer: {name:<50}\t\tCos: {1 - entry.loss:.6f}\n"
        for number, entry in enumerate(losses)
        for name in entry.layer.names
    )


def _fitting(layers: Sequence[Layer], most: int | None) -> int:
    """Count the first layers that together have at most `most` tensors."""
    if most is None:
        return len(layers)
    totals = np.cumsum([len(layer.names) for layer in layers])
    return int(np.searchsorted(totals, most, side="right"))


class _Evaluator:
    """Runs the network with chosen layers in INT8, and compares it with the float network."""

    def __init__(
        self, model: onnx.ModelProto, thresholds: Mapping[str, float], images: Sequence[Array]
    ) -> None:
        self.network = QuantizedNetwork(model, thresholds)
        self._model = model
        self._images = images
        self._expected = self._outputs(model)

    def cosine(self, in_bf16: Sequence[Layer]) -> float:
        """Compute the outputs' least cosine with the layers `in_bf16` in BF16, others in INT8."""
        return least_cosine(self._expected, self._quantized(in_bf16))

    def noise_meter(self, in_bf16: Sequence[Layer]) -> Callable[[Source], list[float]]:
        """Return a function that measures the noise at each output of one source alone in INT8.

        It holds in memory all tensors of the float network for a few pictures: those with the
        largest errors when only the layers `in_bf16` are in BF16.
        """
        chosen = worst_pictures(self._expected, self._quantized(in_bf16), _MEASURED_ON)
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
            changed = self.network.affected_part(source, values[0])
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
