"""Read a FlatBuffer from an untrusted file, without generated code."""

from __future__ import annotations

import math
import struct
from typing import Any

ERRORS = (struct.error, IndexError, ValueError, TypeError, OverflowError)
"""The exceptions that reading a malformed buffer raises."""


_TABLE_BYTES = 16
"""The least bytes of a table with any content, about."""


class Buffer:
    """The bytes, and the number of bytes that may still be read from them.

    Tables can share parts, so a small file could describe any amount of data. Regular files hardly
    share: reading is limited to a multiple of the size.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = 4 * len(data) + 4096

    def spend(self, nbytes: int) -> None:
        """Count bytes that are read. Raises ValueError when they are too many."""
        self._left -= nbytes
        if self._left < 0:
            raise ValueError("the tables share bytes too often")

    def root(self) -> Table:
        """Return the outermost table."""
        return Table(self, struct.unpack_from("<I", self.data)[0])


class Table:
    """A table, whose fields are read by number; missing fields give 0 or empty values.

    All methods raise one of `ERRORS` when the bytes are malformed.
    """

    def __init__(self, buffer: Buffer, position: int) -> None:
        from flatbuffers.table import Table as FlatTable

        buffer.spend(_TABLE_BYTES)
        self._buffer = buffer
        self._data = buffer.data
        self._table: Any = FlatTable(buffer.data, position)

    def unsigned(self, field: int, nbytes: int = 4) -> int:
        """Read an unsigned integer of 1 or 4 bytes."""
        return int(self._number(field, {1: "<B", 4: "<I"}[nbytes]))

    def flag(self, field: int) -> bool:
        """Read a boolean."""
        return bool(self._number(field, "<B"))

    def int64(self, field: int) -> int:
        """Read a signed integer of 8 bytes."""
        return int(self._number(field, "<q"))

    def float32(self, field: int) -> float:
        """Read a finite float of 4 bytes."""
        value = float(self._number(field, "<f"))
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
        return value

    def struct_bytes(self, field: int, count: int) -> tuple[int, ...]:
        """Read a struct of `count` bytes; empty when it is missing."""
        at = self._at(field)
        return struct.unpack_from(f"<{count}B", self._data, at) if at else ()

    def text(self, field: int) -> str:
        """Read a string; bytes that are not UTF-8 become escapes."""
        at = self._at(field)
        return self._string(at) if at else ""

    def table(self, field: int) -> Table | None:
        """Read an inner table; None when it is missing."""
        at = self._at(field)
        return self._table_at(at) if at else None

    def tables(self, field: int) -> list[Table]:
        """Read a list of tables."""
        return [self._table_at(at) for at in self._elements(field, 4)]

    def texts(self, field: int) -> tuple[str, ...]:
        """Read a list of strings."""
        return tuple(self._string(at) for at in self._elements(field, 4))

    def longs(self, field: int) -> tuple[int, ...]:
        """Read a list of signed 64-bit integers."""
        return tuple(
            int(struct.unpack_from("<q", self._data, at)[0]) for at in self._elements(field, 8)
        )

    def ints(self, field: int) -> tuple[int, ...]:
        """Read a list of signed 32-bit integers."""
        return tuple(
            int(struct.unpack_from("<i", self._data, at)[0]) for at in self._elements(field, 4)
        )

    def count(self, field: int) -> int:
        """Return the number of elements in a list of 32-bit values."""
        return len(self._elements(field, 4))

    def _at(self, field: int) -> int:
        offset = int(self._table.Offset(4 + 2 * field))
        return offset + int(self._table.Pos) if offset else 0

    def _number(self, field: int, code: str) -> Any:
        at = self._at(field)
        return struct.unpack_from(code, self._data, at)[0] if at else 0

    def _table_at(self, at: int) -> Table:
        return Table(self._buffer, int(self._table.Indirect(at)))

    def _elements(self, field: int, width: int) -> list[int]:
        offset = int(self._table.Offset(4 + 2 * field))
        if not offset:
            return []
        start, count = int(self._table.Vector(offset)), int(self._table.VectorLen(offset))
        if start + count * width > len(self._data):
            raise ValueError("a list runs past the end")
        self._buffer.spend(count * width)
        return [start + width * index for index in range(count)]

    def _string(self, at: int) -> str:
        start = at + int(struct.unpack_from("<I", self._data, at)[0])
        length = int(struct.unpack_from("<I", self._data, start)[0])
        if start + 4 + length > len(self._data):
            raise ValueError("a text runs past the end")
        self._buffer.spend(length)
        text = self._data[start + 4 : start + 4 + length]
        return text.decode("utf-8", errors="backslashreplace")
