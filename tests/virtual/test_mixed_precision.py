"""Mixed precision gives back what INT8 loses, in the finished cvimodel and not only in theory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from recam_runs import SHARED, Ended, Run

pytestmark = pytest.mark.toolchain

YOLOX = SHARED / "onnx" / "yolox_nano.onnx"
RAW = ("--family", "raw", "--pixel-format", "bgr", "--mean", "0,0,0", "--scale", "1,1,1")


def similarity(document: dict[str, Any]) -> float:
    """The output's cosine on the scale of the compiler's tools, 0.5 + 0.5 * cosine."""
    (cosine,) = document["verification"]["cosine"]
    return 0.5 + 0.5 * float(cosine)


def test_mixed_precision_of_yolox_is_near_float_where_int8_is_not(run: Run, tmp_path: Path) -> None:
    if not YOLOX.is_file():
        pytest.skip("YOLOX-nano and its pictures lie beside the project, not in it")

    def convert(*words: str) -> Ended:
        pictures = ("--calibration", SHARED / "images", "--verify", "2")
        done = run("convert", YOLOX, *RAW, *pictures, *words, "--json", cwd=tmp_path)
        assert done.code == 0, done.err + done.out
        return done

    int8 = convert("--quantize", "int8").document
    mixed = convert("--quantize", "mixed", "--expected-cos", "0.998")
    bf16 = convert("--quantize", "bf16").document
    assert 0.94 < similarity(int8) < 0.97
    assert similarity(mixed.document) >= 0.998
    assert similarity(bf16) - similarity(mixed.document) < 0.0005
    said = re.search(
        r"Mixed precision: (\d+) of (\d+) layers in BF16, for a cosine of about ([\d.]+)", mixed.err
    )
    assert said
    assert int(said[1]) < 0.65 * int(said[2])
    (cosine,) = mixed.document["verification"]["cosine"]
    assert float(said[3]) == pytest.approx(cosine, abs=0.001)
    sizes = [Path(d["artifact"]["cvimodel"]).stat().st_size for d in (mixed.document, bf16)]
    assert sizes[0] < sizes[1]
