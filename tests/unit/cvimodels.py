"""Small, well-formed cvimodels made on the spot: a description, a checksum, and no program."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import flatbuffers

from recam_deploy.cvimodel import HEADER_BYTES, Tensor

_DTYPES = {"float32": 0, "bfloat16": 3, "int8": 6, "uint8": 7}

DATA = b"weights and commands"
SHARED, PRIVATE, IO = 0, 2 << 40, 3 << 40
"""The kinds of memory, as an address names them."""


@dataclass(frozen=True)
class Part:
    """A section of `DATA`, by the format's own numbers."""

    kind: int
    name: str
    size: int
    offset: int
    encrypted: bool = False
    compressed: bool = False


PARTS = (Part(0, "weight", 8, 0), Part(1, "subfunc_0", 12, 8))


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


def int8_tensors(
    box_scale: float, class_scale: float, size: int = 64
) -> tuple[list[Tensor], list[Tensor]]:
    """The same with INT8 outputs; the scales are those at stride 8, at the others all are 1."""
    inputs, outputs = yolo11_tensors(size, dtype="int8")
    scaled = [replace(outputs[0], qscale=box_scale), replace(outputs[1], qscale=class_scale)]
    return inputs, [*scaled, *outputs[2:]]


def cvimodel_bytes(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    chip: str = "cv181x",
    *,
    parts: Sequence[Part] = PARTS,
    addresses: Mapping[str, int] | None = None,
) -> bytes:
    """The bytes of a cvimodel with these tensors, each in a buffer of its own (`IO`) unless
    `addresses` has its name; with 600 bytes of private and 5000 of shared memory."""
    return seal(description(inputs, outputs, parts, addresses or {}), DATA, chip)


def seal(body: bytes, data: bytes = b"", chip: str = "cv181x") -> bytes:
    """A whole file of a description and its data, with a header that fits both."""
    digest = hashlib.md5(body + data, usedforsecurity=False).digest()
    header = b"CviModel" + struct.pack("<I2B", len(body), 1, 4) + digest
    return (header + chip.encode().ljust(16, b"\0")).ljust(HEADER_BYTES, b"\0") + body + data


def write_cvimodel(path: Path, *, size: int = 64, classes: int = 3, chip: str = "cv181x") -> Path:
    """A cvimodel of a YOLO11 detector."""
    path.write_bytes(cvimodel_bytes(*yolo11_tensors(size, classes), chip=chip))
    return path


def description(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    parts: Sequence[Part] = PARTS,
    addresses: Mapping[str, int] | None = None,
) -> bytes:
    """The FlatBuffer alone."""
    builder = flatbuffers.Builder(4096)
    places = addresses or {}
    tensors = _vector(
        builder, [_tensor(builder, t, places.get(t.name, IO)) for t in (*inputs, *outputs)]
    )
    ins, outs = _names(builder, inputs), _names(builder, outputs)
    routines = _vector(
        builder, [_tpu_routine(builder, inputs, outputs), _cpu_routine(builder, outputs)]
    )
    builder.StartObject(8)
    for field, offset in {2: ins, 3: outs, 4: tensors, 5: routines}.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    builder.PrependUint32Slot(6, 5000, 0)
    builder.PrependUint32Slot(7, 600, 0)
    programs = _vector(builder, [int(builder.EndObject())])
    weights = _vector(builder, [_weight(builder)])
    sections = _vector(builder, [_section(builder, part) for part in parts])
    texts = {
        field: builder.CreateString(text)
        for field, text in {1: "tiny", 2: "2024-11-08 02:51:43", 8: "cv181x", 9: "v1.7"}.items()
    }
    builder.StartObject(10)
    builder.Prep(1, 3)
    for number in (0, 4, 1):
        builder.PrependUint8(number)
    builder.PrependStructSlot(0, builder.Offset(), 0)
    for field, offset in {**texts, 5: weights, 6: programs, 7: sections}.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def _names(builder: flatbuffers.Builder, tensors: Sequence[Tensor]) -> int:
    return _vector(builder, [builder.CreateString(t.name) for t in tensors])


def _tpu_routine(
    builder: flatbuffers.Builder, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> int:
    ins, outs = _names(builder, inputs), _names(builder, outputs)
    runs = _table(builder, 2, {0: builder.CreateString("subfunc_0")})
    return _table(builder, 5, {1: ins, 2: outs, 3: runs})


def _cpu_routine(builder: flatbuffers.Builder, tensors: Sequence[Tensor]) -> int:
    names = _names(builder, tensors)
    runs = _table(builder, 2, {0: builder.CreateString("softmax")})
    builder.StartObject(5)
    builder.PrependUint8Slot(0, 1, 0)
    for field, offset in {1: names, 2: names, 4: runs}.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    return int(builder.EndObject())


def _weight(builder: flatbuffers.Builder) -> int:
    name, shape = builder.CreateString("filter"), _shape(builder, (1, 2, 1, 2))
    builder.StartObject(5)
    builder.PrependInt64Slot(1, (1 << 40) + 4, 0)
    builder.PrependUint32Slot(2, 4, 0)
    builder.PrependUint8Slot(4, _DTYPES["int8"], 0)
    for field, offset in {0: name, 3: shape}.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    return int(builder.EndObject())


def _section(builder: flatbuffers.Builder, part: Part) -> int:
    name = builder.CreateString(part.name)
    builder.StartObject(7)
    builder.PrependUint8Slot(0, part.kind, 0)
    builder.PrependUOffsetTRelativeSlot(1, name, 0)
    builder.PrependUint32Slot(2, part.size, 0)
    builder.PrependUint32Slot(3, part.offset, 0)
    builder.PrependBoolSlot(4, part.encrypted, False)
    builder.PrependBoolSlot(5, part.compressed, False)
    return int(builder.EndObject())


def _tensor(builder: flatbuffers.Builder, tensor: Tensor, address: int) -> int:
    name = builder.CreateString(tensor.name)
    pixel_format = builder.CreateString(tensor.pixel_format)
    shape = _shape(builder, tensor.shape)
    builder.StartObject(5)
    builder.PrependFloat32Slot(4, tensor.qscale, 0.0)
    quant = builder.EndObject()
    builder.StartObject(13)
    builder.PrependInt64Slot(2, address, 0)
    builder.PrependInt8Slot(3, _DTYPES[tensor.dtype], 0)
    for field, offset in {1: name, 4: shape, 6: quant, 10: pixel_format}.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    builder.PrependBoolSlot(11, tensor.aligned, False)
    return int(builder.EndObject())


def _shape(builder: flatbuffers.Builder, dims: Sequence[int]) -> int:
    builder.StartVector(8, len(dims), 8)
    for dim in reversed(dims):
        builder.PrependInt64(dim)
    return _table(builder, 1, {0: builder.EndVector()})


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
