"""Only the ONNX model that a cvimodel was made from is compared with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from cvimodels import cvimodel_bytes, int8_tensors, write_cvimodel
from onnx_models import detector
from typer.testing import CliRunner

from recam_deploy.artifact import Artifact, load_artifact, sha256_of
from recam_deploy.cli.main import app
from recam_deploy.errors import InputError
from recam_deploy.network.model import RAW, Preprocessing
from recam_deploy.report.subject import find_float_model, read_subject


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(detector(), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.fixture
def artifact(tmp_path: Path, model: Path) -> Artifact:
    bare = load_artifact(write_cvimodel(tmp_path / "m.cvimodel"))
    return made_from(bare, {"file": "m.onnx", "sha256": sha256_of(model)})


def made_from(artifact: Artifact, source: Any) -> Artifact:
    return replace(artifact, provenance={"sources": {"model": source}})


def test_the_model_is_found_beside_the_manifest(artifact: Artifact, model: Path) -> None:
    assert find_float_model(artifact, None, [model.parent / "none", model.parent]) == model


def test_the_one_with_the_right_sha256_is_taken(artifact: Artifact, model: Path) -> None:
    other = model.parent / "other"
    other.mkdir()
    (other / "m.onnx").write_bytes(b"another one")
    assert find_float_model(artifact, None, [other, model.parent]) == model


@pytest.mark.parametrize("given", [True, False])
def test_another_model_is_refused(artifact: Artifact, model: Path, given: bool) -> None:
    onnx.save(detector(classes=2), model)
    with pytest.raises(InputError, match="sha256 differs"):
        find_float_model(artifact, model if given else None, [model.parent])


def test_without_a_sha256_any_model_is_taken(artifact: Artifact, model: Path) -> None:
    onnx.save(detector(classes=2), model)
    assert find_float_model(made_from(artifact, {"file": "m.onnx"}), None, [model.parent]) == model
    assert find_float_model(made_from(artifact, None), model, []) == model


@pytest.mark.parametrize("source", [None, 3, {}, {"file": 3}, {"file": "../m.onnx"}, {"file": ""}])
def test_a_manifest_that_names_no_file_needs_the_flag(artifact: Artifact, source: object) -> None:
    with pytest.raises(InputError) as caught:
        find_float_model(made_from(artifact, source), None, [artifact.cvimodel.parent])
    assert "--model" in caught.value.hint


def test_an_exported_model_that_is_gone_is_exported_again(artifact: Artifact) -> None:
    sources = artifact.provenance["sources"] | {"original": {"files": [{"file": "things.pt"}]}}
    exported = replace(artifact, provenance={"sources": sources})
    with pytest.raises(InputError) as caught:
        find_float_model(exported, None, [])
    assert "exported from things.pt" in caught.value.hint


def test_a_model_that_is_nowhere_needs_the_flag(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither beside it") as caught:
        find_float_model(artifact, None, [tmp_path / "none"])
    assert "--model" in caught.value.hint
    with pytest.raises(InputError, match="does not exist"):
        find_float_model(artifact, tmp_path / "none.onnx", [])


def test_both_models_are_read(artifact: Artifact, model: Path) -> None:
    subject = read_subject(artifact, model)
    assert subject.network.labels == ("class 0", "class 1", "class 2")
    assert subject.ion_bytes > 0


@pytest.mark.parametrize(("class_scale", "accepted"), [(0.5, True), (0.25, False)])
def test_int8_outputs_are_compared_where_the_camera_reads_them_right(
    artifact: Artifact, model: Path, class_scale: float, accepted: bool
) -> None:
    inputs, outputs = int8_tensors(0.5, class_scale)
    artifact.cvimodel.write_bytes(cvimodel_bytes(inputs, outputs))
    again = made_from(load_artifact(artifact.cvimodel), None)
    if accepted:
        assert read_subject(again, model).artifact == again
        return
    with pytest.raises(InputError, match=r"scale of the classes at stride 8 is 0.25, not 0.5"):
        read_subject(again, model)


def test_models_that_do_not_fit_together_are_refused(artifact: Artifact, model: Path) -> None:
    onnx.save(detector(classes=2), model)
    with pytest.raises(InputError, match="cannot be compared"):
        read_subject(artifact, model)
    with pytest.raises(InputError, match="of the family classify"):
        read_subject(replace(artifact, family="classify"), model)


PREPROCESSING = {
    "mean": [1.0, 2.0, 3.0],
    "scale": [0.5, 0.25, 1.0],
    "pixel_format": "bgr",
    "keep_aspect_ratio": False,
    "resize_dims": None,
}


def raw(artifact: Artifact, preprocessing: Any) -> Artifact:
    return replace(artifact, family=RAW, provenance={"preprocessing": preprocessing})


def test_a_raw_network_is_fed_as_its_manifest_says(artifact: Artifact, model: Path) -> None:
    heads = detector(style="cut")
    ordered = sorted(heads.graph.output, key=lambda output: output.name)
    del heads.graph.output[:]
    by_scale = sorted(ordered, key=lambda o: (-o.type.tensor_type.shape.dim[2].dim_value, o.name))
    heads.graph.output.extend(by_scale)
    onnx.save(heads, model)
    network = read_subject(raw(artifact, PREPROCESSING), model).network
    assert network.preprocessing == Preprocessing(
        (1.0, 2.0, 3.0), (0.5, 0.25, 1.0), "bgr", keep_aspect_ratio=False
    )


@pytest.mark.parametrize(
    "preprocessing",
    [
        None,
        {},
        {**PREPROCESSING, "mean": "red"},
        {key: value for key, value in PREPROCESSING.items() if key != "scale"},
    ],
    ids=["none", "empty", "wrong", "missing"],
)
def test_a_raw_network_of_unknown_preprocessing_is_refused(
    artifact: Artifact, model: Path, preprocessing: Any
) -> None:
    with pytest.raises(InputError, match="does not say which preprocessing"):
        read_subject(raw(artifact, preprocessing), model)


BAD = [
    (["m.cvimodel", "--images", "none"], "none does not exist"),
    (["m.cvimodel", "--images", "empty"], "holds no pictures"),
    (["m.cvimodel", "--images", "pictures"], "no manifest names the ONNX model"),
    (["m.cvimodel", "--images", "pictures", "--report", "a.png"], ".html"),
    (["m.cvimodel", "--images", "pictures", "--report", "no/a.html"], "folder no"),
    (["m.cvimodel", "--images", "pictures", "--report", "dir.html"], "is a folder"),
    (["m.cvimodel", "--images", "pictures", "--model", "text.onnx"], "not an ONNX"),
    (["none.json", "--images", "pictures"], "does not exist"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=range(len(BAD)))
def test_bad_input_is_told_before_the_compiler_is_needed(
    tmp_path: Path,
    artifact: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    for folder in ("empty", "pictures", "dir.html"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"no picture")
    (tmp_path / "text.onnx").write_text("text")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(app, ["verify", *words, "--json"])
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert message in error["message"]
    assert error["hint"]
    assert sorted(tmp_path.rglob("*")) == before
