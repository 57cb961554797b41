"""Measure the error of each layer of a cvimodel against the float model's tensors.

The compiler names a tensor by its ONNX name and, after `_`, the operator that produced it.
Operators that it fuses into others have no tensor of their own and cannot be compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from ..conversion.emulated import compare
from ..cvimodel.values import Value
from ..errors import InputError
from ..network.float_model import Array, FloatModel, float_input
from ..network.model import Network
from ..progress import Progress
from .similarity import Similarity

_RESHAPING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
_PRECISIONS = {"bfloat16": "bf16", "float32": "f32"}


class LayerTpu(Protocol):
    """Runs a cvimodel and reads its tensors, as `toolchain.simulator.Simulator` does."""

    def run_layers(
        self, model: Path, images: Sequence[npt.NDArray[Any]], progress: Progress
    ) -> list[dict[str, Value]]:
        """Return all readable tensors by name for each image, uint8 [H, W, 3]."""


@dataclass(frozen=True)
class LayerError:
    """The error of one layer's result against the float model's.

    `name` is the one in quantization tables, `op` the ONNX operator, `precision` "int8", "bf16" or
    "f32". `error` is the norm of the difference as a share of the float tensor's norm, 1 where that
    is undefined; `inherited` is the largest error of the compared layers that it reads.
    """

    name: str
    op: str
    precision: str
    cosine: float
    error: float
    inherited: float

    @property
    def added(self) -> float:
        """Return the error that the layer itself adds, as an estimate."""
        return self.error - self.inherited

    def as_json(self) -> dict[str, Any]:
        """Return the layer as `verify --json` shows it."""
        return {
            "name": self.name,
            "op": self.op,
            "precision": self.precision,
            "cosine": round(self.cosine, 6),
            "error": round(self.error, 6),
            "added": round(self.added, 6),
        }


@dataclass(frozen=True)
class LayerErrors:
    """The layers that could be compared, in the network's order, on `images` pictures.

    `operators` counts those of the ONNX graph. `complete` says whether the network was compiled
    again to read all tensors; else only the cvimodel's readable ones were compared.
    `quantize_table` holds the lines of the layers that a table keeps in BF16 already.
    """

    layers: tuple[LayerError, ...]
    operators: int
    images: int
    complete: bool
    quantize_table: tuple[str, ...] = ()

    def worst(self, count: int) -> tuple[LayerError, ...]:
        """Return the `count` layers in INT8 that add most error, the worst first."""
        losing = [layer for layer in self.layers if layer.precision == "int8" and layer.added > 0]
        return tuple(sorted(losing, key=lambda layer: -layer.added)[:count])


class LayerMeter:
    """Measures layers, one picture at a time, on the first `images` pictures of a comparison.

    `cvimodel` is the artifact's own or, with `complete`, its network compiled again to read all
    tensors (`conversion.layer_dump`), with its `quantize_table`.
    """

    def __init__(
        self,
        tpu: LayerTpu,
        cvimodel: Path,
        images: int = 1,
        *,
        complete: bool = False,
        quantize_table: str = "",
    ) -> None:
        self._tpu = tpu
        self._cvimodel = cvimodel
        self._left = images
        self._complete = complete
        self._table = quantize_table
        self._done = 0
        self._sums: dict[str, _Sums] = {}
        self._graph: onnx.ModelProto | None = None

    def add(
        self,
        network: Network,
        graph: onnx.ModelProto,
        prepared: onnx.ModelProto,
        image: npt.NDArray[np.uint8],
        outputs: Sequence[Array],
        progress: Progress,
    ) -> None:
        """Measure one more picture, uint8 [H, W, 3], unless `images` of them were measured.

        `graph` has the types of all tensors of `prepared`; `outputs` are the artifact's on the TPU.

        Raises InputError when the measured cvimodel is another network.
        """
        if not self._left:
            return
        self._left -= 1
        (found,) = self._tpu.run_layers(self._cvimodel, [image], progress)
        _check_same(found, outputs)
        self._graph = prepared
        named = {tensor: name for name, tensor, _ in _named(prepared) if name in found}
        kept = [tensor for tensor in named if tensor in _float_tensors(graph)]
        with progress.step("Measuring the layers", "layers") as step:
            model = FloatModel(_exposed(prepared, kept).SerializeToString())
            values = model.run(float_input(network, image))
            for index, (tensor, value) in enumerate(zip(kept, values, strict=True)):
                step.update(index, len(kept))
                on_tpu = found[named[tensor]]
                if on_tpu.array.size == value.size:
                    sums = self._sums.setdefault(tensor, _Sums(on_tpu.dtype))
                    sums.add(value.ravel(), on_tpu.array.ravel())
        self._done += 1

    def result(self) -> LayerErrors | None:
        """Return the measured errors; None before the first picture."""
        if self._graph is None:
            return None
        return LayerErrors(
            layers=_errors(self._graph, self._sums),
            operators=sum(node.op_type != "Constant" for node in self._graph.graph.node),
            images=self._done,
            complete=self._complete,
            quantize_table=tuple(line for line in self._table.splitlines() if line.strip()),
        )


class _Sums:
    """The sums for the error of one layer, to which pictures are added."""

    def __init__(self, dtype: str) -> None:
        self.precision = _PRECISIONS.get(dtype, dtype)
        self.similarity = Similarity()
        self._difference = 0.0

    def add(self, a: Array, b: Array) -> None:
        a64, b64 = a.astype(np.float64), b.astype(np.float64)
        self.similarity.add(a64, b64)
        a64 -= b64
        self._difference += float(a64 @ a64)

    def error(self) -> float:
        if not self._difference:
            return 0.0
        square = self.similarity.float_square
        error = math.sqrt(self._difference / square) if square else math.nan
        return error if math.isfinite(error) else 1.0


def _check_same(found: Mapping[str, Value], outputs: Sequence[Array]) -> None:
    """Raise InputError unless every output of the artifact is among `found`.

    The emulator may sum BF16 values in another order, and has no trailing dimensions of 1.
    """
    for output in outputs:
        arrays = [value.array for value in found.values() if value.array.size == output.size]
        flat = output.ravel()
        if not any(
            np.array_equal(array.ravel(), flat, equal_nan=True) or compare([array], [output]).holds
            for array in arrays
        ):
            raise InputError(
                "the cvimodel does not come from the steps in its manifest: their outputs differ",
                "Run `recam convert` again.",
            )


def _named(model: onnx.ModelProto) -> list[tuple[str, str, str]]:
    """List the compiler's name, the ONNX name and the operator of every computed tensor."""
    return [
        (f"{tensor}_{node.op_type}", tensor, node.op_type)
        for node in model.graph.node
        for tensor in node.output
    ]


