"""``tpu_run.py``: its errors without a simulator; with one, its document and outputs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import DEVICE

SCRIPT = DEVICE / "on_camera" / "tpu_run.py"
MODEL = DEVICE / "virtual" / "factory" / "model.cvimodel"
IN_BYTES = 320 * 320 * 3


def run(*arguments: str | Path, libraries: str = "") -> subprocess.CompletedProcess[str]:
    """On this interpreter without site-packages, as bare as the camera's."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), *map(str, arguments)],
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def cvimodel(folder: Path, body: bytes = b"body", damage: bytes = b"") -> Path:
    """A file whose header is right, and nothing after it is."""
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    header = b"CviModel" + len(body).to_bytes(4, "little") + b"\x01\x04" + digest
    file = folder / "m.cvimodel"
    file.write_bytes(header.ljust(30) + b"cv181x".ljust(16, b"\0") + b"\0\0" + body + damage)
    return file


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("tpu_run: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    assert "cannot load libcviruntime.so" in one_line(run(cvimodel(tmp_path), "--info"))


def test_a_library_without_the_functions_is_refused(tmp_path: Path, hollow_libraries: Path) -> None:
    done = run(cvimodel(tmp_path), "--info", libraries=str(hollow_libraries))
    assert "not a cviruntime library" in one_line(done)


@pytest.mark.parametrize("content", [b"", b"CviModel", b"x" * 100])
def test_what_is_no_cvimodel_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "m.cvimodel"
    file.write_bytes(content)
    assert "is not a cvimodel" in one_line(run(file, "--info"))


def test_damage_is_found_by_the_headers_md5(tmp_path: Path) -> None:
    assert "truncated or damaged" in one_line(run(cvimodel(tmp_path, damage=b"!"), "--info"))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    assert "cannot read the model" in one_line(run(tmp_path / "nothing", "--info"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to run"),
        (["--input", "x"], "--output-dir is missing"),
        (["--input", "x", "--output-dir", "o", "--repeat", "0"], "--repeat"),
        (["--inputs-list", "/no/list", "--output-dir", "o"], "cannot read the list"),
        (["--bogus"], "unrecognized arguments"),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    assert said in one_line(run(cvimodel(tmp_path), *arguments))


@pytest.mark.toolchain
def test_several_images_run_on_one_load(simulator: str, tmp_path: Path) -> None:
    info = json.loads(run(MODEL, "--info", libraries=simulator).stdout)
    (tensor,) = info["inputs"]
    assert (tensor["shape"], tensor["dtype"]) == ([1, 320, 320, 3], "uint8")
    assert info["chip"] == "cv181x"
    for name, byte in (("black", b"\0"), ("white", b"\xff")):
        (tmp_path / name).write_bytes(byte * tensor["bytes"])
    (tmp_path / "list").write_text(f"{tmp_path}/white\n{tmp_path}/black\n", encoding="utf-8")
    done = run(
        *(MODEL, "--input", tmp_path / "black", "--inputs-list", tmp_path / "list"),
        *("--output-dir", tmp_path / "out", "--progress"),
        libraries=simulator,
    )
    document = json.loads(done.stdout)
    assert [len(image["forward_ms"]) for image in document["images"]] == [1, 1, 1]
    outputs = [
        [Path(file).read_bytes() for file in image["outputs"]] for image in document["images"]
    ]
    sizes = [output["bytes"] for output in document["outputs"]]
    assert len(sizes) == 6
    assert [[len(data) for data in image] for image in outputs] == [sizes] * 3
    assert outputs[0] == outputs[2] != outputs[1]
    assert "tpu_run: image 3/3\n" in done.stderr


@pytest.mark.toolchain
def test_tensors_inside_the_model_are_outputs_when_asked_for(
    simulator: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(bytes(IN_BYTES))
    tensors = {}
    for option in ((), ("--every-tensor",)):
        words = (MODEL, "--input", tmp_path / "in", "--output-dir", tmp_path / str(len(option)))
        document = json.loads(run(*words, *option, libraries=simulator).stdout)
        files = document["images"][0]["outputs"]
        names = [output["name"] for output in document["outputs"]]
        tensors[len(option)] = {
            name: Path(file).read_bytes() for name, file in zip(names, files, strict=True)
        }
    assert len(tensors[1]) > len(tensors[0]) == 6
    assert tensors[0].items() <= tensors[1].items()


@pytest.mark.toolchain
def test_an_input_of_the_wrong_size_is_refused(simulator: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"abc")
    done = run(
        *(MODEL, "--input", tmp_path / "in", "--output-dir", tmp_path / "out"),
        libraries=simulator,
    )
    assert done.returncode == 1
    assert f"has 3 bytes, the input images_raw takes {IN_BYTES}" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [["--packed", "a"], ["--packed-output", "b"], ["--packed", "a", "--packed-output", "b"]],
    ids=["no output", "no input", "other inputs"],
)
def test_packed_files_go_together_and_alone(tmp_path: Path, arguments: list[str]) -> None:
    more = ["--input", "x", "--output-dir", "o"]
    assert "--packed goes with --packed-output" in one_line(
        run(cvimodel(tmp_path), *arguments, *more)
    )


@pytest.mark.toolchain
def test_packed_images_give_the_same_bytes_as_files_of_their_own(
    simulator: str, tmp_path: Path
) -> None:
    images = [bytes([shade]) * IN_BYTES for shade in (0, 200)]
    words: list[str | Path] = []
    for number, image in enumerate(images):
        (tmp_path / str(number)).write_bytes(image)
        words += ["--input", tmp_path / str(number)]
    run(MODEL, *words, "--output-dir", tmp_path / "out", libraries=simulator)
    (tmp_path / "in").write_bytes(b"".join(images))
    packed = ("--packed", tmp_path / "in", "--packed-output", tmp_path / "packed")
    document = json.loads(run(MODEL, *packed, libraries=simulator).stdout)
    apart = [
        (tmp_path / "out" / str(image) / f"{output}.bin").read_bytes()
        for image in range(2)
        for output in range(len(document["outputs"]))
    ]
    assert (tmp_path / "packed").read_bytes() == b"".join(apart)
    assert [len(image["forward_ms"]) for image in document["images"]] == [1, 1]


@pytest.mark.toolchain
@pytest.mark.parametrize("size", [0, IN_BYTES + 1])
def test_a_packed_file_of_no_whole_images_is_refused(
    simulator: str, tmp_path: Path, size: int
) -> None:
    (tmp_path / "in").write_bytes(bytes(size))
    words = ("--packed", tmp_path / "in", "--packed-output", tmp_path / "out")
    done = run(MODEL, *words, libraries=simulator)
    assert done.returncode == 1
    assert f"holds no whole images of {IN_BYTES} bytes" in done.stderr.splitlines()[-1]


@pytest.mark.toolchain
def test_a_packed_output_that_cannot_be_written_is_named(simulator: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(bytes(IN_BYTES))
    words = ("--packed", tmp_path / "in", "--packed-output", "/dev/full")
    done = run(MODEL, *words, libraries=simulator)
    assert done.returncode == 1
    assert "cannot use /dev/full: No space left on device" in done.stderr.splitlines()[-1]
