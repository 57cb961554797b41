"""What is said of a cvimodel that agrees too little with the float model (case 57)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from networks import a_network

from recam_deploy.conversion.calibration import CalibrationSet
from recam_deploy.conversion.options import ConversionOptions
from recam_deploy.conversion.plan import plan_conversion
from recam_deploy.conversion.thresholds import Thresholds, too_far
from recam_deploy.conversion.verification import Verification
from recam_deploy.detection.match import Agreement


def hint_for(quantization: str, pictures: int, cosine: float) -> str:
    options = replace(ConversionOptions(), verify_images=pictures)
    chosen = CalibrationSet(Path("d"), ((Path("d", "1.jpg"), "11"),))
    plan = plan_conversion(a_network(), chosen, options, quantization=quantization, tpu_mlir="1.7")
    found = Verification((0.99, cosine), Agreement(1, 4, 0), ("1.jpg",))
    return too_far(found, Thresholds(0.9, 0.75), Path("a b.rejected.cvimodel"), plan).hint


@pytest.mark.parametrize(
    ("quantization", "pictures", "named"),
    [
        ("int8", 1, {"--verify 16", "--quantize mixed"}),
        ("int8", 16, {"--quantize mixed"}),
        ("bf16", 1, {"--verify 16"}),
        ("mixed", 20, set()),
    ],
)
def test_case_57_the_hint_names_what_was_not_done_yet(
    quantization: str, pictures: int, named: set[str]
) -> None:
    hint = hint_for(quantization, pictures, 0.8)
    assert {word for word in ("--verify 16", "--quantize mixed") if word in hint} == named
    assert "recam verify 'a b.rejected.cvimodel' --images FOLDER --layers" in hint
    assert "seldom the pictures" not in hint


def test_case_57_a_very_low_cosine_is_not_the_pictures_fault() -> None:
    assert "seldom the pictures' fault" in hint_for("int8", 1, 0.3)