def _float_tensors(model: onnx.ModelProto) -> frozenset[str]:
    values = (*model.graph.value_info, *model.graph.output)
    return frozenset(v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT)


def _exposed(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """Return the model with these tensors as its outputs, in their order."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    for tensor in tensors:
        value = onnx.helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None)
        exposed.graph.output.append(value)
    return exposed


def _errors(model: onnx.ModelProto, sums: Mapping[str, _Sums]) -> tuple[LayerError, ...]:
    """Return the errors in the order of the graph, where producers come before readers."""
    makers = {tensor: node for node in model.graph.node for tensor in node.output}
    carried: dict[str, float] = {}
    layers = []
    for node in model.graph.node:
        inherited = max((carried.get(name, 0.0) for name in node.input), default=0.0)
        for tensor in node.output:
            carried[tensor] = inherited
            if tensor in sums:
                total = sums[tensor]
                carried[tensor] = total.error()
                name, op = _computed(tensor, makers, sums)
                layers.append(
                    LayerError(
                        name=name,
                        op=op,
                        precision=total.precision,
                        cosine=total.similarity.cosine,
                        error=total.error(),
                        inherited=inherited,
                    )
                )
    return tuple(layers)


def _computed(
    tensor: str, makers: Mapping[str, onnx.NodeProto], compared: Mapping[str, _Sums]
) -> tuple[str, str]:
    """Return the compiler's name and the operator of the layer that computed a tensor's values.

    For a reshaped tensor that is the layer before, unless that one is compared itself: the compiler
    reshapes in place, so keeping the reshape in BF16 changes nothing.
    """
    node = makers[tensor]
    while node.op_type in _RESHAPING:
        before = makers.get(node.input[0])
        if before is None or node.input[0] in compared:
            break
        tensor, node = node.input[0], before
    return f"{tensor}_{node.op_type}", node.op_type
