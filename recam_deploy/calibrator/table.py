"""Write a calibration table as run_calibration of tpu_mlir 1.7 does."""

from __future__ import annotations

from collections.abc import Mapping

from ..toolchain.tables import Threshold


def table_text(
    thresholds: Mapping[str, Threshold], *, bins: int, pictures: int, tuned_on: int
) -> str:
    """Return the text of the table of `thresholds` by tensor, in their order."""
    lines = [
        f"# histogram number: {bins}",
        f"# sample number: {pictures}",
        f"# tune number: {tuned_on}",
        "###",
        "# op_name    threshold    min    max",
    ]
    for name, value in thresholds.items():
        lines.append(f"{name} {value.threshold:.7f} {value.minimum:.7f} {value.maximum:.7f}")
    return "\n".join(lines) + "\n"
