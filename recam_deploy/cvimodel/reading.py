"""Read a cvimodel file: its header, and the description after it.

Layout, little-endian: `CviModel`, u32 body size, two version bytes, md5[16] of everything after
the header, chip[16], padding to 48 bytes; then a FlatBuffer of the body size, then the sections'
data (weights and TPU commands). The FlatBuffer's field numbers are those of sophgo/tpu-mlir
`include/tpu_mlir/Builder/CV18xx/proto/cvimodel.fbs`.
"""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..errors import InputError
from ..file_kinds import ONNX, PYTORCH, TFLITE, foreign_hint, recognise_foreign
from .flatbuffer import ERRORS, Buffer, Table
from .model import (
    DTYPE_BYTES,
    CviModel,
    Header,
    MappedTensor,
    Program,
    Routine,
    Section,
    Tensor,
    Weight,
)

MAGIC = b"CviModel"
HEADER_BYTES = 48

_DTYPES = tuple(DTYPE_BYTES)
_SECTIONS = ("weight", "cmdbuf", "x86_64", "aarch64", "dmabuf")
_MOST_BYTES = 1 << 30  # far more than a camera's memory
_MOST_DIMENSIONS = 8
_NO_MEMORY = -1
# The bits of an address above these name its kind of memory.
_ADDRESS_BITS = 40
_OFFSET_MASK = (1 << _ADDRESS_BITS) - 1


@dataclass(frozen=True)
class ModelFile:
    """A cvimodel's bytes, read once; hashes, header and layout are computed when first used."""

    path: Path
    data: bytes = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """Return the file's sha256 in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def md5(self) -> str:
        """Return the file's md5 in hex, as the camera's `model.json` has it."""
        return _md5(self.data)

    @cached_property
    def header(self) -> Header:
        """Check magic, size and md5. Raises InputError when the file is truncated or damaged."""
        return _header(self.data, self.path)

    @cached_property
    def layout(self) -> CviModel:
        """Read the whole description. Raises InputError as `header` does."""
        end = HEADER_BYTES + self.header.body_bytes
        description, rest = self.data[HEADER_BYTES:end], memoryview(self.data)[end:]
        try:
            return _model(Buffer(description).root(), self.header, rest)
        except ERRORS as error:
            raise InputError(
                f"{self.path} has a good checksum, but its description cannot be read",
                "It may come from another compiler; convert the model with `recam convert`.",
            ) from error


def read_file(path: Path) -> ModelFile:
    """Read all bytes of a cvimodel. Raises InputError when it cannot be read or is no cvimodel."""
    return ModelFile(path, _read(path))


def read_header(path: Path) -> Header:
    """Read and check a cvimodel's header: magic, size and md5 of the whole file.

    Raises InputError when the file is no cvimodel, is truncated, or is damaged.
    """
    return read_file(path).header


def read_model(path: Path) -> CviModel:
    """Read a cvimodel's whole description. Raises InputError as `read_header` does."""
    return read_file(path).layout


