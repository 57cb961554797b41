"""Files of other frameworks, written byte by byte: no framework is needed to make them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import flatbuffers

STATE_DICT = (
    b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x06\x00\x00\x00weightq\x02"
    b"ctorch._utils\n_rebuild_tensor_v2\nq\x03)Rq\x04s."
)
CHECKPOINT = b"\x80\x02cultralytics.nn.tasks\nDetectionModel\nq\x00)\x81q\x01."
YOLOV5_CHECKPOINT = b"\x80\x02cmodels.yolo\nModel\nq\x00)\x81q\x01."
OWN_NETWORK = b"\x80\x02cmy.networks\nNet\nq\x00)\x81q\x01."
LAYERS_ONLY = b"\x80\x02ctorch.nn.modules.container\nSequential\nq\x00)\x81q\x01."


def calls(command: str) -> bytes:
    """A pickle that runs `command` when it is loaded, and passes for one of Ultralytics."""
    said = command.encode()
    return (
        b"\x80\x02cposix\nsystem\nX"
        + len(said).to_bytes(4, "little")
        + said
        + b"\x85R0cultralytics.nn.tasks\nDetectionModel\n)\x81."
    )


def write_saved(path: Path, pickle: bytes) -> Path:
    """What torch.save leaves, as far as it is looked at."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/version", "3\n")
    return path


def write_torchscript(path: Path, config: object = None) -> Path:
    """What torch.jit.save leaves, as far as it is looked at."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/constants.pkl", b"\x80\x02).")
        archive.writestr("archive/data.pkl", b"\x80\x02).")
        archive.writestr("archive/code/__torch__.py", "")
        if config is not None:
            archive.writestr("archive/extra/config.txt", json.dumps(config))
    return path


Tensor = tuple[str, Sequence[int], int, bool]
"""Name, shape, number of the type, and whether it is quantized."""


def write_tflite(
    path: Path, tensors: Sequence[Tensor], inputs: Sequence[int], outputs: Sequence[int]
) -> Path:
    """A TFLite file of tensors alone; the fields are those of TensorFlow's schema."""
    b = flatbuffers.Builder(1024)
    tables = [_tensor(b, *tensor) for tensor in tensors]
    listed, ins, outs = _offsets(b, tables), _ints(b, inputs), _ints(b, outputs)
    b.StartObject(5)
    b.PrependUOffsetTRelativeSlot(0, listed, 0)
    b.PrependUOffsetTRelativeSlot(1, ins, 0)
    b.PrependUOffsetTRelativeSlot(2, outs, 0)
    graphs = _offsets(b, [b.EndObject()])
    b.StartObject(5)
    b.PrependUint32Slot(0, 3, 0)
    b.PrependUOffsetTRelativeSlot(2, graphs, 0)
    b.Finish(b.EndObject(), b"TFL3")
    path.write_bytes(bytes(b.Output()))
    return path


def _tensor(
    b: flatbuffers.Builder, name: str, shape: Sequence[int], kind: int, quantized: bool
) -> int:
    text, sides = b.CreateString(name), _ints(b, [max(side, 1) for side in shape])
    signature = _ints(b, shape)
    scale = 0
    if quantized:
        b.StartVector(4, 1, 4)
        b.PrependFloat32(0.5)
        scales = b.EndVector()
        b.StartObject(7)
        b.PrependUOffsetTRelativeSlot(2, scales, 0)
        scale = b.EndObject()
    b.StartObject(8)
    b.PrependUOffsetTRelativeSlot(0, sides, 0)
    b.PrependInt8Slot(1, kind, 0)
    b.PrependUOffsetTRelativeSlot(3, text, 0)
    if quantized:
        b.PrependUOffsetTRelativeSlot(4, scale, 0)
    b.PrependUOffsetTRelativeSlot(7, signature, 0)
    made: int = b.EndObject()
    return made


def _ints(b: flatbuffers.Builder, values: Sequence[int]) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependInt32(value)
    made: int = b.EndVector()
    return made


def _offsets(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    made: int = b.EndVector()
    return made


CAFFE = """
name: "n"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" }
"""


def write_caffe(folder: Path, text: str = CAFFE, weights: str = "net.caffemodel") -> Path:
    """net.prototxt, and weights that nothing here looks into."""
    (folder / weights).write_bytes(b"weights")
    path = folder / "net.prototxt"
    path.write_text(text)
    return path
