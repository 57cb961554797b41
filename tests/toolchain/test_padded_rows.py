"""Rows as the camera delivers them, at a width whose rows are no multiple of 64 bytes.

The network's outputs are maps, so rows that slide show in them.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from virtual.sscma.engine import Engine
from virtual.sscma.input_image import Format, InputImage, frame_bytes, input_bytes
from virtual.sscma.resident import load

from recam_deploy.conversion.commands import deploy_command
from recam_deploy.conversion.options import DeployOptions
from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain import Toolchain, ToolCommand, run_tool
from recam_deploy.toolchain.simulator import Simulator

from .test_tools import calibrate, transform
from .tiny import SIZE, write_network, write_pictures

pytestmark = pytest.mark.toolchain

PICTURE: NDArray[np.uint8] = np.random.default_rng(5).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
FLAG = "--aligned_input"
NAMES = ("aligned", "dense")


def compile_tiny(toolchain: Toolchain, folder: Path, name: str, *, aligned: bool) -> Path:
    """Compile the folder's network as the product does, with or without the flag."""
    product = deploy_command("int8", DeployOptions(), None)
    words = [word for word in product.arguments if aligned or word != FLAG]
    files = {"network.mlir": "tiny.mlir", "calibration_table": "table", "network.cvimodel": name}
    arguments = tuple(files.get(word, word) for word in words)
    command = ToolCommand("model_deploy", arguments, (Path(name),))
    run_tool(toolchain, command, folder, folder / f"{name}.log", SilentProgress())
    return folder / name


@pytest.fixture(scope="module")
def built(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    run_tools = [
        transform(write_network(folder / "tiny.onnx")),
        calibrate(write_pictures(folder / "pictures")),
    ]
    for command in run_tools:
        run_tool(toolchain, command, folder, folder / "log", SilentProgress())
    compile_tiny(toolchain, folder, "aligned.cvimodel", aligned=True)
    compile_tiny(toolchain, folder, "dense.cvimodel", aligned=False)
    return folder


def simulated(toolchain: Toolchain, model: Path) -> list[NDArray[np.float32]]:
    (outputs,) = Simulator(toolchain).run(model, [PICTURE], SilentProgress())
    return outputs


def live(toolchain: Toolchain, model: Path, *, video: bool = True) -> list[NDArray[np.float32]]:
    """Run the picture as the virtual camera does: live, or as `sscma-model`."""

    async def go() -> list[NDArray[np.float32]]:
        libraries = os.pathsep.join(map(str, toolchain.simulator_libraries))
        engine = Engine(libraries, model.with_suffix(".log"), model.parent)
        resident = await load(engine, model)
        try:
            fill = frame_bytes if video else input_bytes
            image = InputImage(PICTURE.shape[1], PICTURE.shape[0], Format.PACKED)
            return (await resident.run(fill(resident.model, image, PICTURE))).arrays
        finally:
            await resident.close()

    return asyncio.run(go())


def same(a: list[NDArray[np.float32]], b: list[NDArray[np.float32]]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_model_built_for_padded_rows_sees_the_same_live_as_in_the_simulator(
    toolchain: Toolchain, built: Path
) -> None:
    model = built / "aligned.cvimodel"
    assert same(live(toolchain, model), simulated(toolchain, model))


def test_both_builds_compute_the_same_of_the_same_picture(
    toolchain: Toolchain, built: Path
) -> None:
    aligned, dense = (simulated(toolchain, built / f"{name}.cvimodel") for name in NAMES)
    assert same(aligned, dense)


def test_a_model_built_for_dense_rows_sees_a_sheared_picture_live(
    toolchain: Toolchain, built: Path
) -> None:
    model = built / "dense.cvimodel"
    assert not same(live(toolchain, model), simulated(toolchain, model))
    assert same(live(toolchain, model, video=False), simulated(toolchain, model))


def test_the_test_program_shears_what_is_right_live(toolchain: Toolchain, built: Path) -> None:
    model = built / "aligned.cvimodel"
    assert not same(live(toolchain, model, video=False), simulated(toolchain, model))
