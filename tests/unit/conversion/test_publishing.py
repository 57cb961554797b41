"""A cvimodel and its manifest are handed out together, whatever their names and the disk."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import onnx
import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors
from networks import a_network

from recam_deploy.artifact import Artifact, load_artifact, sha256_of
from recam_deploy.conversion import convert
from recam_deploy.conversion.calibration import CalibrationSet
from recam_deploy.conversion.convert import ConversionResult, Converter
from recam_deploy.conversion.options import ConversionOptions
from recam_deploy.conversion.plan import ConversionPlan, plan_conversion
from recam_deploy.conversion.thresholds import Thresholds
from recam_deploy.conversion.verification import Verification
from recam_deploy.detection.match import Agreement
from recam_deploy.progress import SilentProgress
from recam_deploy.step_cache import StepCache
from recam_deploy.toolchain import Compiler

THRESHOLDS = Thresholds(0.9, 0.75)


def planned(picture: str = "1.jpg") -> ConversionPlan:
    network = a_network(
        family="yolo11-detect", output_shapes=((1, 3),), classes=3, labels=("a", "b", "c")
    )
    pictures = CalibrationSet(Path("d"), ((Path("d", picture), "11"),))
    options = ConversionOptions()
    return plan_conversion(network, pictures, options, quantization="int8", tpu_mlir="1.7")


class NoCompiler:
    """Asked for nothing but its version."""

    version = "1.7"


class Workshop:
    """A converter whose steps are done, and what it publishes."""

    def __init__(self, folder: Path, plan: ConversionPlan) -> None:
        compiler = cast(Compiler, NoCompiler())
        cache = folder / "cache"
        self.converter = Converter(
            plan, onnx.ModelProto(), compiler, StepCache(cache / "steps"), cache, SilentProgress()
        )
        self.made = folder / "made.cvimodel"
        self.output = folder / "out" / "m.cvimodel"
        self.output.parent.mkdir(exist_ok=True)

    def publish(self, classes: int) -> ConversionResult:
        self.made.write_bytes(cvimodel_bytes(*yolo11_tensors(64, classes, "float32")))
        artifact = Artifact(
            cvimodel=self.made,
            manifest=None,
            name="m",
            sha256=sha256_of(self.made),
            size=self.made.stat().st_size,
            chip="cv181x",
            labels=("a", "b", "c"),
            input_size=(64, 64),
        )
        check = Verification((1.0,), Agreement(), ("1.jpg",))
        return self.converter._publish(
            ConversionResult(artifact, (), check, passed=True), self.output, THRESHOLDS
        )


def test_both_files_are_there_and_nothing_else(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, planned())
    published = shop.publish(3).artifact
    assert sorted(path.name for path in shop.output.parent.iterdir()) == ["m.cvimodel", "m.json"]
    assert (published.cvimodel, published.manifest) == (
        shop.output,
        shop.output.with_suffix(".json"),
    )
    assert load_artifact(shop.output).sha256 == sha256_of(shop.made)
    for path in shop.output.parent.iterdir():
        assert path.stat().st_mode & 0o777 == 0o644


def test_where_the_manifest_cannot_be_written_the_earlier_pair_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Workshop(tmp_path, planned())
    shop.publish(3)
    before = {path.name: path.read_bytes() for path in shop.output.parent.iterdir()}

    def full(artifact: Artifact, path: Path) -> Artifact:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(convert, "write_manifest", full)
    with pytest.raises(OSError, match="No space"):
        shop.publish(4)
    assert {path.name: path.read_bytes() for path in shop.output.parent.iterdir()} == before


def test_names_that_are_not_utf_8_stay_what_they_are(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, planned("a\udcff.jpg"))
    manifest = shop.publish(3).artifact.manifest
    assert manifest is not None
    document = json.loads(manifest.read_text(encoding="utf-8"))
    assert document["sources"]["calibration"][0]["file"] == "a\udcff.jpg"
    assert replace(load_artifact(manifest), provenance={}).name == "m"
