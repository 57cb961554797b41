"""Read the network that the compiler lowered for the chip, before it is laid out in memory.

`model_deploy` of tpu_mlir 1.7 writes it as MLIR text (`*_tpu.mlir`) with the weights beside it, in
the file that `module.weight_file` names. A line is `%9 = "tpu.Conv2D"(%6, %7, %8) {…} : (…) ->
tensor<1x8x96x96x!quant.uniform<i8:f32, 0.0276>> loc(#loc9)`; the names are at the end of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ..errors import SimulatorError

Attribute: TypeAlias = bool | int | float | str | tuple[float, ...]

INT8, UINT8, BF16, F32 = "int8", "uint8", "bf16", "f32"

_WEIGHT_FILE = re.compile(r'module\.weight_file = "([^"/\\]+)"')
_LOCATION = re.compile(r'^(#loc\d*) = loc\("((?:[^"\\]|\\.)*)"\)', re.MULTILINE)
_OPERATION = re.compile(
    r'^\s*(?P<result>%\w+) = "(?P<kind>[\w.]+)"\((?P<operands>[^)]*)\)(?: \{(?P<attributes>.*)\})?'
    r" : \((?P<inputs>.*?)\) -> (?P<output>.*) loc\((?P<location>#loc\d*)\)$"
)
_RETURN = re.compile(r"^\s*return (?P<operands>%\w+(?:, %\w+)*) :")
_TENSOR = re.compile(r"tensor<(?P<shape>(?:\d+x)*)(?P<element>.*)>$")
_SCALE = re.compile(r"!quant\.uniform<(?P<stored>[iu]8):\w+, (?P<scale>[^,:<>]+)>")
_STORED = {"i8": INT8, "u8": UINT8}


@dataclass(frozen=True)
class TensorType:
    """A tensor's shape and how the chip stores it.

    `stored` is INT8, UINT8, BF16 or F32, or the compiler's word for a weight's type. `scale` is the
    value of one step of an INT8 tensor, 0 elsewhere.
    """

    shape: tuple[int, ...]
    stored: str
    scale: float = 0.0


@dataclass(frozen=True)
class Operator:
    """One operation of the chip: `kind` is for instance "Conv2D", `name` its result's name.

    `operands` are the values that it reads, of the types `inputs`; None stands for a missing one.
    """

    kind: str
    name: str
    result: str
    operands: tuple[str | None, ...]
    inputs: tuple[TensorType, ...]
    output: TensorType
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """Return a number among the attributes. Raises SimulatorError when it is not there."""
        value = self.attributes.get(name)
        if isinstance(value, int | float):
            return value
        raise SimulatorError(f"the lowered network's {self.kind} {self.name} has no {name}")

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return a list of integers among the attributes. Raises SimulatorError as `number`."""
        value = self.attributes.get(name)
        if isinstance(value, tuple):
            return tuple(int(one) for one in value)
        raise SimulatorError(f"the lowered network's {self.kind} {self.name} has no {name}")

    def has(self, name: str) -> bool:
        """Say whether an attribute is set to true."""
        return self.attributes.get(name) is True


@dataclass(frozen=True)
class LoweredNetwork:
    """The operators in order, the weights by value, and the values that are the outputs."""

    operators: tuple[Operator, ...]
    weights: Mapping[str, npt.NDArray[Any]]
    outputs: tuple[str, ...]

    @property
    def input(self) -> Operator:
        """Return the operator that is the network's only input. Raises SimulatorError."""
        found = [one for one in self.operators if one.kind == "Input"]
        if len(found) != 1:
            raise SimulatorError(f"the lowered network has {len(found)} inputs, and needs one")
        return found[0]

    def with_stored_outputs(self) -> LoweredNetwork:
        """Return the network with its INT8 outputs as they are stored.

        The compiler lowers them to floats in any case, and `--quant_output` removes that later.
        """
        stored = {
            one.result: one.operands[0] or ""
            for one in self.operators
            if one.kind == "Cast" and one.inputs[0].stored in (INT8, UINT8)
        }
        return replace(self, outputs=tuple(stored.get(one, one) for one in self.outputs))


