"""Inspecting tells the camera's own verdict on a cvimodel, and convert's on an ONNX model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from cvimodels import DATA, cvimodel_bytes, int8_tensors, write_cvimodel, yolo11_tensors
from onnx_models import detector
from typer.testing import CliRunner

from recam_deploy.cli.main import app
from recam_deploy.cvimodel import Tensor
from recam_deploy.cvimodel.family import Shape, family_of

runner = CliRunner()

SQUARE: list[Shape] = [(1, 64, 64, 3)]
CELLS = 8 * 8 + 4 * 4 + 2 * 2


def _maps(channels: int, side: int = 64) -> list[Shape]:
    return [(1, channels, side // s, side // s) for s in (8, 16, 32)]


def _turned(first: list[Shape], second: list[Shape]) -> list[Shape]:
    return [shape for pair in zip(first, second, strict=True) for shape in pair]


def _rows(width: int) -> list[Shape]:
    return [(1, count, width) for count in (64, 16, 4)]


FAMILIES: list[tuple[str, list[Shape], list[Shape], str | None]] = [
    ("interleaved DFL", SQUARE, _turned(_maps(64), _maps(80)), "yolo11-detect"),
    ("planar input", [(1, 3, 64, 64)], _turned(_maps(64), _maps(80)), "yolo11-detect"),
    ("not square", [(1, 32, 64, 3)], _turned(_maps(64), _maps(80)), "yolo11-detect"),
    ("grouped DFL", SQUARE, _maps(64) + _maps(80), "yolov8-detect"),
    ("64 classes", SQUARE, _turned(_maps(64), _maps(64)), "yolo11-detect"),
    ("grouped one-to-one", SQUARE, _maps(4) + _maps(80), "yolo26-detect"),
    ("interleaved one-to-one", SQUARE, _turned(_maps(4), _maps(80)), "yolo26-detect"),
    ("pose in three dimensions", SQUARE, [(1, 56, CELLS)], "classify"),
    ("pose in four dimensions", SQUARE, [(1, 56, CELLS, 1)], "yolo11-pose"),
    ("uncut, 4 classes", SQUARE, [(1, 8, CELLS, 1)], "yolo11-pose"),
    ("uncut, 3 classes", SQUARE, [(1, 7, CELLS, 1)], None),
    ("segmentation", SQUARE, [(1, 40, CELLS, 1), (1, 32, 16, 16)], "yolo11-seg"),
    ("masks of another size", SQUARE, [(1, 40, CELLS, 1), (1, 32, 8, 8)], None),
    ("anchors", SQUARE, [(1, 3 * CELLS, 85, 1)], "yolov5-detect"),
    ("anchors, gray", [(1, 64, 64, 1)], [(1, CELLS, 85, 1)], "yolov5-detect"),
    ("anchors, 81 classes", SQUARE, [(1, 3 * CELLS, 86, 1)], None),
    ("classes", SQUARE, [(1, 2, 1, 1)], "classify"),
    ("flat classes", SQUARE, [(1, 1000)], "classify"),
    ("one class", SQUARE, [(1, 1, 1, 1)], None),
    ("one map", SQUARE, [(1, 8, 8, 3)], "fomo"),
    ("rows of 4", SQUARE, _rows(4) + _rows(80), "rtmdet"),
    ("rows of 64", SQUARE, _rows(64) + _rows(80), "yolo-world"),
    ("key points", SQUARE, [*_rows(1), *_rows(64), (1, CELLS, 51)], "yolov8-pose"),
    ("two maps at stride 16", SQUARE, [(1, 4, 4, 3), (1, 4, 4, 12)], "nvidia-detect"),
    ("no outputs", SQUARE, [], None),
    ("two inputs", SQUARE * 2, _turned(_maps(64), _maps(80)), None),
    ("a batch", [(2, 64, 64, 3)], _turned(_maps(64), _maps(80)), None),
    ("48 pixels", [(1, 48, 48, 3)], _turned(_maps(64, 48), _maps(80, 48)), None),
    ("four channels", [(1, 64, 64, 4)], [(1, 10, 1, 1)], None),
    ("no image", [(1, 10)], [(1, 10)], None),
]


@pytest.mark.parametrize(
    ("inputs", "outputs", "family"),
    [case[1:] for case in FAMILIES],
    ids=[case[0] for case in FAMILIES],
)
def test_the_family_is_the_one_that_the_camera_takes_the_model_for(
    inputs: list[Shape], outputs: list[Shape], family: str | None
) -> None:
    assert family_of(inputs, outputs) == family


def _inspect(path: Path) -> dict[str, Any]:
    result = runner.invoke(app, ["inspect", str(path), "--json"])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.mark.parametrize(
    ("class_scale", "note"),
    [(0.5, "decoded correctly"), (0.25, "unequal scales at stride 8: the camera")],
)
def test_int8_outputs_are_shown_with_their_scales_and_what_the_camera_makes_of_them(
    tmp_path: Path, class_scale: float, note: str
) -> None:
    path = tmp_path / "m.cvimodel"
    path.write_bytes(cvimodel_bytes(*int8_tensors(0.5, class_scale)))
    outputs = _inspect(path)["outputs"]
    assert {output["dtype"] for output in outputs} == {"int8"}
    assert [output["qscale"] for output in outputs] == [0.5, class_scale, 1, 1, 1, 1]
    printed = runner.invoke(app, ["inspect", str(path)], env={"COLUMNS": "200"})
    assert note in " ".join(printed.stdout.split())


def test_a_cvimodels_document_keeps_the_contract(tmp_path: Path) -> None:
    document = _inspect(write_cvimodel(tmp_path / "m.cvimodel", size=96, classes=7))
    assert (document["kind"], document["chip"]) == ("cvimodel", "cv181x")
    assert (document["version"], document["mlir_version"]) == ("1.4.0", "v1.7")
    assert document["family"] == "yolo11-detect"
    assert document["inputs"] == [
        {"name": "images_raw", "shape": [1, 96, 96, 3], "dtype": "uint8", "qscale": 1.0}
    ]
    assert document["rows"] == "dense"
    assert document["outputs"][1] == {
        "name": "cls8",
        "shape": [1, 7, 12, 12],
        "dtype": "float32",
        "qscale": 1.0,
    }
    buffers = 96 * 96 * 3 + 4 * (64 + 7) * (12 * 12 + 6 * 6 + 3 * 3)
    assert document["ion_bytes"] == len(DATA) + 600 + 5000 + buffers
    assert [section["type"] for section in document["sections"]] == ["weight", "cmdbuf"]
    assert [weight["name"] for weight in document["weights"]] == ["filter"]
    assert len(document["tensors"]) == 7
    assert document["programs"][0]["routines"][0]["runs"] == "subfunc_0"


def test_a_cvimodel_for_another_chip_has_no_family(tmp_path: Path) -> None:
    path = write_cvimodel(tmp_path / "m.cvimodel", chip="bm1684x")
    assert _inspect(path)["family"] is None
    assert "whose chip is cv181x" in runner.invoke(app, ["inspect", str(path)]).stdout


def test_people_get_every_tensor_and_weight_only_when_they_ask(tmp_path: Path) -> None:
    path = write_cvimodel(tmp_path / "m.cvimodel")
    short = runner.invoke(app, ["inspect", str(path)], env={"COLUMNS": "100"})
    full = runner.invoke(app, ["inspect", str(path), "--full"], env={"COLUMNS": "100"})
    assert (short.exit_code, full.exit_code) == (0, 0)
    for text in ("yolo11-detect", "images_raw", "subfunc_0", "RGB_PACKED", "MiB", "--full"):
        assert text in short.stdout
    assert "filter" not in short.stdout
    assert "filter" in full.stdout
    assert max(map(len, full.stdout.splitlines())) <= 100


def test_names_in_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "m.cvimodel"
    image, outputs = yolo11_tensors()
    evil = Tensor("\x1b[2J[bold]x", outputs[0].shape, "float32", 1.0, "\x1b]0;title\x07")
    path.write_bytes(cvimodel_bytes(image, [evil, *outputs[1:]]))
    shown = runner.invoke(app, ["inspect", str(path), "--full"], env={"COLUMNS": "200"}).stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[bold]x" in shown


@pytest.mark.parametrize(("side", "advised"), [(224, True), (416, True), (320, False), (64, False)])
def test_a_width_whose_rows_are_padded_is_named_with_what_it_costs(
    tmp_path: Path, side: int, advised: bool
) -> None:
    onnx.save(detector(size=side), tmp_path / "a.onnx")
    done = CliRunner().invoke(app, ["inspect", str(tmp_path / "a.onnx")])
    assert ("multiples of 64" in " ".join(done.stdout.split())) is advised


def test_an_onnx_document_keeps_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(detector(2, names={0: "cat", 1: "dog"}), path)
    document = _inspect(path)
    assert sorted(document) == [
        "assignment",
        "decoding",
        "family",
        "heads",
        "input",
        "ir_version",
        "kind",
        "labels",
        "normalised",
        "opset",
        "refusal",
    ]
    assert (document["kind"], document["ir_version"], document["opset"]) == ("onnx", 8, 17)
    assert (document["family"], document["labels"]) == ("yolo11-detect", ["cat", "dog"])
    assert document["input"] == {"name": "images", "height": 64, "width": 64}
    assert [head["stride"] for head in document["heads"]] == [8, 16, 32]
    assert document["refusal"] is None
    shown = runner.invoke(app, ["inspect", str(path)], env={"COLUMNS": "100"}).stdout
    assert "2: cat, dog" in shown
    assert shown.index("head8_box") < shown.index("head8_cls") < shown.index("head16_box")


@pytest.mark.parametrize("names", [{}, {0: "only one"}], ids=["no names", "too few names"])
def test_a_model_without_its_names_is_described_all_the_same(
    tmp_path: Path, names: dict[int, str]
) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(detector(3, names=names), path)
    document = _inspect(path)
    assert (document["family"], document["labels"]) == ("yolo11-detect", [])
    assert document["input"] == {"name": "images", "height": 64, "width": 64}
    assert document["refusal"]["reason"]
    assert "--labels" in document["refusal"]["hint"]
    shown = " ".join(runner.invoke(app, ["inspect", str(path)]).stdout.split())
    assert "3, without names" in shown
    assert "would accept it with class names" in shown
    assert "Give 3 names with --labels" in shown


def test_a_model_that_the_camera_cannot_run_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(detector(inputs={"images": [1, 3, 64, 96]}), path)
    document = _inspect(path)
    assert document["family"] is None
    assert "96×64" in document["refusal"]["reason"]
    shown = runner.invoke(app, ["inspect", str(path)])
    assert shown.exit_code == 0
    assert "would refuse it" in shown.stdout


BAD_FILES: list[tuple[str, str, bytes]] = [
    ("text", "m.onnx", b"hello"),
    ("empty", "m.onnx", b""),
    ("empty cvimodel", "m.cvimodel", b""),
    ("cut cvimodel", "m.cvimodel", cvimodel_bytes(*yolo11_tensors())[:-9]),
    ("cut cvimodel of another name", "model", cvimodel_bytes(*yolo11_tensors())[:200]),
    ("cut onnx", "m.onnx", detector().SerializeToString()[:-100]),
]


@pytest.mark.parametrize(
    ("name", "content"),
    [case[1:] for case in BAD_FILES],
    ids=[case[0] for case in BAD_FILES],
)
def test_a_damaged_file_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = runner.invoke(app, ["inspect", str(path), "--json"])
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert error["kind"] == "input"
    assert error["hint"]


@pytest.mark.parametrize("name", ["none.onnx", "none.cvimodel", "."])
def test_what_is_no_file_is_an_error(tmp_path: Path, name: str) -> None:
    result = runner.invoke(app, ["inspect", str(tmp_path / name), "--json"])
    assert result.exit_code == 1
    assert "cannot be read" in json.loads(result.stdout)["error"]["message"]


def test_inspect_explains_itself() -> None:
    result = runner.invoke(app, ["inspect", "--help"], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    assert "--full" in result.stdout
    assert "--json" in result.stdout


def test_case_32_what_the_camera_makes_of_a_model_of_another_recipe_is_said(
    tmp_path: Path,
) -> None:
    inputs, outputs = yolo11_tensors()
    path = tmp_path / "m.cvimodel"
    for shapes, words in (
        (
            (
                Tensor("o", (1, 64, 84, 1), "float32", 1.0, ""),
                Tensor("p", (1, 3, 84), "float32", 1.0, ""),
            ),
            "MaixCAM",
        ),
        ((*outputs[0::2], *outputs[1::2]), "three boxes and then three classes"),
        (outputs, ""),
    ):
        path.write_bytes(cvimodel_bytes(inputs, shapes))
        printed = runner.invoke(app, ["inspect", str(path), "--json"])
        json.loads(printed.stdout)
        assert words in printed.stderr
        assert bool(printed.stderr) == bool(words)
