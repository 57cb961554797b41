"""Read the operations of a top-dialect MLIR file, as model_transform of tpu_mlir 1.7 writes it.

A line is `%4 = "top.Conv"(%1, %2, %3) {…} : (…) -> tensor<1x16x80x80xf32> loc(#loc4)`. The names
are at the end of the file: `#loc4 = loc("name")`, or `loc(fused["first", "second"])` for an
operation with several results.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LOCATION = re.compile(r'^(#loc\d*) = loc\("((?:[^"\\]|\\.)*)"', re.MULTILINE)
_FUSED = re.compile(r"^(#loc\d*) = loc\(fused\[([^\]]*)\]\)", re.MULTILINE)
_OPERATION = re.compile(
    r'^\s*(%\w+)[\w:, %]* = "top\.(\w+)"\(([^)]*)\)(.*) loc\((#loc\d*|"(?:[^"\\]|\\.)*")\)$',
    re.MULTILINE,
)
_SHAPE = re.compile(r"-> \(?tensor<((?:\d+x)*)")
_STRIDES = re.compile(r"[ {]strides = \[([\d, ]+)\]")
_KERNEL = re.compile(r"[ {]kernel_shape = \[([\d, ]+)\]")
_NOT_COMPUTED = ("None", "Weight")


@dataclass(frozen=True)
class Operation:
    """One operation: `kind` is for instance "Conv", `name` the name of its first result.

    `shape` is that of the result, empty where it is not known. `inputs` are the names of the
    computed tensors that it reads, without weights. `kernel` and `strides` are those of a
    convolution or pooling, as height and width; empty for others.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    kernel: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()


def read_operations(text: str) -> tuple[Operation, ...]:
    """Read the operations of an MLIR file in order, the network's input first.

    Only the first result of an operation is named: run_calibration leaves out others, which need no
    threshold, such as the indices of a TopK.
    """
    names = {location: _unescaped(name) for location, name in _LOCATION.findall(text)}
    first = {location: parts.split(", ")[0] for location, parts in _FUSED.findall(text)}
    made_by: dict[str, str] = {}
    found: dict[str, Operation] = {}
    for value, kind, operands, rest, location in _OPERATION.findall(text):
        if kind in _NOT_COMPUTED:
            continue
        single = first.get(location, location)
        name = _unescaped(single[1:-1]) if single.startswith('"') else names.get(single)
        if name is None:
            continue
        made_by[value] = name
        read = (made_by.get(operand.split("#")[0]) for operand in operands.split(", "))
        inputs = tuple(dict.fromkeys(operand for operand in read if operand is not None))
        sizes = _list_of(_KERNEL, rest), _list_of(_STRIDES, rest)
        found.setdefault(name, Operation(kind, name, inputs, _shape(rest), *sizes))
    return tuple(found.values())


def _shape(types: str) -> tuple[int, ...]:
    shape = _SHAPE.search(types)
    return tuple(int(size) for size in shape[1].split("x")[:-1]) if shape else ()


def _list_of(attribute: re.Pattern[str], rest: str) -> tuple[int, ...]:
    found = attribute.search(rest)
    return tuple(int(size) for size in found[1].split(",")) if found else ()


def _unescaped(name: str) -> str:
    return name.replace('\\"', '"').replace("\\\\", "\\")
