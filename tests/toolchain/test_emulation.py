"""The emulator computes what the compiler's simulator does, tensor by tensor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from recam_deploy.artifact import Artifact, load_artifact
from recam_deploy.conversion.layer_dump import compile_layer_dump
from recam_deploy.conversion.lower import lower_network
from recam_deploy.cvimodel.values import Value
from recam_deploy.emulation.emulator import Emulator, emulate_layers, emulated_model
from recam_deploy.emulation.lowered import read_lowered
from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain import Toolchain
from recam_deploy.toolchain.simulator import Simulator

pytestmark = pytest.mark.toolchain

ROOT = Path(__file__).resolve().parents[2]
MODELS, DEMO = ROOT / "tests" / "models", ROOT / "device" / "demo"
INT8_AND_TAILS = (
    ("yolo11-pose-shapes-192", "mixed"),
    ("yolo11-seg-shapes-192", "mixed"),
    ("yolo11-cls-shapes-128", "mixed"),
    ("yolov5-shapes-192", "mixed"),
    ("yolov5-shapes-192", "int8"),
)


def convert(name: str, folder: Path, *words: str) -> Artifact:
    """Convert a model of tests/models as a user would."""
    command = [sys.executable, "-m", "recam_deploy", "convert", str(MODELS / f"{name}.onnx")]
    command += ["--calibration", str(DEMO / "calibration"), "--images", "8", "--json", *words]
    # Whether the conversion is a good one does not matter here.
    passing = {"RECAM_CONVERT_MIN_COSINE": "0", "RECAM_CONVERT_MIN_MATCHED": "0"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, env=os.environ | passing
    )
    return load_artifact(Path(json.loads(done.stdout)["artifact"]["manifest"]))


def picture(side: int) -> NDArray[np.uint8]:
    with Image.open(min((DEMO / "test").glob("*.jpg"))) as image:
        return np.asarray(image.convert("RGB").resize((side, side)), np.uint8)


def both(
    artifact: Artifact, toolchain: Toolchain, cache_dir: Path
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Return all tensors that both can read: the simulator's and the emulator's."""
    silent = SilentProgress()
    dump = compile_layer_dump(artifact, toolchain, cache_dir, silent)
    lowered = lower_network(artifact, toolchain, cache_dir, silent)
    assert dump and lowered
    image = picture(artifact.read().layout.inputs[0].shape[1])
    (simulated,) = Simulator(toolchain).run_layers(dump.cvimodel, [image], silent)
    emulated = emulate_layers(read_lowered(lowered), image)
    names = simulated.keys() & emulated.keys()
    return {name: simulated[name] for name in names}, {name: emulated[name] for name in names}


def different(a: Value, b: Value) -> bool:
    return not np.array_equal(a.array.reshape(-1), b.array.reshape(-1))


@pytest.mark.parametrize(("name", "quantize"), INT8_AND_TAILS)
def test_int8_and_its_parts_in_bf16_are_equal_to_the_last_bit(
    name: str, quantize: str, toolchain: Toolchain, cache_dir: Path, tmp_path: Path
) -> None:
    artifact = convert(name, tmp_path, "--quantize", quantize)
    simulated, emulated = both(artifact, toolchain, cache_dir)
    assert len(simulated) > 15
    assert {value.dtype for value in simulated.values()} >= {"int8", "float32"}
    assert [one for one in simulated if different(simulated[one], emulated[one])] == []


def test_the_outputs_are_the_cvimodels_in_its_order(
    toolchain: Toolchain, cache_dir: Path, tmp_path: Path
) -> None:
    artifact = convert("yolo26-shapes-192", tmp_path)
    lowered = lower_network(artifact, toolchain, cache_dir, SilentProgress())
    assert lowered
    image = picture(192)
    (wanted,) = Simulator(toolchain).run(artifact.cvimodel, [image], SilentProgress())
    found = Emulator(emulated_model(read_lowered(lowered))).run(image)
    assert [one.shape for one in found] == [one.shape for one in wanted]
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_network_in_bf16_is_equal_but_for_the_order_of_sums(
    toolchain: Toolchain, cache_dir: Path, tmp_path: Path
) -> None:
    """A sum in another order may round to the next bfloat16, 2**-8 of the value away."""
    artifact = convert("yolo11-cls-shapes-128", tmp_path, "--quantize", "bf16")
    simulated, emulated = both(artifact, toolchain, cache_dir)
    wrong: Any = [different(simulated[one], emulated[one]) for one in simulated]
    assert sum(wrong) < len(wrong)
    for name, value in simulated.items():
        scale = np.abs(value.array).max()
        distance = np.abs(value.array.reshape(-1) - emulated[name].array.reshape(-1)).max()
        assert distance <= scale * 2.0**-7, name