def _read(path: Path) -> bytes:
    """Read all bytes of the file. Raises InputError unless it begins with MAGIC."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise _foreign(path)
            size = os.fstat(file.fileno()).st_size
            if size > _MOST_BYTES:
                raise InputError(
                    f"{path} is too large for a cvimodel ({size} bytes)", "Check the path."
                )
            return MAGIC + file.read(size)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}", "Check the path."
        ) from error


def _foreign(path: Path) -> InputError:
    kind = recognise_foreign(path)
    if kind in (None, ONNX, PYTORCH, TFLITE):
        what = f": it is {kind}" if kind else ""
        return InputError(f"{path} is not a cvimodel{what}", "Convert it with `recam convert`.")
    return InputError(f"{path} is not a cvimodel: it is {kind}", foreign_hint(str(kind)))


def _header(data: bytes, path: Path) -> Header:
    if len(data) < HEADER_BYTES:
        raise _damaged(data, path)
    body_bytes, major, minor, md5, chip = struct.unpack_from("<I2B16s16s", data, len(MAGIC))
    if len(data) < HEADER_BYTES + body_bytes or _md5(data[HEADER_BYTES:]) != bytes(md5).hex():
        raise _damaged(data, path)
    name = bytes(chip).rstrip(b"\0").decode("ascii", errors="backslashreplace")
    return Header(f"{major}.{minor}", name, body_bytes, bytes(md5).hex())


def _damaged(data: bytes, path: Path) -> InputError:
    return InputError(
        f"{path} is truncated or damaged ({len(data)} bytes)",
        "Copy it again from its source, or convert the model again.",
    )


def _md5(data: bytes | memoryview) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _model(root: Table, header: Header, data: memoryview) -> CviModel:
    programs = tuple(_program(table) for table in root.tables(6))
    version = root.struct_bytes(0, 3)
    if not programs or not version:
        raise ValueError("no program or no version")
    tensors = {entry.tensor.name: entry.tensor for entry in programs[0].tensors}
    named = (*programs[0].inputs, *programs[0].outputs)
    if any(name not in tensors for name in named):
        raise ValueError("a tensor has a name and no description")
    return CviModel(
        header=header,
        name=root.text(1),
        compiler=root.text(9),
        inputs=tuple(tensors[name] for name in programs[0].inputs),
        outputs=tuple(tensors[name] for name in programs[0].outputs),
        version=".".join(map(str, version)),
        build_time=root.text(2),
        target=root.text(8),
        weights=tuple(_weight(table) for table in root.tables(5)),
        programs=programs,
        sections=_sections(root.tables(7), data),
    )


def _program(table: Table) -> Program:
    neuron_bytes = table.unsigned(1)
    return Program(
        batch=table.unsigned(0),
        neuron_bytes=neuron_bytes,
        private_bytes=table.unsigned(7),
        shared_bytes=table.unsigned(6),
        inputs=table.texts(2),
        outputs=table.texts(3),
        routines=tuple(_routine(entry) for entry in table.tables(5)),
        tensors=tuple(_mapped(entry, old=neuron_bytes > 0) for entry in table.tables(4)),
    )


def _routine(table: Table) -> Routine:
    on_tpu = table.unsigned(0, 1) == 0
    details = table.table(3 if on_tpu else 4)
    if details is None:
        raise ValueError("a routine does not say what it runs")
    runs = details.text(0) or details.text(1) if on_tpu else details.text(0)
    return Routine("tpu" if on_tpu else "cpu", table.texts(1), table.texts(2), runs)


def _mapped(table: Table, *, old: bool) -> MappedTensor:
    """Read a tensor with its address, as sophgo/cviruntime `tool/cvimodel_tool.cpp` does.

    Before version 1.1 (`old`) there was no shared memory.
    """
    address = table.int64(2)
    kind = address >> _ADDRESS_BITS & 7
    if address == _NO_MEMORY:
        memory = "none"
    elif kind > 2:
        memory = "io"
    else:
        memory = "private" if kind == 2 or old else "shared"
    offset = None if address == _NO_MEMORY else address & _OFFSET_MASK
    return MappedTensor(table.unsigned(0), _tensor(table), memory, offset)


def _tensor(table: Table) -> Tensor:
    quant = table.table(6)
    return Tensor(
        name=table.text(1),
        shape=_shape(table.table(4)),
        dtype=_dtype(table.unsigned(3, 1)),
        qscale=quant.float32(4) if quant else 0.0,
        pixel_format=table.text(10),
        aligned=table.flag(11),
    )


def _weight(table: Table) -> Weight:
    return Weight(
        name=table.text(0),
        offset=table.int64(1) & _OFFSET_MASK,
        size=table.unsigned(2),
        dtype=_dtype(table.unsigned(4, 1)),
        shape=_shape(table.table(3)),
    )


def _shape(table: Table | None) -> tuple[int, ...]:
    dims = table.longs(0) if table else ()
    if len(dims) > _MOST_DIMENSIONS or any(not 0 <= dim < 1 << 31 for dim in dims):
        raise ValueError("an impossible shape")
    return dims


def _dtype(number: int) -> str:
    if number >= len(_DTYPES):
        raise ValueError("unknown element type")
    return _DTYPES[number]


def _sections(tables: list[Table], data: memoryview) -> tuple[Section, ...]:
    found: list[Section] = []
    left = len(data)
    for table in tables:
        kind, size, offset = table.unsigned(0, 1), table.unsigned(2), table.unsigned(3)
        left -= size
        if offset + size > len(data) or left < 0:
            raise ValueError("the sections overlap or run past the end")
        found.append(
            Section(
                kind=_SECTIONS[kind] if kind < len(_SECTIONS) else f"type {kind}",
                name=table.text(1),
                size=size,
                offset=offset,
                encrypted=table.flag(4),
                compressed=table.flag(5),
                md5=_md5(data[offset : offset + size]),
            )
        )
    return tuple(found)
