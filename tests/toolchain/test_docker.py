"""A tiny network through the tools in Docker, as far as that goes without a Docker engine: the
stand-in checks every word and gives the inner command the environment that the image would.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from toolchain.docker_stand_in import StandIn, install

from recam_deploy import process
from recam_deploy.cvimodel import read_model
from recam_deploy.errors import CompilationError
from recam_deploy.progress import SilentProgress
from recam_deploy.resources import resource
from recam_deploy.toolchain import (
    Compiler,
    DockerToolchain,
    Toolchain,
    ToolCommand,
    ensure_docker,
    run_tool,
)

from .test_tools import deploy, transform, whole_cvimodel
from .tiny import SIZE, write_network, write_pictures

pytestmark = pytest.mark.toolchain

LIST = "images.txt"
CALIBRATE = ToolCommand(
    "run_calibration",
    ("tiny.mlir", "--data_list", LIST, "--input_num", "3", "-o", "table"),
    (Path("table"),),
)


@pytest.fixture(scope="module")
def docker(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    stand_in = install(tmp_path_factory.mktemp("docker") / "home")
    stand_in.set(toolchain=str(toolchain.root))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PATH", "STAND_IN_DOCKER"):
            patch.setenv(name, stand_in.environ[name])
        yield stand_in


@pytest.fixture(scope="module")
def compiler(docker: StandIn, tmp_path_factory: pytest.TempPathFactory) -> DockerToolchain:
    return ensure_docker(tmp_path_factory.mktemp("cache"), SilentProgress())


def run(compiler: Compiler, command: ToolCommand, folder: Path) -> None:
    run_tool(
        compiler,
        command,
        folder,
        folder.parent / "log",
        SilentProgress(),
        timeout=300,
        check=whole_cvimodel,
    )


def convert(compiler: Compiler, folder: Path) -> Path:
    """Convert the tiny network in `folder`, where the pictures are links, as recam does."""
    folder.mkdir(parents=True)
    pictures = write_pictures(folder.parent / "pictures")
    names = []
    for index, picture in enumerate(sorted(pictures.iterdir())):
        link = folder / f"picture-{index:05}.png"
        link.symlink_to(picture)
        names.append(link.name)
    (folder / LIST).write_text("".join(f"{name}\n" for name in names))
    for command in (transform(write_network(folder / "tiny.onnx")), CALIBRATE, deploy()):
        run(compiler, command, folder)
    return folder / "tiny.cvimodel"


@pytest.fixture(scope="module")
def model(compiler: DockerToolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(compiler, tmp_path_factory.mktemp("in docker") / "Ann's, work")


def simulated(compiler: Compiler, model: Path, folder: Path) -> list[bytes]:
    """The outputs of `model` for one picture of noise, by the script that the camera runs."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    (folder / "0.in").write_bytes(noise.tobytes())
    script = resource("device/on_camera/tpu_run.py")
    files: tuple[str | Path, ...] = ("--input", folder / "0.in", "--output-dir", folder / "out")
    words = (compiler.python, script, model, *files)
    with compiler.calling(words, folder, os.environ, [script, model]) as call:
        done = process.run(call.words, cwd=folder, env=call.environment, timeout=120)
    assert done.returncode == 0, done.output
    (image,) = json.loads(done.stdout)["images"]
    return [Path(file).read_bytes() for file in image["outputs"]]


def without_time(model: Path) -> bytes:
    """A cvimodel without its MD5 (bytes 14 to 29) and the time at which it was compiled."""
    return re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", b"", model.read_bytes()[30:])


def test_a_conversion_in_docker_gives_the_cvimodel_of_one_on_this_machine(
    toolchain: Toolchain, model: Path, tmp_path: Path
) -> None:
    here = convert(toolchain, tmp_path / "work")
    assert read_model(model).header.chip == "cv181x"
    assert without_time(model) == without_time(here)
    assert (model.parent / "table").read_text().splitlines()[3:] == (
        (here.parent / "table").read_text().splitlines()[3:]
    )


def test_the_simulator_in_docker_gives_the_outputs_of_the_one_on_this_machine(
    toolchain: Toolchain, compiler: DockerToolchain, model: Path, tmp_path: Path
) -> None:
    outputs = simulated(compiler, model, tmp_path / "docker")
    assert outputs == simulated(toolchain, model, tmp_path / "here")
    assert any(any(output) for output in outputs)


def test_no_container_is_left_and_every_one_had_another_name(docker: StandIn, model: Path) -> None:
    names = [call[call.index("--name") + 1] for call in docker.called("run")]
    assert len(set(names)) == len(names) >= 3
    assert docker.containers == []


def test_a_failure_of_a_tool_in_docker_is_explained(
    compiler: DockerToolchain, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(CompilationError, match="'Asinh'"):
        run(compiler, transform(write_network(folder / "tiny.onnx", operator="Asinh")), folder)
