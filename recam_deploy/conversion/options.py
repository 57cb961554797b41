"""Define the options of a conversion; the defaults are the compiler's own.

The names are those of the compiler's tools, which Seeed's guide uses too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..mixed_precision.options import SearchOptions

FAST, STOCK = "fast", "stock"
CHECK_CANDIDATES = 16
"""How many pictures the float model runs on, to find those for the check that show most."""


@dataclass(frozen=True)
class CheckPicture:
    """A picture for the compiler's own checks: its file, and the sha256 of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class TransformOptions:
    """Options of `model_transform`.

    With `test_input`, every tensor of the translated network is compared with onnxruntime's.
    `tolerance` is the least cosine and the least Euclidean similarity; `excepts` are tensors that
    are not compared.
    """

    model_name: str = "network"
    test_input: CheckPicture | None = None
    tolerance: tuple[float, float] = (0.99, 0.99)
    excepts: tuple[str, ...] = ()


@dataclass(frozen=True)
class CalibrationOptions:
    """Options of `run_calibration`, and the choice of the calibrator.

    `calibrator` is "fast", recam's own with the same method, or "stock", the compiler's. Thresholds
    are tuned on `tune_num` pictures (0: not at all); histograms have `histogram_bin_num` bins.
    `table` is the text of an existing calibration table, used instead of calibrating.
    """

    calibrator: str = FAST
    tune_num: int = 5
    histogram_bin_num: int = 2048
    table: str | None = None


@dataclass(frozen=True)
class DeployOptions:
    """Options of `model_deploy`. `op_divide` splits large operations.

    `int8_outputs` leaves a detector's outputs in INT8, with one scale for both maps of a stride.
    The others are for its own checks, which run when `TransformOptions.test_input` is set:
    `tolerance` and `excepts` as there; `compare_all` compares every tensor instead of the outputs
    alone; `skip_validation` leaves the simulator out.
    """

    op_divide: bool = False
    int8_outputs: bool = False
    tolerance: tuple[float, float] = (0.8, 0.5)
    compare_all: bool = False
    excepts: tuple[str, ...] = ()
    skip_validation: bool = False


@dataclass(frozen=True)
class ConversionOptions:
    """All options of a conversion.

    In mixed precision the layers in BF16 are those of `quantize_table`, the text of the user's
    table, else those that `search` finds, else the network's `float_tail`.
    """

    transform: TransformOptions = field(default_factory=TransformOptions)
    calibration: CalibrationOptions = field(default_factory=CalibrationOptions)
    search: SearchOptions | None = None
    deploy: DeployOptions = field(default_factory=DeployOptions)
    quantize_table: str | None = None
    verify_images: int = 1
