"""Mixed precision gives back what INT8 loses, in the finished cvimodel and not only in theory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from recam_runs import DEMO, MODELS, Ended, Run

pytestmark = pytest.mark.toolchain


def least_cosine(document: dict[str, Any]) -> float:
    return float(min(document["verification"]["cosine"]))


def test_a_few_layers_in_bf16_give_back_what_int8_loses(run: Run, tmp_path: Path) -> None:
    """One tensor of coordinates to hundreds and of scores and coefficients of about 1, uncut."""
    source = MODELS / "yolo11-seg-shapes-192.onnx"
    kind = ("--family", "raw", "--min-cosine", "0")

    def convert(*words: str) -> Ended:
        pictures = ("--calibration", DEMO / "calibration", "--images", "8", "--verify", "2")
        done = run("convert", source, *kind, *pictures, *words, "--json", cwd=tmp_path)
        assert done.code == 0, done.err + done.out
        return done

    int8 = convert("--quantize", "int8").document
    mixed = convert("--quantize", "mixed", "--expected-cos", "0.998")
    bf16 = convert("--quantize", "bf16").document
    assert least_cosine(int8) < 0.98
    assert least_cosine(mixed.document) > 0.995
    assert least_cosine(bf16) - least_cosine(mixed.document) < 0.005
    said = re.search(
        r"Mixed precision: (\d+) of (\d+) layers in BF16, for a cosine of about ([\d.]+)", mixed.err
    )
    assert said
    assert 0 < int(said[1]) < 0.2 * int(said[2])
    assert float(said[3]) == pytest.approx(least_cosine(mixed.document), abs=0.003)
    sizes = [
        Path(document["artifact"]["cvimodel"]).stat().st_size
        for document in (int8, mixed.document, bf16)
    ]
    assert sizes == sorted(sizes)
