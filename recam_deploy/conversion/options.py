"""What a user may choose about a conversion, as data; the defaults are the compiler's own.

The names are those of the compiler's tools, which Seeed's guide uses too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..mixed_precision.options import SearchOptions

FAST, STOCK = "fast", "stock"


@dataclass(frozen=True)
class CheckPicture:
    """A picture for the compiler's own checks: its file, and the sha256 of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class TransformOptions:
    """`model_transform`. With `test_input` every tensor of the translated network is compared with
    onnxruntime's; `tolerance` is the least cosine and Euclidean similarity, `excepts` the tensors
    left out."""

    model_name: str = "network"
    test_input: CheckPicture | None = None
    tolerance: tuple[float, float] = (0.99, 0.99)
    excepts: tuple[str, ...] = ()


@dataclass(frozen=True)
class CalibrationOptions:
    """`run_calibration`: on how many pictures thresholds are tuned (0: not at all), and the bins of
    the histograms. A `table` made elsewhere is used instead of calibrating.

    `calibrator` is "fast", our own with the same method, or "stock", the compiler's.
    """

    calibrator: str = FAST
    tune_num: int = 5
    histogram_bin_num: int = 2048
    table: str | None = None


@dataclass(frozen=True)
class DeployOptions:
    """`model_deploy`. `op_divide` splits large operations; the rest is for its own checks, which
    run with a `TransformOptions.test_input`: `tolerance` as there, every tensor instead of the
    outputs alone with `compare_all`, and not in the simulator with `skip_validation`."""

    op_divide: bool = False
    tolerance: tuple[float, float] = (0.8, 0.5)
    compare_all: bool = False
    excepts: tuple[str, ...] = ()
    skip_validation: bool = False


@dataclass(frozen=True)
class ConversionOptions:
    """All of them. In mixed precision the layers in BF16 are those of `quantize_table`, a text that
    the user gave, else those that `search` finds, else the network's `float_tail`."""

    transform: TransformOptions = field(default_factory=TransformOptions)
    calibration: CalibrationOptions = field(default_factory=CalibrationOptions)
    search: SearchOptions | None = None
    deploy: DeployOptions = field(default_factory=DeployOptions)
    quantize_table: str | None = None
    verify_images: int = 1
