"""The options of a conversion, with the words that explain them; `convert` and `up` share them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Labels

if TYPE_CHECKING:
    from ...settings import Settings


class Precision(str, Enum):
    """What the numbers inside the cvimodel are."""

    int8 = "int8"
    bf16 = "bf16"
    f16 = "f16"
    mixed = "mixed"


class Calibrator(str, Enum):
    """Who measures the value ranges."""

    fast = "fast"
    stock = "stock"


class Place(str, Enum):
    """Where the compiler runs."""

    local = "local"
    docker = "docker"


class Family(str, Enum):
    """How the model is taken."""

    auto = "auto"
    raw = "raw"


class PixelFormat(str, Enum):
    """The order of a network's input channels."""

    rgb = "rgb"
    bgr = "bgr"


Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A YOLO11, YOLOv8, YOLO26 or YOLOv5 model; others with --family raw. ONNX; or a .pt "
        "of Ultralytics' or TorchScript, a .tflite, or a .prototxt, made into ONNX first.",
        show_default=False,
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="A folder of pictures like those the camera will see; 50 to 200 are good. "
        "INT8 takes its value ranges from them. (or `dataset` in recam.toml)",
        show_default=False,
    ),
]
DataList = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Instead of --calibration: a text file with a picture's path a line."
    ),
]
Images = Annotated[
    int | None,
    typer.Option(
        min=1, help="How many of the pictures to calibrate with. (default: all, at most 100)"
    ),
]
Verify = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="On how many pictures to compare the cvimodel with the float model. (default: 1)",
    ),
]
Quantize = Annotated[
    Precision | None,
    typer.Option(
        help="int8; bf16 (no loss to speak of, about twice the size and time; f16 is the same); "
        "mixed: int8 with the layers of --quantize-table, or of pose and segmentation heads, in "
        "bf16. (default: int8, or mixed for pose and segmentation)",
        rich_help_panel="Precision",
    ),
]
QuantizeTable = Annotated[
    Path | None,
    typer.Option(
        help="Which layers stay in bf16: a tensor's name in the compiler's words and BF16, a line "
        "each, as run_qtable writes it.",
        rich_help_panel="Precision",
    ),
]
CalibrationTable = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A calibration table made elsewhere, to be used instead of calibrating.",
        rich_help_panel="Precision",
    ),
]
CalibratorOption = Annotated[
    Calibrator | None,
    typer.Option(
        "--calibrator",
        help="fast: our own, by the compiler's method, several times faster; stock: the "
        "compiler's run_calibration. (default: fast)",
        rich_help_panel="Precision",
    ),
]
ExpectedCos = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="With --quantize mixed: search for the layers that must stay in bf16, until the "
        "outputs' cosine reaches this. (default: 0.99; pose and segmentation are not searched)",
        rich_help_panel="Precision",
    ),
]
MinLayerCos = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Search with the compiler's run_qtable, which looks at layers whose own cosine is "
        "below this, instead of by what each layer loses at the outputs.",
        rich_help_panel="Precision",
    ),
]
MaxFloatLayers = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="The most layers that the search may keep in bf16, even if that is too few for "
        "--expected-cos: each takes about twice the space and time of int8.",
        rich_help_panel="Precision",
    ),
]
OutputNames = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,…",
        help="Tensors that the model is taken to end at, in this order. "
        "(default: found by the model's structure)",
        rich_help_panel="Other networks",
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(
        metavar="1,3,H,W",
        help="Gives a model with a dynamic input its size.",
        rich_help_panel="Other networks",
    ),
]
FamilyOption = Annotated[
    Family | None,
    typer.Option(
        "--family",
        help="auto: a family that the camera shows, recognised by structure. raw: any network with "
        "one picture as its input; it runs on the TPU, but Node-RED on the camera will not show "
        "it. (default: auto)",
        rich_help_panel="Other networks",
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        metavar="R,G,B",
        help="With --family raw: subtracted from values 0 to 255. (default: 0,0,0)",
        rich_help_panel="Other networks",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="R,G,B",
        help="With --family raw: multiplied after that. (default: 1/255 each)",
        rich_help_panel="Other networks",
    ),
]
PixelFormatOption = Annotated[
    PixelFormat | None,
    typer.Option(
        "--pixel-format",
        help="With --family raw: the order of the network's channels. (default: rgb)",
        rich_help_panel="Other networks",
    ),
]
Toolchain = Annotated[
    Place | None,
    typer.Option(
        "--toolchain",
        help="Where the compiler runs: in an environment of its own on this machine, or in Docker "
        "(macOS, Windows, Arm). (or RECAM_TOOLCHAIN; default: local)",
    ),
]
Paranoid = Annotated[
    bool | None,
    typer.Option(
        "--paranoid",
        help="Let the compiler check its own steps as well, tensor by tensor, on the first "
        "picture. It takes longer; our check of the finished cvimodel runs in any case.",
    ),
]
MinCosine = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="The least cosine any output may have against float. (default: 0.9)"
    ),
]
MinMatched = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="The share of the float model's detections that must be found. (default: 0.75)",
    ),
]


@dataclass(frozen=True)
class ConversionFlags:
    """The flags of a conversion as one value; see `groups.grouped`."""

    calibration: Calibration = None
    data_list: DataList = None
    labels: Labels = None
    images: Images = None
    verify: Verify = None
    quantize: Quantize = None
    quantize_table: QuantizeTable = None
    calibration_table: CalibrationTable = None
    calibrator: CalibratorOption = None
    expected_cos: ExpectedCos = None
    min_layer_cos: MinLayerCos = None
    max_float_layers: MaxFloatLayers = None
    family: FamilyOption = None
    output_names: OutputNames = None
    input_shape: InputShape = None
    mean: Mean = None
    scale: Scale = None
    pixel_format: PixelFormatOption = None
    toolchain: Toolchain = None
    paranoid: Paranoid = None
    min_cosine: MinCosine = None
    min_matched: MinMatched = None

    def over(self, settings: Settings) -> Settings:
        """The settings with these flags over them.

        Raises SettingsError when a value is out of its range.
        """
        convert: dict[str, Any] = {
            "dataset": self.calibration,
            "input_shapes": self.input_shape,
            **{
                name: value.value if isinstance(value, Enum) else value
                for name, value in vars(self).items()
                if name not in ("calibration", "labels", "input_shape", "toolchain")
            },
        }
        place = self.toolchain.value if self.toolchain else None
        return settings.with_flags(general={"toolchain": place}, convert=convert)
