"""Small, well-formed cvimodels made on the spot: a description, a checksum, and no program."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path

import flatbuffers

from recam_deploy.cvimodel import Tensor

_DTYPES = {"float32": 0, "uint8": 7, "int8": 6}


def yolo11_tensors(
    size: int = 64, classes: int = 3, dtype: str = "float32"
) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs as the camera wants them."""
    image = Tensor("images_raw", (1, size, size, 3), "uint8", 1.0, "RGB_PACKED")
    outputs = []
    for stride in (8, 16, 32):
        grid = size // stride
        outputs.append(Tensor(f"box{stride}", (1, 64, grid, grid), dtype, 1.0, ""))
        outputs.append(Tensor(f"cls{stride}", (1, classes, grid, grid), dtype, 1.0, ""))
    return [image], outputs


def cvimodel_bytes(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], chip: str = "cv181x"
) -> bytes:
    """The bytes of a cvimodel with these tensors."""
    body = _description(inputs, outputs) + b"weights and commands"
    description = len(body) - len(b"weights and commands")
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    header = b"CviModel" + struct.pack("<I2B", description, 1, 4) + digest
    return (header + chip.encode().ljust(16, b"\0")).ljust(48, b"\0") + body


def write_cvimodel(path: Path, *, size: int = 64, classes: int = 3, chip: str = "cv181x") -> Path:
    """A cvimodel of a YOLO11 detector."""
    path.write_bytes(cvimodel_bytes(*yolo11_tensors(size, classes), chip=chip))
    return path


def _description(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bytes:
    builder = flatbuffers.Builder(4096)
    tensors = _vector(builder, [_tensor(builder, t) for t in (*inputs, *outputs)])
    ins = _vector(builder, [builder.CreateString(t.name) for t in inputs])
    outs = _vector(builder, [builder.CreateString(t.name) for t in outputs])
    program = _table(builder, 8, {2: ins, 3: outs, 4: tensors})
    programs = _vector(builder, [program])
    name, compiler = builder.CreateString("tiny"), builder.CreateString("v1.7")
    root = _table(builder, 10, {1: name, 6: programs, 9: compiler})
    builder.Finish(root)
    return bytes(builder.Output())


def _tensor(builder: flatbuffers.Builder, tensor: Tensor) -> int:
    name = builder.CreateString(tensor.name)
    pixel_format = builder.CreateString(tensor.pixel_format)
    builder.StartVector(8, len(tensor.shape), 8)
    for dim in reversed(tensor.shape):
        builder.PrependInt64(dim)
    shape = _table(builder, 1, {0: builder.EndVector()})
    builder.StartObject(5)
    builder.PrependFloat32Slot(4, tensor.qscale, 0.0)
    quant = builder.EndObject()
    builder.StartObject(13)
    builder.PrependInt8Slot(3, _DTYPES[tensor.dtype], 0)
    for field, offset in {1: name, 4: shape, 6: quant, 10: pixel_format}.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    return int(builder.EndObject())


def _table(builder: flatbuffers.Builder, fields: int, offsets: dict[int, int]) -> int:
    builder.StartObject(fields)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
