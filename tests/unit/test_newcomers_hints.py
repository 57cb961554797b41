"""What a newcomer's first wrong turns are answered with."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from recam_deploy.class_names import read_labels, refuse_other_count
from recam_deploy.cli.main import app
from recam_deploy.errors import InputError
from recam_deploy.extras import install_extra
from recam_deploy.network.reading import read_network
from recam_deploy.picture_sets.sources import find_pictures

MODEL = Path(__file__).resolve().parents[1] / "models" / "yolo11-shapes-192.onnx"


def test_a_missing_extra_is_installed_for_this_python_from_where_recam_came() -> None:
    words = shlex.split(install_extra("heic"))
    assert sys.executable in words
    assert words[-1].endswith("[heic]")
    origin = words[-1].removesuffix("[heic]")
    assert origin == "recam-deploy" or (Path(origin) / "pyproject.toml").is_file()


def test_a_model_without_names_points_to_the_data_yaml(tmp_path: Path) -> None:
    model = onnx.load(MODEL)
    kept = {p.key: p.value for p in model.metadata_props if p.key != "names"}
    onnx.helper.set_model_props(model, kept)
    onnx.save(model, tmp_path / "best.onnx")
    with pytest.raises(InputError, match="no class names") as caught:
        read_network(tmp_path / "best.onnx")
    assert "5 names" in caught.value.hint
    assert "data.yaml" in caught.value.hint


@pytest.mark.parametrize("files", [["data.yaml", "README.txt"], ["README.txt"], []])
def test_a_folder_given_as_labels_points_to_its_file(tmp_path: Path, files: list[str]) -> None:
    for name in files:
        (tmp_path / name).write_text("names: [a]\n")
    with pytest.raises(InputError, match="is a folder") as caught:
        read_labels(tmp_path)
    wanted = str(tmp_path / "data.yaml") if "data.yaml" in files else "Give a file"
    assert wanted in caught.value.hint


def test_a_folder_of_label_files_points_to_its_pictures(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(InputError, match=r"1 \.txt") as caught:
        find_pictures(tmp_path / "labels")
    assert str(tmp_path / "images") in caught.value.hint


@pytest.mark.parametrize(
    ("names", "count", "said"),
    [
        (["a"], 5, "1 class name is given (a), and m.onnx has 5 classes"),
        (["a", "b"], 1, "2 class names are given (a, b), and m.onnx has 1 class"),
    ],
)
def test_a_wrong_number_of_names_is_told_in_singular_and_plural(
    names: list[str], count: int, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        refuse_other_count(names, count, (), "m.onnx")
    assert caught.value.message == said


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("my flow.json", "--flow 'my flow.json'"),
        ("detections", "--template detections"),
        ("best_int8.cvimodel", "--model"),
    ],
)
@pytest.mark.parametrize("command", ["push", "diff"])
def test_a_word_without_its_flag_points_to_the_flag(command: str, word: str, said: str) -> None:
    done = CliRunner().invoke(app, ["flow", command, word], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert said in done.output


def test_another_word_beside_the_flags_is_only_named() -> None:
    done = CliRunner().invoke(app, ["flow", "push", "what"], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert "extra argument(s) (what)" in done.output
