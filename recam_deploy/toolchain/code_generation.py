"""Find what the compiler's code generator could not express on the chip, and the layer at fault.

libcvikernel of tpu_mlir 1.7 has 51 messages for cv181x, such as `cvkcv181x tiu max pool: wrong
parameter`. It prints one, leaves the instruction out, and goes on: the tool ends with exit code 0,
and the cvimodel computes noise. No message names a layer, so the layers are found by the kind of
the instruction and by the chip's limits (measured: a stride of 31 works, one of 32 does not; 15 for
a transposed convolution). Other kernels end with a failed assertion.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import CompilationError
from .mlir import Operation, read_operations

# Another stream's text can begin in the middle of a message, and a message in the middle of a line.
_MESSAGE = re.compile(
    r"cvk?cv18\d\w[: ]+(?P<what>[a-z0-9_ -]*[a-z0-9])"
    r"(?::|(?= fail))[ ]?(?P<fault>wrong param\w*|invalid param\w*|\w* ?fail\w*)?"
)
_ANY_MESSAGE = re.compile(r"cvk?cv18\d\w[: ]")
_ASSERTION = re.compile(
    r"CV18xx/Kernel/Tg(?P<what>\w+?)(?:Kernel)?\.cpp:\d+: "
    r"[^\n]*Assertion `(?P<fault>[^\n]*)' failed"
)

_STRIDE_LIMIT = 31
_STRIDE_LIMITS = {"Deconv": 15}
_NAMED_LAYERS = 3

_CONVOLUTIONS = ("Conv", "Deconv")
# Words of an instruction's or a kernel's name, and the layers that it computes.
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("max pool", ("MaxPool",)),
    ("min pool", ("MaxPool",)),
    ("avg pool", ("AvgPool", "ReduceMean", "Reduce")),
    ("pooling", ("MaxPool", "AvgPool")),
    ("upsample", ("Upsample", "Interp")),
    ("conv", _CONVOLUTIONS),
    ("matrix", ("MatMul", "Softmax", "Attention", "GRU", "LSTM")),
    ("xor", ("Softmax",)),
    ("softmax", ("Softmax",)),
)
_NOT_A_LAYER = frozenset({"Input", "Return"})


@dataclass(frozen=True)
class Refusal:
    """An instruction or kernel that the code generator gave up on, in its own words.

    It leaves an instruction out and goes on, or it has `crashed`.
    """

    what: str
    words: str
    crashed: bool = False


def find_refusal(output: str) -> Refusal | None:
    """Find the code generator's first message in a tool's `output`; None when there is none."""
    if match := _ASSERTION.search(output):
        return Refusal(match["what"], f"{match['what']}: {match['fault']}", crashed=True)
    if match := _MESSAGE.search(output):
        return Refusal(match["what"], f"{match['what']}: {match['fault'] or 'wrong parameter'}")
    return Refusal("", "wrong parameter") if _ANY_MESSAGE.search(output) else None


def generation_error(
    tool: str, output: str, mlir: Path | None, log: Path
) -> CompilationError | None:
    """Return the error of a code generator that gave up on a layer; None when it did not.

    `mlir` is the network in the top dialect, which names the layers.
    """
    refusal = find_refusal(output)
    if refusal is None:
        return None
    layers, certain = _layers_at_fault(refusal, mlir)
    otherwise = "" if refusal.crashed else "; the cvimodel would compute noise"
    return CompilationError(
        f"{tool} failed: the chip cannot compute {_named(layers, certain)}{otherwise} (the code "
        f"generator says: {refusal.words})",
        f"{_advice(layers)} Its whole output is in {log}.",
    )


def _layers_at_fault(refusal: Refusal, mlir: Path | None) -> tuple[tuple[Operation, ...], bool]:
    """Return the layers that may be at fault, the likeliest first, and whether that is certain."""
    try:
        text = mlir.read_text(encoding="utf-8", errors="replace") if mlir else ""
    except OSError:
        return (), False
    operations = [layer for layer in read_operations(text) if layer.kind not in _NOT_A_LAYER]
    instruction = refusal.what.lower().replace("_", " ")
    kinds = next((kinds for word, kinds in _KINDS if word in instruction), None)
    fitting = [layer for layer in operations if kinds and layer.kind in kinds] or operations
    beyond = tuple(layer for layer in fitting if _stride_beyond(layer))
    if beyond:
        return beyond, True
    fitting.sort(key=_extent, reverse=True)
    return tuple(fitting), len(fitting) == 1


def _stride_beyond(layer: Operation) -> bool:
    return max(layer.strides, default=1) > _stride_limit(layer)


def _stride_limit(layer: Operation) -> int:
    return _STRIDE_LIMITS.get(layer.kind, _STRIDE_LIMIT)


def _extent(layer: Operation) -> tuple[int, int]:
    return math.prod(layer.kernel), math.prod(layer.shape)


def _named(layers: tuple[Operation, ...], certain: bool) -> str:
    if not layers:
        return "a layer of this network"
    names = ", ".join(_described(layer) for layer in layers[:_NAMED_LAYERS])
    more = ", …" if len(layers) > _NAMED_LAYERS else ""
    if certain:
        return f"the layer{'s' if len(layers) > 1 else ''} {names}{more}"
    return f"a layer, most likely one of {names}{more}"


def _described(layer: Operation) -> str:
    facts = [layer.kind]
    if layer.kernel:
        facts.append(f"kernel {_sizes(layer.kernel)}")
    if layer.strides:
        facts.append(f"stride {_sizes(layer.strides)}")
    if layer.shape:
        facts.append(f"output {_sizes(layer.shape)}")
    return f"{layer.name} ({', '.join(facts)})"


def _sizes(values: tuple[int, ...]) -> str:
    return "×".join(str(value) for value in values)


def _advice(layers: tuple[Operation, ...]) -> str:
    if layers and _stride_beyond(layers[0]):
        return (
            f"Its stride may be at most {_stride_limit(layers[0])}. Export the model with two such "
            "layers of smaller strides one after the other, or with a smaller input."
        )
    return (
        "Export the model with a smaller input (`--input-shape`), or with smaller layers in its "
        "place: two poolings or convolutions one after the other, a softmax over fewer values. Or "
        "end the network before it (`--output-names`)."
    )
