"""Reading a cvimodel: its header and the tensors that go in and come out.

Layout, little-endian: `CviModel`, u32 body size, two version bytes, md5[16] of everything after
the header, chip[16], padding to 48 bytes; then a FlatBuffer of the body size, then the sections'
data (weights and TPU commands). The FlatBuffer's tables are those of Sophgo's cvimodel schema;
their field numbers below were checked against files made by tpu_mlir 1.7.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError

MAGIC = b"CviModel"
HEADER_BYTES = 48
CHIP = "cv181x"

_DTYPES = ("float32", "int32", "uint32", "bfloat16", "int16", "uint16", "int8", "uint8")


@dataclass(frozen=True)
class Header:
    """What the first 48 bytes say; `md5` is of all that follows them."""

    version: str
    chip: str
    body_bytes: int
    md5: str


@dataclass(frozen=True)
class Tensor:
    """An input or output. `qscale` turns its integers into reals; 0 when it needs none."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    qscale: float
    pixel_format: str


@dataclass(frozen=True)
class CviModel:
    """A cvimodel's header, the compiler that made it, and its tensors in the file's own order."""

    header: Header
    name: str
    compiler: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the one input image, packed [1, H, W, 3] or planar [1, 3, H, W].

        Raises InputError when the input is no image.
        """
        shape = self.inputs[0].shape if len(self.inputs) == 1 else ()
        if len(shape) == 4 and shape[3] in (1, 3):
            return shape[1], shape[2]
        if len(shape) == 4 and shape[1] in (1, 3):
            return shape[2], shape[3]
        raise InputError(
            f"the cvimodel does not take one image: its input shapes are "
            f"{[list(tensor.shape) for tensor in self.inputs]}",
            "Convert it with `recam convert`, which fuses the preprocessing.",
        )


def read_header(path: Path) -> Header:
    """Read and check a cvimodel's header: magic, size and md5 of the whole file.

    Raises InputError when the file is no cvimodel, is truncated, or is damaged.
    """
    return _header(_read(path), path)


def read_model(path: Path) -> CviModel:
    """Read a cvimodel's header and tensors. Raises InputError as `read_header` does."""
    data = _read(path)
    header = _header(data, path)
    body = data[HEADER_BYTES : HEADER_BYTES + header.body_bytes]
    try:
        return _body(body, header)
    except (struct.error, IndexError, ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"{path} has a good checksum, but its description cannot be read",
            "It may come from another compiler; convert the model with `recam convert`.",
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}", "Check the path."
        ) from error


def _header(data: bytes, path: Path) -> Header:
    if not data.startswith(MAGIC):
        raise InputError(
            f"{path} is not a cvimodel", "Make one from an ONNX model with `recam convert`."
        )
    damaged = InputError(
        f"{path} is truncated or damaged ({len(data)} bytes)",
        "Copy it again from where it was made, or convert the model again.",
    )
    if len(data) < HEADER_BYTES:
        raise damaged
    body_bytes, major, minor, md5, chip = struct.unpack_from("<I2B16s16s", data, len(MAGIC))
    if len(data) < HEADER_BYTES + body_bytes or hashlib.md5(
        data[HEADER_BYTES:], usedforsecurity=False
    ).digest() != bytes(md5):
        raise damaged
    name = bytes(chip).rstrip(b"\0").decode("ascii", errors="backslashreplace")
    return Header(f"{major}.{minor}", name, body_bytes, bytes(md5).hex())


def _body(body: bytes, header: Header) -> CviModel:
    root = _Table.root(body)
    programs = root.tables(6)
    if not programs:
        raise ValueError("no program")
    tensors = {tensor.text(1): tensor for tensor in programs[0].tables(4)}

    def named(field: int) -> tuple[Tensor, ...]:
        names = programs[0].texts(field)
        if any(name not in tensors for name in names):
            raise ValueError("a tensor is named and not described")
        return tuple(_tensor(tensors[name]) for name in names)

    return CviModel(
        header=header,
        name=root.text(1),
        compiler=root.text(9),
        inputs=named(2),
        outputs=named(3),
    )


def _tensor(table: _Table) -> Tensor:
    dtype = table.byte(3)
    if not 0 <= dtype < len(_DTYPES):
        raise ValueError("unknown element type")
    shape = table.table(4)
    quant = table.table(6)
    return Tensor(
        name=table.text(1),
        shape=shape.longs(0) if shape else (),
        dtype=_DTYPES[dtype],
        qscale=quant.float32(4) if quant else 0.0,
        pixel_format=table.text(10),
    )


class _Table:
    """A FlatBuffer table whose fields are asked for by number; missing ones give empty values."""

    def __init__(self, data: bytes, position: int) -> None:
        from flatbuffers.table import Table

        self._data = data
        self._table: Any = Table(data, position)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _at(self, field: int) -> int:
        offset = int(self._table.Offset(4 + 2 * field))
        return offset + int(self._table.Pos) if offset else 0

    def byte(self, field: int) -> int:
        at = self._at(field)
        return self._data[at] if at else 0

    def float32(self, field: int) -> float:
        at = self._at(field)
        return float(struct.unpack_from("<f", self._data, at)[0]) if at else 0.0

    def text(self, field: int) -> str:
        at = self._at(field)
        return self._string(at) if at else ""

    def table(self, field: int) -> _Table | None:
        at = self._at(field)
        return _Table(self._data, int(self._table.Indirect(at))) if at else None

    def tables(self, field: int) -> list[_Table]:
        return [
            _Table(self._data, int(self._table.Indirect(at))) for at in self._elements(field, 4)
        ]

    def texts(self, field: int) -> list[str]:
        return [self._string(at) for at in self._elements(field, 4)]

    def longs(self, field: int) -> tuple[int, ...]:
        return tuple(
            int(struct.unpack_from("<q", self._data, at)[0]) for at in self._elements(field, 8)
        )

    def _elements(self, field: int, width: int) -> list[int]:
        offset = int(self._table.Offset(4 + 2 * field))
        if not offset:
            return []
        start, count = int(self._table.Vector(offset)), int(self._table.VectorLen(offset))
        if start + count * width > len(self._data):
            raise ValueError("a list runs past the end")
        return [start + width * index for index in range(count)]

    def _string(self, at: int) -> str:
        return bytes(self._table.String(at)).decode("utf-8", errors="backslashreplace")
