"""Clearing the demand for an executable stack from a library; other links to it keep theirs."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from recam_deploy.toolchain.elf import clear_executable_stack, executable_stack_flags

PT_LOAD, PT_GNU_STACK = 1, 0x6474E551
READ_WRITE, READ_WRITE_EXECUTE = 6, 7


def library(stack: int | None, *, elf_class: int = 2) -> bytes:
    """A 64-bit ELF file with a PT_LOAD and, unless `stack` is None, a PT_GNU_STACK header."""
    headers = [(PT_LOAD, 5)] + ([(PT_GNU_STACK, stack)] if stack is not None else [])
    ident = b"\x7fELF" + bytes([elf_class, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, len(headers), 0, 0, 0)
    entries = b"".join(struct.pack("<IIQQQQQQ", *entry, 0, 0, 0, 0, 0, 16) for entry in headers)
    return ident + header + entries + b"code" * 50


def test_the_flag_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(library(READ_WRITE_EXECUTE))
    path.chmod(0o755)
    assert clear_executable_stack(path)
    assert path.read_bytes() == library(READ_WRITE)
    assert path.stat().st_mode & 0o777 == 0o755
    assert [entry.name for entry in tmp_path.iterdir()] == ["lib.so"]


def test_another_link_to_the_file_keeps_its_bytes(tmp_path: Path) -> None:
    cached, linked = tmp_path / "cached.so", tmp_path / "linked.so"
    cached.write_bytes(library(READ_WRITE_EXECUTE))
    os.link(cached, linked)
    assert clear_executable_stack(linked)
    assert cached.read_bytes() == library(READ_WRITE_EXECUTE)


@pytest.mark.parametrize(
    "data",
    [
        library(READ_WRITE),
        library(None),
        library(READ_WRITE_EXECUTE, elf_class=1),
        library(READ_WRITE_EXECUTE)[:100],
        b"\x7fELF",
        b"/* GNU ld script */ INPUT(libc.so.6)",
        b"",
    ],
)
def test_other_files_stay_as_they_are(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(data)
    assert not clear_executable_stack(path)
    assert path.read_bytes() == data


def test_the_offset_is_that_of_the_flags() -> None:
    data = library(READ_WRITE_EXECUTE)
    offset = executable_stack_flags(data)
    assert offset is not None
    assert data[offset] == READ_WRITE_EXECUTE
