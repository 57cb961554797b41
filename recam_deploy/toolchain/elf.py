"""Clearing the flag by which a shared library demands an executable stack.

onnxruntime 1.15.1 is linked with it, needlessly: an assembler file of its lacks the note that says
so. glibc 2.41 and later refuse such a library (`cannot enable executable stack as shared object
requires`), and so do hardened kernels.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

_ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_HEADER_BYTES = 64
_ENTRY_BYTES = 56
_PT_GNU_STACK = 0x6474E551
_PF_X = 1
# Every library of the environment has its program headers right behind the ELF header.
_HEAD_BYTES = 4096


def executable_stack_flags(head: bytes) -> int | None:
    """The offset of the 32-bit flags of the PT_GNU_STACK header in a file that begins with `head`,
    when they demand an executable stack; else None, also for what is no 64-bit ELF file.

    ELF-64 Object File Format, version 1.5: `e_phoff` at 32, `e_phnum` at 56, entries of 56 bytes.
    """
    if not head.startswith(_ELF64_LITTLE_ENDIAN) or len(head) < _HEADER_BYTES:
        return None
    (start,) = struct.unpack_from("<Q", head, 32)
    (count,) = struct.unpack_from("<H", head, 56)
    for offset in range(start, start + count * _ENTRY_BYTES, _ENTRY_BYTES):
        if offset + 8 > len(head):
            return None
        kind, flags = struct.unpack_from("<II", head, offset)
        if kind == _PT_GNU_STACK:
            return int(offset) + 4 if flags & _PF_X else None
    return None


def clear_executable_stack(library: Path) -> bool:
    """Clear the flag in `library` and return True; False when it was not set.

    The file is replaced, not changed: it may be a link into uv's cache.
    """
    with library.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    offset = executable_stack_flags(head)
    if offset is None:
        return False
    (flags,) = struct.unpack_from("<I", head, offset)
    copy = library.with_name(f"{library.name}.copy")
    shutil.copy(library, copy)
    with copy.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack("<I", flags & ~_PF_X))
    copy.replace(library)
    return True
