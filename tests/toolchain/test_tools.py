"""A tiny network through the real tools, and their real failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from recam_deploy.cvimodel import read_header, read_model
from recam_deploy.errors import CompilationError
from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain import (
    Toolchain,
    ToolCommand,
    ToolResult,
    mlir_tensors,
    read_calibration_table,
    run_tool,
)

from .tiny import OUTPUTS, SIZE, write_network, write_pictures

pytestmark = pytest.mark.toolchain

CHIP = "cv181x"


def transform(network: Path) -> ToolCommand:
    scale = ",".join(["0.00392156862745098"] * 3)
    return ToolCommand(
        "model_transform",
        (
            *("--model_name", "tiny", "--model_def", str(network)),
            *("--input_shapes", f"[[1,3,{SIZE},{SIZE}]]", "--mean", "0,0,0", "--scale", scale),
            *("--keep_aspect_ratio", "--pixel_format", "rgb", "--mlir", "tiny.mlir"),
        ),
        (Path("tiny.mlir"),),
    )


def calibrate(pictures: Path, table: str = "table") -> ToolCommand:
    return ToolCommand(
        "run_calibration",
        ("tiny.mlir", "--dataset", str(pictures), "--input_num", "3", "-o", table),
        (Path(table),),
    )


def deploy(chip: str = CHIP) -> ToolCommand:
    return ToolCommand(
        "model_deploy",
        (
            *("--mlir", "tiny.mlir", "--quantize", "INT8", "--calibration_table", "table"),
            *("--quant_input", "--processor", chip, "--fuse_preprocess"),
            *("--customization_format", "RGB_PACKED", "--model", "tiny.cvimodel"),
        ),
        (Path("tiny.cvimodel"),),
    )


def whole_cvimodel(path: Path) -> None:
    read_header(path)


def run(toolchain: Toolchain, command: ToolCommand, folder: Path) -> ToolResult:
    return run_tool(
        toolchain,
        command,
        folder,
        folder / f"{command.tool}.log",
        SilentProgress(),
        timeout=300,
        check=whole_cvimodel,
    )


@pytest.fixture(scope="module")
def work(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, with a blank and a quote in its name, after transform and calibration."""
    folder = tmp_path_factory.mktemp("user") / "Ann's models"
    folder.mkdir()
    network = write_network(folder / "tiny net.onnx")
    pictures = write_pictures(folder / "my pictures")
    run(toolchain, transform(network), folder)
    run(toolchain, calibrate(pictures), folder)
    return folder


def test_calibration_gives_a_threshold_for_every_tensor(work: Path) -> None:
    table = read_calibration_table(work / "table")
    assert set(table) == set(mlir_tensors((work / "tiny.mlir").read_text()))
    assert all(entry.threshold > 0 for entry in table.values())


def test_deploy_makes_a_cvimodel_with_the_layout_that_the_camera_takes(
    toolchain: Toolchain, work: Path
) -> None:
    result = run(toolchain, deploy(), work)
    model = read_model(work / "tiny.cvimodel")
    assert model.header.chip == CHIP
    (image,) = model.inputs
    assert (image.name, tuple(image.shape)) == ("images_raw", (1, SIZE, SIZE, 3))
    assert {out.name: tuple(out.shape) for out in model.outputs} == {
        f"{name}_Conv_f32": shape for name, shape in OUTPUTS.items()
    }
    assert result.warnings == ()
    assert "Success" in result.log.read_text()


def test_run_qtable_ends_well_without_graphviz(toolchain: Toolchain, work: Path) -> None:
    command = ToolCommand(
        "run_qtable",
        (
            *("tiny.mlir", "--dataset", str(work / "my pictures"), "--input_num", "1"),
            *("--expected_cos", "0.999999", "--calibration_table", "table", "--chip", CHIP),
            *("-o", "qtable"),
        ),
        (Path("qtable"),),
    )
    run(toolchain, command, work)
    assert "op_name" in (work / "qtable").read_text()


def test_an_operator_that_it_lacks_is_named(toolchain: Toolchain, tmp_path: Path) -> None:
    network = write_network(tmp_path / "tiny.onnx", operator="Asinh")
    with pytest.raises(CompilationError, match="'Asinh'"):
        run(toolchain, transform(network), tmp_path)


def test_a_file_that_is_no_onnx_is_said_to_be_none(toolchain: Toolchain, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.onnx"
    garbage.write_text("garbage")
    with pytest.raises(CompilationError, match="damaged or is not"):
        run(toolchain, transform(garbage), tmp_path)


def test_an_unreadable_picture_is_found(toolchain: Toolchain, work: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(CompilationError, match="picture cannot be read"):
        run(toolchain, calibrate(tmp_path, "other_table"), work)


def test_a_folder_without_pictures_is_found(
    toolchain: Toolchain, work: Path, tmp_path: Path
) -> None:
    with pytest.raises(CompilationError, match="no pictures"):
        run(toolchain, calibrate(tmp_path, "other_table"), work)


def test_a_chip_that_it_does_not_know_is_named(toolchain: Toolchain, work: Path) -> None:
    with pytest.raises(CompilationError, match="chip cv999x"):
        run(toolchain, deploy("cv999x"), work)


def test_a_layer_that_the_chip_cannot_compute_fails_by_name(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    """The code generator prints `wrong parameter`, ends with 0, and the result is noise."""
    window = {"kernel_shape": [2, 2], "strides": [32, 32]}
    network = write_network(tmp_path / "tiny.onnx", "MaxPool", window)
    run(toolchain, transform(network), tmp_path)
    run(toolchain, calibrate(write_pictures(tmp_path / "pictures")), tmp_path)
    with pytest.raises(CompilationError, match=r"layer r0_MaxPool .*stride 32×32") as caught:
        run(toolchain, deploy(), tmp_path)
    assert "at most 31" in caught.value.hint
