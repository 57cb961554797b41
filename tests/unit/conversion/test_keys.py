"""Whatever a user may choose reaches the keys of the steps: the cache passes over no setting."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from networks import a_network

from recam_deploy.conversion.calibration import CalibrationSet
from recam_deploy.conversion.options import (
    CalibrationOptions,
    CheckPicture,
    ConversionOptions,
    DeployOptions,
    TransformOptions,
)
from recam_deploy.conversion.plan import plan_conversion
from recam_deploy.mixed_precision.options import AccuracyGoal, SearchOptions
from recam_deploy.network.model import Network, NetworkInput, Preprocessing

PICTURES = CalibrationSet(Path("d"), ((Path("d/1.jpg"), "11"), (Path("d/2.jpg"), "22")))
NETWORK = a_network(float_tail=("tail",))
OPTIONS = ConversionOptions(
    transform=TransformOptions(test_input=CheckPicture(Path("a.jpg"), "aa")),
    search=SearchOptions(by_compiler=True),
)
OURS = replace(OPTIONS, search=SearchOptions())

# For each choice another one than the default. `excepts` and the like need a picture for the
# compiler's checks, which OPTIONS has.
OTHERS: dict[type, dict[str, Any]] = {
    TransformOptions: {
        "model_name": "other",
        "test_input": CheckPicture(Path("a.jpg"), "bb"),
        "tolerance": (0.9, 0.9),
        "excepts": ("x",),
    },
    CalibrationOptions: {
        "calibrator": "stock",
        "tune_num": 1,
        "histogram_bin_num": 256,
        "table": "images 1 0 1\n",
    },
    SearchOptions: {
        "expected_cos": 0.9,
        "images": 1,
        "max_float_layers": 3,
        "by_compiler": False,
        "min_layer_cos": 0.5,
        "fp_type": "BF16",
        "global_compare_layers": ("x",),
        "debug_cmd": "debug",
        "accuracy": AccuracyGoal(0.01, "dd"),
    },
    DeployOptions: {
        "op_divide": True,
        "int8_outputs": True,
        "tolerance": (0.5, 0.5),
        "compare_all": True,
        "excepts": ("x",),
        "skip_validation": True,
    },
    Preprocessing: {
        "mean": (1.0, 0.0, 0.0),
        "scale": (1.0, 1.0, 1.0),
        "pixel_format": "bgr",
        "keep_aspect_ratio": False,
        "resize_dims": (80, 80),
    },
    Network: {
        "sha256": "bb",
        "family": "yolov5-detect",
        "input": NetworkInput("images", 64, 96),
        "cut_at": ("other",),
        "normalised": ("constants folded",),
    },
}
PARTS = {
    TransformOptions: "transform",
    CalibrationOptions: "calibration",
    SearchOptions: "search",
    DeployOptions: "deploy",
}
# What follows from the rest of the network, and what changes nothing of the cvimodel.
DERIVED = {"ir_version", "opset", "output_shapes", "classes", "heads", "float_tail", "assignment"}
NOT_COMPILED = {"path", "labels", "preprocessing", "decoding"}


def key(options: ConversionOptions = OPTIONS, network: Network = NETWORK) -> str:
    plan = plan_conversion(network, PICTURES, options, quantization="mixed", tpu_mlir="1.7")
    return plan.verify.key


def test_every_choice_is_thought_of() -> None:
    for kind, others in OTHERS.items():
        left_out = DERIVED | NOT_COMPILED if kind is Network else set()
        assert {field.name for field in fields(kind)} == {*others, *left_out}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in PARTS for name in OTHERS[kind] if name != "accuracy"],
)
def test_another_choice_is_another_step(kind: type, name: str) -> None:
    part = PARTS[kind]
    changed = replace(getattr(OPTIONS, part), **{name: OTHERS[kind][name]})
    assert key(replace(OPTIONS, **{part: changed})) != key()


@pytest.mark.parametrize("name", ["expected_cos", "images", "max_float_layers", "accuracy"])
def test_another_choice_for_our_own_search_is_another_step(name: str) -> None:
    changed = replace(SearchOptions(), **{name: OTHERS[SearchOptions][name]})
    assert key(replace(OURS, search=changed)) != key(OURS)


@pytest.mark.parametrize("goal", [AccuracyGoal(0.02, "dd"), AccuracyGoal(0.01, "ee")])
def test_another_accuracy_or_other_labels_is_another_step(goal: AccuracyGoal) -> None:
    first, second = (
        replace(OURS, search=replace(SearchOptions(), accuracy=one))
        for one in (AccuracyGoal(0.01, "dd"), goal)
    )
    assert key(first) != key(second)


@pytest.mark.parametrize("name", OTHERS[Network])
def test_another_network_is_another_step(name: str) -> None:
    assert key(network=replace(NETWORK, **{name: OTHERS[Network][name]})) != key()


@pytest.mark.parametrize("name", OTHERS[Preprocessing])
def test_another_preprocessing_is_another_step(name: str) -> None:
    changed = replace(Preprocessing(), **{name: OTHERS[Preprocessing][name]})
    assert key(network=replace(NETWORK, preprocessing=changed)) != key()


def test_where_things_lie_and_what_they_are_called_changes_nothing() -> None:
    elsewhere = replace(NETWORK, path=Path("/elsewhere/n.onnx"), labels=("a", "b"))
    moved = replace(OPTIONS.transform, test_input=CheckPicture(Path("/b.png"), "aa"))
    assert key(replace(OPTIONS, transform=moved), elsewhere) == key()
