"""Calibrate a planned conversion by recam's own calibrator."""

from __future__ import annotations

from pathlib import Path

from ..calibrator.calibrate import CalibratorOptions, calibrate
from ..network.float_model import network_input
from ..progress import Progress
from .commands import MLIR_FILE, ONNX_FILE
from .plan import ConversionPlan


def fast_table(plan: ConversionPlan, prepared: Path, transformed: Path, progress: Progress) -> str:
    """Return the text of the calibration table; `prepared` and `transformed` are steps' folders.

    Raises NotCalibratedError when the compiler's own calibrator has to be used.
    """
    chosen = plan.options.calibration
    return calibrate(
        prepared / ONNX_FILE,
        transformed / MLIR_FILE,
        plan.calibration.paths,
        lambda path: network_input(plan.network, path),
        progress,
        CalibratorOptions(bins=chosen.histogram_bin_num, tune_num=chosen.tune_num),
    )
