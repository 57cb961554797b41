"""The plan says which steps run again, and how the compiler is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors
from networks import a_network

from recam_deploy.conversion.calibration import (
    CalibrationSet,
)
from recam_deploy.conversion.layout_check import check_layout
from recam_deploy.conversion.options import (
    CalibrationOptions,
    CheckPicture,
    ConversionOptions,
    DeployOptions,
    TransformOptions,
)
from recam_deploy.conversion.plan import ConversionPlan, choose_quantization, plan_conversion
from recam_deploy.conversion.work_folder import finish_search
from recam_deploy.cvimodel import CviModel, Tensor, read_model
from recam_deploy.errors import CompilationError, InputError, VerificationError
from recam_deploy.mixed_precision.options import SearchOptions
from recam_deploy.network.float_model import normalized
from recam_deploy.network.model import Network, NetworkInput, Preprocessing

NETWORK = a_network(
    family="yolo11-detect",
    cut_at=("b8", "c8", "b16", "c16", "b32", "c32"),
    output_shapes=tuple((1, c, g, g) for g in (8, 4, 2) for c in (64, 3)),
    classes=3,
    labels=("a", "b", "c"),
)
PICTURES = CalibrationSet(Path("d"), ((Path("d/1.jpg"), "11"), (Path("d/2.jpg"), "22")))
STEPS = ("prepare", "transform", "calibrate", "compile", "verify")


def planned(
    network: Network = NETWORK,
    pictures: CalibrationSet = PICTURES,
    release: str = "1.7",
    quantization: str = "int8",
    **options: Any,
) -> ConversionPlan:
    return plan_conversion(
        network,
        pictures,
        ConversionOptions(**options),
        quantization=quantization,
        tpu_mlir=release,
    )


def changed(plan: ConversionPlan) -> list[str]:
    base = planned()
    return [s for s in STEPS if getattr(plan, s) != getattr(base, s)]


def test_only_what_an_input_reaches_runs_again() -> None:
    other_pictures = CalibrationSet(Path("d"), ((Path("d/1.jpg"), "99"), (Path("d/2.jpg"), "22")))
    moved = CalibrationSet(Path("e"), ((Path("e/a.jpg"), "11"), (Path("e/b.jpg"), "22")))
    assert changed(planned()) == []
    assert changed(planned(replace(NETWORK, labels=("x", "y", "z")))) == []
    assert changed(planned(pictures=moved)) == []
    assert changed(planned(verify_images=2)) == ["verify"]
    assert changed(planned(pictures=other_pictures)) == ["calibrate", "compile", "verify"]
    assert changed(planned(release="1.8")) == list(STEPS[1:])
    assert changed(planned(replace(NETWORK, sha256="bb"))) == list(STEPS)


def test_a_model_taken_for_another_family_shares_no_step() -> None:
    """YOLOv5's boxes are divided by the input's side, those of a raw network are not; and what was
    checked as numbers alone says nothing of detections."""
    yolov5 = replace(NETWORK, family="yolov5-detect", cut_at=("output0",))
    raw = replace(yolov5, family="raw")
    for quantization in ("int8", "bf16"):
        one, other = (planned(n, quantization=quantization) for n in (yolov5, raw))
        assert one.prepare.key != other.prepare.key
        assert one.compile.key != other.compile.key
        assert one.verify.key != other.verify.key


def test_another_precision_keeps_the_translation_and_the_calibration() -> None:
    mixed = planned(quantization="mixed", quantize_table="a BF16\n")
    assert changed(mixed) == ["compile", "verify"]
    assert "--quantize_table" in mixed.commands[-1].arguments
    other = planned(quantization="mixed", quantize_table="b BF16\n")
    assert other.compile.key != mixed.compile.key


def test_bf16_needs_no_calibration() -> None:
    plan = planned(quantization="bf16")
    assert plan.calibrate is None
    assert [command.tool for command in plan.commands] == ["model_transform", "model_deploy"]
    assert plan.commands[-1].option("--quantize") == "BF16"
    assert "--calibration_table" not in plan.commands[-1].arguments


POSE = replace(NETWORK, family="yolo11-pose", float_tail=("x",))


@pytest.mark.parametrize(
    ("network", "wanted", "table", "chosen"),
    [
        (NETWORK, "auto", None, "int8"),
        (NETWORK, "f16", None, "bf16"),
        (NETWORK, "bf16", None, "bf16"),
        (NETWORK, "auto", "a BF16", "mixed"),
        (NETWORK, "mixed", "a BF16", "mixed"),
        (POSE, "auto", None, "mixed"),
        (POSE, "int8", None, "int8"),
        (POSE, "mixed", None, "mixed"),
    ],
)
def test_the_precision_suits_the_family(
    network: Network, wanted: str, table: str | None, chosen: str
) -> None:
    assert choose_quantization(network, wanted, table) == chosen


@pytest.mark.parametrize(("wanted", "table"), [("bf16", "a BF16"), ("int8", "a BF16")])
def test_contradicting_precisions_are_refused(wanted: str, table: str | None) -> None:
    with pytest.raises(InputError):
        choose_quantization(NETWORK, wanted, table)


def test_the_cvimodel_takes_packed_rgb_and_gives_floats() -> None:
    """The camera decodes float outputs only, and feeds uint8 RGB pictures."""
    deploy = planned().commands[-1]
    assert deploy.option("--customization_format") == "RGB_PACKED"
    assert deploy.option("--quantize") == "INT8"
    assert {"--quant_input", "--fuse_preprocess", "--aligned_input"} <= set(deploy.arguments)
    assert "--quant_output" not in deploy.arguments


def test_padded_rows_are_for_square_inputs_alone() -> None:
    """Case 48: the compiler takes the height of others for their width."""
    wide = a_network(input=NetworkInput("images", 48, 64))
    assert "--aligned_input" not in planned(wide).commands[-1].arguments


def test_outputs_are_never_named_to_the_compiler() -> None:
    """It would put them in its own order."""
    assert all("--output_names" not in command.arguments for command in planned().commands)


def layout(*, classes: int = 3, chip: str = "cv181x", dtype: str = "float32") -> CviModel:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.cvimodel"
        path.write_bytes(cvimodel_bytes(*yolo11_tensors(64, classes, dtype), chip=chip))
        return read_model(path)


def test_a_right_layout_passes() -> None:
    check_layout(layout(), NETWORK)


def grouped() -> CviModel:
    model = layout()
    return replace(model, outputs=model.outputs[0::2] + model.outputs[1::2])


def planar() -> CviModel:
    image = Tensor("images", (1, 3, 64, 64), "uint8", 1.0, "RGB_PLANAR")
    return replace(layout(), inputs=(image,))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (grouped(), "shape of output"),
        (planar(), "input shape"),
        (layout(dtype="int8"), "type of output"),
        (layout(classes=4), "shape of output"),
        (layout(chip="cv183x"), "chip is cv183x"),
        (replace(layout(), outputs=layout().outputs[:5]), "number of outputs is 5, not 6"),
    ],
    ids=["grouped", "planar", "int8", "classes", "chip", "count"],
)
def test_what_the_camera_would_misread_is_refused(model: CviModel, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        check_layout(model, NETWORK)


def test_mixed_precision_without_a_table_searches_for_its_layers() -> None:
    search = SearchOptions(expected_cos=0.998, images=10)
    stock = CalibrationOptions(calibrator="stock")
    ours = planned(quantization="mixed", search=search, calibration=stock)
    tools = ["model_transform", "run_calibration", "model_deploy"]
    assert [command.tool for command in ours.commands] == tools
    assert ours.search and ours.search.command is None
    chosen = replace(search, by_compiler=True)
    by_tool = planned(quantization="mixed", search=chosen, calibration=stock)
    tools.insert(2, "run_qtable")
    assert [command.tool for command in by_tool.commands] == tools
    assert by_tool.commands[2].option("--expected_cos") == "0.998"
    assert by_tool.commands[2].option("--input_num") == "2"
    assert planned(quantization="mixed", quantize_table="a BF16\n").search is None


@pytest.mark.parametrize(
    "change", [{"expected_cos": 0.9}, {"images": 1}, {"max_float_layers": 3}, {"by_compiler": True}]
)
def test_another_search_compiles_again(change: dict[str, Any]) -> None:
    search = SearchOptions(expected_cos=0.998, images=10)
    base = planned(quantization="mixed", search=search)
    other = planned(quantization="mixed", search=replace(search, **change))
    assert base.search and other.search
    assert base.search.key != other.search.key
    assert base.compile.key != other.compile.key
    assert base.calibrate == other.calibrate


def test_a_raw_network_brings_its_own_preprocessing() -> None:
    preprocessing = Preprocessing((1.0, 2.0, 3.0), (0.5, 0.5, 0.5), "bgr")
    transform = planned(replace(NETWORK, family="raw", preprocessing=preprocessing)).commands[0]
    assert transform.option("--mean") == "1.0,2.0,3.0"
    assert transform.option("--scale") == "0.5,0.5,0.5"
    assert transform.option("--pixel_format") == "bgr"


def test_preprocessing_is_applied_in_the_networks_own_order() -> None:
    image = np.zeros((1, 1, 3), np.uint8)
    image[0, 0] = (10, 20, 30)
    values = normalized(image, Preprocessing((1.0, 2.0, 3.0), (1.0, 0.5, 2.0), "bgr"))
    assert values[0, :, 0, 0].tolist() == [29.0, 9.0, 14.0]
    assert normalized(image)[0, :, 0, 0] == pytest.approx([10 / 255, 20 / 255, 30 / 255])


def test_every_option_reaches_its_tool() -> None:
    picture = CheckPicture(Path("d/a b.PNG"), "ff")
    plan = planned(
        replace(
            NETWORK,
            family="raw",
            input=NetworkInput("images", 48, 64, channels_last=True),
            preprocessing=Preprocessing(keep_aspect_ratio=False, resize_dims=(64, 96)),
        ),
        quantization="mixed",
        transform=TransformOptions("mine", picture, (0.9, 0.8), ("a", "b")),
        calibration=CalibrationOptions("stock", tune_num=0, histogram_bin_num=1024),
        search=SearchOptions(
            expected_cos=0.99,
            images=3,
            by_compiler=True,
            min_layer_cos=0.98,
            fp_type="BF16",
            global_compare_layers=("c", "d"),
            debug_cmd="debug_log",
        ),
        deploy=DeployOptions(
            op_divide=True,
            tolerance=(0.7, 0.6),
            compare_all=True,
            excepts=("e",),
            skip_validation=True,
        ),
    )
    transform, calibrate, search, deploy = plan.commands
    assert transform.option("--model_name") == "mine"
    assert transform.option("--input_shapes") == "[[1,3,48,64]]"
    assert transform.option("--resize_dims") == "64,96"
    assert "--keep_aspect_ratio" not in transform.arguments
    assert transform.option("--test_input") == "test_input.jpg"
    assert transform.option("--tolerance") == "0.9,0.8"
    assert transform.option("--excepts") == "a,b"
    assert calibrate.option("--tune_num") == "0"
    assert calibrate.option("--histogram_bin_num") == "1024"
    assert search.option("--fp_type") == "BF16"
    assert search.option("--global_compare_layers") == "c,d"
    assert search.option("--debug_cmd") == "debug_log"
    assert deploy.option("--test_reference") == transform.option("--test_result")
    assert deploy.option("--tolerance") == "0.7,0.6"
    assert deploy.option("--excepts") == "e"
    assert {"--op_divide", "--compare_all", "--skip_validation"} <= set(deploy.arguments)


def test_the_fast_calibration_is_a_step_of_its_own_without_a_tool() -> None:
    fast, stock = planned(), planned(calibration=CalibrationOptions(calibrator="stock"))
    assert changed(stock) == ["calibrate", "compile", "verify"]
    assert [command.tool for command in fast.commands] == ["model_transform", "model_deploy"]
    other = planned(calibration=CalibrationOptions(tune_num=3))
    assert fast.calibrate and other.calibrate and fast.calibrate.key != other.calibrate.key


def test_the_compilers_own_checks_need_a_picture() -> None:
    """Without one they would not run, whatever else is set."""
    plain = planned(transform=TransformOptions(tolerance=(0.5, 0.5)), deploy=DeployOptions())
    assert plain.commands == planned().commands


def test_a_calibration_table_that_is_given_takes_the_place_of_calibrating() -> None:
    plan = planned(calibration=CalibrationOptions(table="a 1 -1 1\n"))
    assert [command.tool for command in plan.commands] == ["model_transform", "model_deploy"]
    other = planned(calibration=CalibrationOptions(table="a 2 -2 2\n"))
    assert plan.compile.key != other.compile.key
    assert plan.commands[-1].option("--calibration_table") == "calibration_table"


def test_the_layers_that_lose_most_are_kept(tmp_path: Path) -> None:
    (tmp_path / "quantize_table").write_text("# op_name quantize_mode\na BF16\nb BF16\nc BF16\n")
    (tmp_path / "full_loss_table.txt").write_text(
        "No.0   : Layer: b\tCos: 0.70\nNo.1   : Layer: c\tCos: 0.80\nNo.2 : Layer: a\tCos: 0.9\n"
    )
    finish_search(tmp_path, "", 2)
    kept = (tmp_path / "quantize_table").read_text()
    assert kept == "# op_name quantize_mode\nb BF16\nc BF16\n"


def test_a_search_that_finds_nothing_to_do_leaves_an_empty_table(tmp_path: Path) -> None:
    with pytest.raises(CompilationError, match="no quantization table"):
        finish_search(tmp_path, "something else", None)
    finish_search(tmp_path, "job success, …, no need for mix precsion", None)
    assert (tmp_path / "quantize_table").read_text().startswith("#")


def test_a_plan_names_the_files_that_no_tool_makes() -> None:
    stock = planned(calibration=CalibrationOptions(calibrator="stock"))
    assert list(stock.own_files) == ["network.onnx", "images.txt"]
    fast = planned(calibration=CalibrationOptions(calibrator="fast"))
    assert list(fast.own_files) == ["network.onnx", "calibration_table"]
    assert list(planned(quantization="bf16").own_files) == ["network.onnx"]
    given = planned(quantization="mixed", quantize_table="a BF16\n").own_files
    assert "user" in given["quantize_table"]
    ours = planned(quantization="mixed", search=SearchOptions()).own_files
    assert "recam ranks" in ours["quantize_table"]
    theirs = planned(quantization="mixed", search=SearchOptions(by_compiler=True)).own_files
    assert "quantize_table" not in theirs
    assert "head" in planned(POSE, quantization="mixed").own_files["quantize_table"]
    table = planned(calibration=CalibrationOptions(table="a 1 -1 1\n")).own_files
    assert list(table) == ["network.onnx", "calibration_table"]
