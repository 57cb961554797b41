"""An artifact is found from its manifest, its folder, or the cvimodel, and must match itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cvimodels import write_cvimodel

from recam_deploy.artifact import Artifact, TensorInfo, load_artifact, sha256_of, write_manifest
from recam_deploy.errors import InputError


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    model = write_cvimodel(tmp_path / "shapes.cvimodel")
    made = Artifact(
        cvimodel=model,
        manifest=None,
        name="shapes",
        sha256=sha256_of(model),
        size=model.stat().st_size,
        chip="cv181x",
        labels=("disc", "box", "étoile"),
        family="yolo11-detect",
        quantization="int8",
        input_size=(64, 64),
        outputs=(TensorInfo("box8", (1, 64, 8, 8), "float32"),),
        provenance={"commands": ["model_transform.py --x"]},
    )
    return write_manifest(made, tmp_path / "shapes.json")


def test_it_reads_back_as_it_was_written(artifact: Artifact, tmp_path: Path) -> None:
    for path in (tmp_path / "shapes.json", tmp_path, tmp_path / "shapes.cvimodel"):
        assert load_artifact(path) == artifact


def test_given_labels_replace_those_of_the_manifest(artifact: Artifact) -> None:
    assert load_artifact(artifact.cvimodel, ("x", "y", "z")).labels == ("x", "y", "z")


def test_case_51_given_labels_must_be_as_many_as_the_classes(artifact: Artifact) -> None:
    for path in (artifact.cvimodel, artifact.cvimodel.with_suffix(".json")):
        with pytest.raises(InputError, match=r"2 class names .*\(x, y\).*3 classes \(disc, box"):
            load_artifact(path, ("x", "y"))


def test_a_bare_cvimodel_numbers_its_classes(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "shapes.json").unlink()
    bare = load_artifact(tmp_path)
    assert (bare.labels, bare.label(3), bare.chip) == ((), "3", "cv181x")


def test_a_model_that_was_exchanged_under_its_manifest_is_refused(artifact: Artifact) -> None:
    write_cvimodel(artifact.cvimodel, classes=9)
    with pytest.raises(InputError, match="sha256 differs"):
        load_artifact(artifact.cvimodel)


def test_a_folder_with_two_artifacts_needs_a_choice(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text((tmp_path / "shapes.json").read_text())
    with pytest.raises(InputError, match="exactly one artifact"):
        load_artifact(tmp_path)


@pytest.mark.parametrize("name", ["../shapes.cvimodel", "/etc/passwd", "", "a/b", 7])
def test_a_manifest_cannot_point_out_of_its_folder(
    artifact: Artifact, tmp_path: Path, name: object
) -> None:
    path = tmp_path / "shapes.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cvimodel": name}))
    with pytest.raises(InputError):
        load_artifact(path)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": "abc"},
        {"labels": [1]},
        {"input": {}},
        {"input": {"height": "x", "width": 1}},
        {"input": {"height": -64, "width": 64}},
        {"input": {"height": True, "width": 64}},
        {"input": {"height": 10**9, "width": 64}},
        {"outputs": 3},
        {"outputs": [{"name": "x"}]},
    ],
)
def test_a_malformed_manifest_is_refused(
    artifact: Artifact, tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "shapes.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match="not an artifact's manifest"):
        load_artifact(path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_artifact(tmp_path / "nothing")
    with pytest.raises(InputError, match="holds: none"):
        load_artifact(tmp_path)


def _changed(artifact: Artifact, **changes: object) -> Path:
    path = artifact.cvimodel.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_row_18_a_manifest_of_a_later_format_is_refused_as_such(artifact: Artifact) -> None:
    path = _changed(artifact, format=2, labels={"0": "another form"})
    for named in (path, artifact.cvimodel, path.parent):
        with pytest.raises(InputError, match="format 2, which a later version") as refused:
            load_artifact(named)
        assert "Update recam" in refused.value.hint


@pytest.mark.parametrize("wrong", ["1", 1.0, True, None, [1]])
def test_row_18_a_format_that_is_no_number_is_refused(artifact: Artifact, wrong: object) -> None:
    with pytest.raises(InputError, match="`format` must be a whole number"):
        load_artifact(_changed(artifact, format=wrong))


def test_row_18_unknown_fields_are_kept(artifact: Artifact) -> None:
    found = load_artifact(_changed(artifact, news={"a": 1}, format=1))
    assert found.provenance["news"] == {"a": 1}


@pytest.mark.parametrize(
    ("check", "rejected"),
    [
        ({"passed": False}, True),
        ({"passed": True}, False),
        ({"passed": None}, False),
        ({}, False),
        ("no", False),
    ],
)
def test_row_19_the_manifest_says_that_the_check_failed(
    artifact: Artifact, check: object, rejected: bool
) -> None:
    assert load_artifact(_changed(artifact, verification=check)).rejected is rejected


def test_row_19_a_rejected_models_name_says_so_without_a_manifest(tmp_path: Path) -> None:
    path = write_cvimodel(tmp_path / "m_int8.Rejected.cvimodel")
    assert load_artifact(path).rejected
    assert not load_artifact(write_cvimodel(tmp_path / "m_int8.cvimodel")).rejected
