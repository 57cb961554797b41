"""Say how much a cvimodel must agree with the float model, and what to do where it does not."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from ..errors import VerificationError
from .commands import INT8
from .plan import ConversionPlan
from .verification import Verification

ENOUGH_PICTURES = 16
"""So many pictures to compare on that one of them decides little."""


@dataclass(frozen=True)
class Thresholds:
    """The limits of the check: the least cosine of any output, and of matched detections.

    The latter is the share (0 to 1) of the float model's detections that the cvimodel must find.
    """

    min_cosine: float
    min_matched: float


def too_far(
    found: Verification, wanted: Thresholds, kept: Path, plan: ConversionPlan
) -> VerificationError:
    """Return the error for a cvimodel, `kept`, that agrees too little with the float model."""
    counts, least = found.detections, min(found.cosine)
    advice = ["Calibrate with more pictures of what the camera will see."]
    if plan.options.verify_images < ENOUGH_PICTURES:
        advice.append(
            f"Compare on more than {plan.options.verify_images}: --verify {ENOUGH_PICTURES}."
        )
    if plan.quantization == INT8:
        advice.append("Compute in BF16 what loses most in INT8: --quantize mixed.")
    # Measured: layers beyond the chip's limits, of which the compiler says nothing, give 0 to 0.4.
    low = "So low a cosine is seldom the pictures' fault. " if least < 0.5 else ""
    command = f"recam verify {shlex.quote(str(kept))} --images FOLDER --layers"
    advice.append(f"{low}See where it is lost: {command}.")
    advice.append("Or lower --min-cosine or --min-matched if this is good enough.")
    return VerificationError(
        f"the cvimodel is too far from the float model: least cosine {least:.4f} "
        f"(needed {wanted.min_cosine}), detections matched {counts.matched} of {counts.reference} "
        f"(needed {wanted.min_matched:.0%}); it was written to {kept.name}",
        " ".join(advice),
    )
