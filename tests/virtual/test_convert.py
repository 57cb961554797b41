"""Conversions that must fail do, and leave nothing; newer exports convert as older ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from onnx import version_converter
from recam_runs import DEMO, Run

pytestmark = pytest.mark.toolchain


@pytest.mark.parametrize(("opset", "ir"), [(18, 10), (20, 11), (22, 12)])
def test_newer_exports_convert(run: Run, tmp_path: Path, opset: int, ir: int) -> None:
    model = version_converter.convert_version(onnx.load(DEMO / "shapes.onnx"), opset)
    model.ir_version = ir
    onnx.save(model, tmp_path / "newer.onnx")
    words = ("--calibration", DEMO / "calibration", "--images", "4", "--json")
    done = run("convert", "newer.onnx", *words, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert done.document["verification"]["passed"]
    sources = json.loads((tmp_path / "newer_int8.json").read_text())["sources"]
    assert (sources["model"]["opset"], sources["model"]["ir_version"]) == (opset, ir)


def test_the_manifest_tells_where_the_model_comes_from(artifact: Path) -> None:
    manifest = json.loads(artifact.read_text())
    assert manifest["labels"] == ["circle", "square", "triangle", "star", "cross"]
    assert manifest["tools"]["tpu_mlir"] == "1.7"
    assert [c.split()[0] for c in manifest["commands"]] == [
        "model_transform.py",
        "model_deploy.py",
    ]
    assert manifest["calibrator"] == "fast"
    assert len(manifest["sources"]["calibration"]) == 8
    assert len(manifest["outputs"]) == 6
    assert list(manifest["timings"]) == ["prepare", "transform", "calibrate", "compile", "verify"]
    assert not manifest["timings"]["compile"]["cached"]


def test_other_labels_and_thresholds_compile_nothing(
    artifact: Path, environment: dict[str, str], run: Run, tmp_path: Path
) -> None:
    """Of the same model, the same pictures: only the manifest and the verdict are made anew."""

    def compiled() -> list[Path]:
        return sorted(Path(environment["RECAM_CACHE_DIR"], "logs").glob("*/*.log"))

    before = compiled()
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\nfour\nfive\n")
    words = ("--calibration", DEMO / "calibration", "--images", "8", "--json")
    changed = ("--labels", "names.txt", "--min-cosine", "0.5", "--min-matched", "0.5")
    done = run("convert", DEMO / "shapes.onnx", *words, *changed, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert done.document["labels"] == ["one", "two", "three", "four", "five"]
    assert all(step["cached"] for step in done.document["steps"])
    assert compiled() == before
    assert (tmp_path / "shapes_int8.cvimodel").read_bytes() == artifact.with_suffix(
        ".cvimodel"
    ).read_bytes()
    refused = run("convert", DEMO / "shapes.onnx", *words, "--min-cosine", "1", cwd=tmp_path)
    assert refused.code == 1
    assert (tmp_path / "shapes_int8.rejected.json").is_file()
    assert run("convert", DEMO / "shapes.onnx", *words, cwd=tmp_path).code == 0
    assert not list(tmp_path.glob("*.rejected.*")), "the folder holds one artifact, to be deployed"
    assert compiled() == before


def test_a_model_that_is_too_far_from_float_is_kept_aside(run: Run, tmp_path: Path) -> None:
    words = ("--calibration", DEMO / "calibration", "--images", "8", "--min-cosine", "1", "--json")
    done = run("convert", DEMO / "shapes.onnx", *words, cwd=tmp_path)
    assert done.code == 1
    assert done.document["error"]["kind"] == "verification"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "shapes_int8.rejected.cvimodel",
        "shapes_int8.rejected.json",
    ]
    manifest = json.loads((tmp_path / "shapes_int8.rejected.json").read_text())
    assert manifest["verification"]["passed"] is False


def test_ctrl_c_ends_the_compiler_and_leaves_nothing(
    environment: dict[str, str], run: Run, tmp_path: Path
) -> None:
    pictures = ("--calibration", DEMO / "calibration", "--calibrator", "stock", "--images")
    words = ("convert", DEMO / "shapes.onnx", *pictures)
    process = subprocess.Popen(
        [sys.executable, "-m", "recam_deploy", *map(str, words), "13", "--json"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert wait_for(lambda: children_named("run_calibration", environment))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["error"]["kind"] == "interrupted"
    assert "Traceback" not in err
    assert wait_for(lambda: not children_named("run_calibration", environment))
    assert list(tmp_path.iterdir()) == []
    again = run(*words, "13", "--json", cwd=tmp_path)
    assert again.code == 0, again.err + again.out


@pytest.mark.parametrize("step", ["calibrate", "compile", "verify"])
def test_ctrl_c_at_any_step_leaves_no_half_files_and_no_programs(
    environment: dict[str, str], tmp_path: Path, step: str
) -> None:
    """Calibrating is our own threads' work, the others are the compiler's and the simulator's; that
    has nine pictures, or it might be done before it is interrupted."""
    cache = Path(environment["RECAM_CACHE_DIR"])
    words = ("convert", DEMO / "shapes.onnx", "--calibration", DEMO / "calibration", "--json")
    nine = ("--images", "9", "--verify", "9")
    process = subprocess.Popen(
        [sys.executable, "-m", "recam_deploy", *map(str, words), *nine],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert wait_for(lambda: any((cache / "steps").glob(f".{step}-*-building-*")))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    assert not list((cache / "steps").glob("*-building-*"))
    assert not list((cache / "steps" / ".runs").iterdir())
    for name in ("model_deploy", "tpuc-opt", "tpu_run"):
        assert wait_for(lambda name=name: not children_named(name, environment), 5)


def children_named(name: str, environment: dict[str, str]) -> list[int]:
    """Processes of this test's own HOME whose command line has `name` in it."""
    home = f"HOME={environment['HOME']}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and name.encode() in (entry / "cmdline").read_bytes()
                and home in (entry / "environ").read_bytes()
                and int(entry.name) != os.getpid()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_for(condition: object, seconds: float = 60) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