def read_lowered(path: Path) -> LoweredNetwork:
    """Read a lowered network and the weights beside it.

    Raises SimulatorError when a file cannot be read or is not what the compiler writes.
    """
    try:
        text = path.read_text(encoding="utf-8")
        named = _WEIGHT_FILE.search(text)
        if named is None:
            raise SimulatorError(f"{path.name} does not name its weights")
        with np.load(path.with_name(named[1]), allow_pickle=False) as stored:
            return _network(text, {name: stored[name] for name in stored.files})
    except (OSError, ValueError, BadZipFile) as error:
        raise SimulatorError(
            f"the lowered network {path.name} cannot be read: {error}",
            "Run `recam cache clean`, and convert again.",
        ) from error


def _network(text: str, stored: Mapping[str, npt.NDArray[Any]]) -> LoweredNetwork:
    names = dict(_LOCATION.findall(text))
    operators: list[Operator] = []
    weights: dict[str, npt.NDArray[Any]] = {}
    missing: set[str] = set()
    outputs: tuple[str, ...] = ()
    for line in text.splitlines():
        if ends := _RETURN.match(line):
            outputs = tuple(ends["operands"].split(", "))
        if not (found := _OPERATION.match(line)):
            continue
        name = names.get(found["location"], "")
        output = _tensor_type(found["output"])
        if found["kind"] == "top.None":
            missing.add(found["result"])
        elif found["kind"] == "top.Weight":
            weights[found["result"]] = _weight(name, output, stored)
        else:
            read = [one for one in found["operands"].split(", ") if one]
            operators.append(
                Operator(
                    kind=found["kind"].partition(".")[2],
                    name=name,
                    result=found["result"],
                    operands=tuple(None if one in missing else one for one in read),
                    inputs=tuple(map(_tensor_type, _split(found["inputs"]))),
                    output=output,
                    attributes=dict(_attributes(found["attributes"] or "")),
                )
            )
    if not operators or not outputs:
        raise SimulatorError("the lowered network has no operators or no outputs")
    return LoweredNetwork(tuple(operators), weights, outputs)


def _weight(name: str, of: TensorType, stored: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    if name not in stored:
        raise SimulatorError(f"the lowered network's weights lack {name}")
    values = stored[name].reshape(of.shape)
    if of.stored == BF16:
        # The upper half of a float32.
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values


def _tensor_type(text: str) -> TensorType:
    tensor = _TENSOR.match(text.strip())
    if tensor is None:
        return TensorType((), text.strip())
    shape = tuple(int(size) for size in tensor["shape"].split("x")[:-1])
    element = tensor["element"]
    if uniform := _SCALE.match(element):
        return TensorType(shape, _STORED[uniform["stored"]], float(uniform["scale"]))
    if element.startswith("!quant.calibrated<bf16"):
        element = BF16
    return TensorType(shape, element)


def _split(text: str) -> Iterator[str]:
    """Yield the parts of a list, which commas outside brackets part."""
    depth, begin = 0, 0
    for place, character in enumerate(text):
        depth += (character in "<([{") - (character in ">)]}")
        if character == "," and depth == 0:
            yield text[begin:place].strip()
            begin = place + 1
    if text[begin:].strip():
        yield text[begin:].strip()


def _attributes(text: str) -> Iterator[tuple[str, Attribute]]:
    for part in _split(text):
        name, _, value = part.partition(" = ")
        yield name, _attribute(value.partition(" : ")[0].strip())


def _attribute(text: str) -> Attribute:
    """Convert an attribute; an enumeration such as `#tpu<rq_mode QDM>` becomes its last word."""
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("["):
        return tuple(float(one) for one in _split(text[1:-1]))
    if text.startswith("#"):
        return text.rstrip(">").split()[-1]
    try:
        return float(text) if re.search(r"[.e]", text) else int(text)
    except ValueError:
        return text.strip('"')
