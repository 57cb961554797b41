"""Match each tensor of the MLIR file with the ONNX tensor that holds the same values.

The compiler names a tensor by its ONNX name and, after `_`, the operator that produced it, once
more for each rewriting: `input_Concat_Depth2Space` holds the values of `input`, in another order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..toolchain.mlir import Operation

_REORDERING = frozenset(
    {"Reshape", "Permute", "Squeeze", "Unsqueeze", "Depth2Space", "ShuffleChannel", "Reverse"}
)


@dataclass(frozen=True)
class Correspondence:
    """The matched tensors: `onnx` maps those of the MLIR file to those of the ONNX graph.

    Both hold the same values, perhaps in another order. `missing` are tensors without a match.
    """

    onnx: Mapping[str, str]
    missing: tuple[str, ...]


def correspond(
    operations: Sequence[Operation], shapes: Mapping[str, tuple[int, ...]]
) -> Correspondence:
    """Find each operation's tensor among the float tensors of the ONNX graph, `shapes` by name."""
    found: dict[str, str] = {}
    for operation in operations:
        source = _named(operation, shapes)
        if source is None and operation.kind in _REORDERING and operation.inputs:
            source = found.get(operation.inputs[0])
        if source is not None:
            found[operation.name] = source
    return Correspondence(found, tuple(o.name for o in operations if o.name not in found))


def _named(operation: Operation, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Find the longest ONNX name that remains when operators are removed from the end.

    The full name comes last, except for an input: another ONNX tensor may happen to have the name
    that the compiler made.
    """
    size = math.prod(operation.shape)
    whole, name = operation.name, operation.name.rpartition("_")[0]
    candidates = [whole] if operation.kind == "Input" else []
    while name:
        candidates.append(name)
        name = name.rpartition("_")[0]
    found = (n for n in (*candidates, whole) if n in shapes and math.prod(shapes[n]) == size)
    return next(found, None)
