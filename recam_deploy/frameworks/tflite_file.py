"""Inspect a TFLite file by its FlatBuffer.

The numbers of the fields are those of TensorFlow's `lite/schema/schema.fbs`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..cvimodel.flatbuffer import ERRORS, Buffer, Table
from ..errors import InputError
from ..file_kinds import TFLITE as TFLITE_FILE
from ..file_kinds import refuse_foreign
from .model import FrameworkModel, Refusal

TFLITE = "tflite"

_IDENTIFIER = b"TFL3"
_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16"}
_TYPES |= {9: "int8", 10: "float64", 17: "int4"}
_SUBGRAPHS, _TENSORS, _INPUTS, _OUTPUTS = 2, 0, 1, 2
_SHAPE, _TYPE, _NAME, _QUANTIZATION, _SIGNATURE = 0, 1, 3, 4, 7
_SCALE = 2
_OTHERWISE = "Or give the model that the TFLite file was converted from: its ONNX or .pt file."


def read_tflite(path: Path) -> FrameworkModel:
    """Inspect a TFLite file; one that cannot be converted has a `refusal`.

    Raises InputError when it is not a TFLite file, or is damaged.
    """
    try:
        data = path.read_bytes()
        refuse_foreign(path, TFLITE_FILE)
        if data[4:8] != _IDENTIFIER:
            raise ValueError(f"its identifier is not {_IDENTIFIER.decode()}")
        tensors, inputs, outputs = _graph(Buffer(data).root())
    except (OSError, *ERRORS) as error:
        raise InputError(
            f"{path} is not a TFLite file, or is cut short: {error}", "Copy or convert it again."
        ) from error
    facts = {
        "inputs": [tensors[index] for index in inputs],
        "outputs": [tensors[index] for index in outputs],
        "quantized": any(tensor["quantized"] for tensor in tensors),
    }
    return FrameworkModel(path, TFLITE, (path,), facts, _refusal(facts))


def _graph(model: Table) -> tuple[list[dict[str, Any]], tuple[int, ...], tuple[int, ...]]:
    graphs = model.tables(_SUBGRAPHS)
    if not graphs:
        raise ValueError("it holds no network")
    graph = graphs[0]
    tensors = [_tensor(table) for table in graph.tables(_TENSORS)]
    inputs, outputs = graph.ints(_INPUTS), graph.ints(_OUTPUTS)
    if not inputs or not outputs or not all(0 <= i < len(tensors) for i in (*inputs, *outputs)):
        raise ValueError("its inputs or outputs are missing")
    return tensors, inputs, outputs


def _tensor(table: Table) -> dict[str, Any]:
    quantization = table.table(_QUANTIZATION)
    shape = table.ints(_SIGNATURE) or table.ints(_SHAPE)
    number = table.unsigned(_TYPE, 1)
    return {
        "name": table.text(_NAME),
        "shape": list(shape),
        "dtype": _TYPES.get(number, f"type {number}"),
        "quantized": bool(quantization and quantization.count(_SCALE)),
    }


def _refusal(facts: dict[str, Any]) -> Refusal | None:
    """Refuse what cannot become a float model with one picture of a fixed size as its input."""
    inputs = facts["inputs"]
    if facts["quantized"] or any(tensor["dtype"] != "float32" for tensor in inputs):
        return Refusal(
            "it is quantized, and the lost precision cannot be restored",
            "Convert to TFLite without `optimizations`: recam quantizes it for this chip. "
            + _OTHERWISE,
        )
    if len(inputs) != 1:
        names = ", ".join(tensor["name"] for tensor in inputs)
        return Refusal(
            f"it has {len(inputs)} inputs ({names}); the camera feeds exactly one image",
            "Convert it to TFLite with the image as its only input.",
        )
    shape = inputs[0]["shape"]
    shown = "×".join("?" if side < 0 else str(side) for side in shape)
    if any(side <= 0 for side in shape):
        return Refusal(
            f"its input shape {shown} is dynamic; the compiler needs fixed sizes",
            "Convert it to TFLite from a model with a fixed input, for instance "
            "tf.keras.Input((320, 320, 3), batch_size=1).",
        )
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
        return Refusal(
            f"its input shape {shown} is not one RGB image (1×H×W×3)",
            "Convert it to TFLite with batch size 1 and three channels.",
        )
    return None
