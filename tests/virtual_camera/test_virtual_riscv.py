"""RISC-V programs in commands are given to the loader, everything else is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from virtual import riscv

LOADER = Path("/v/run")


@pytest.fixture
def folder(tmp_path: Path, riscv_program: bytes) -> Path:
    (tmp_path / "prog").write_bytes(riscv_program)
    (tmp_path / "my prog").write_bytes(riscv_program)
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "prog").write_bytes(riscv_program)
    for name in ("prog", "my prog", "sub/prog"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "plain").write_bytes(riscv_program)
    (tmp_path / "plain").chmod(0o644)
    return tmp_path


def test_only_riscv_headers_count(folder: Path, riscv_program: bytes) -> None:
    assert riscv.is_riscv(folder / "prog")
    assert not riscv.is_riscv(folder / "script")
    assert not riscv.is_riscv(folder / "missing")
    assert not riscv.is_riscv(folder)
    arm = bytearray(riscv_program)
    arm[18] = 40
    (folder / "arm").write_bytes(arm)
    assert not riscv.is_riscv(folder / "arm")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("./prog a b", "/v/run ./prog a b"),
        ("A=1 B='x y' ./prog", "A=1 B='x y' /v/run ./prog"),
        ("echo hi && ./prog; true", "echo hi && /v/run ./prog; true"),
        ("timeout -k 5 60s ./prog a", "timeout -k 5 60s /v/run ./prog a"),
        ("env A=b nice -n 5 ./prog", "env A=b nice -n 5 /v/run ./prog"),
        ("'./my prog' x", "/v/run './my prog' x"),
        ("./my\\ prog x", "/v/run ./my\\ prog x"),
        ("cd sub && ./prog", "cd sub && /v/run ./prog"),
        ("if true; then exec ./prog; fi", "if true; then exec /v/run ./prog; fi"),
        ("sha256sum ./prog", "sha256sum ./prog"),
        ("chmod +x ./prog; cp ./prog x", "chmod +x ./prog; cp ./prog x"),
        ("echo './prog'", "echo './prog'"),
        ("prog", "prog"),
        ("./script", "./script"),
        ("./plain", "./plain"),
        ("sudo -S ./prog", "sudo -S ./prog"),
        ("echo 'unbalanced", "echo 'unbalanced"),
        ("", ""),
    ],
)
def test_shell_lines(folder: Path, line: str, expected: str) -> None:
    assert riscv.in_shell(line, folder, LOADER) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["./prog", "a"], ["/v/run", "./prog", "a"]),
        (["timeout", "9", "./prog"], ["timeout", "9", "/v/run", "./prog"]),
        (["env", "A=1", "./prog"], ["env", "A=1", "/v/run", "./prog"]),
        (["sh", "-c", "./prog x"], ["sh", "-c", "/v/run ./prog x"]),
        (["cp", "./prog", "x"], ["cp", "./prog", "x"]),
        (["./my prog"], ["/v/run", "./my prog"]),
        ([], []),
    ],
)
def test_argument_lists(folder: Path, arguments: list[str], expected: list[str]) -> None:
    assert riscv.in_arguments(arguments, folder, LOADER) == expected
