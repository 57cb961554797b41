"""Define the options of a conversion, with their help; `convert` and `up` share them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Labels
from .effects import CONVERSION, refuse_useless
from .evaluation import OptionalData, OptionalMaxDrop
from .numbers import number

if TYPE_CHECKING:
    from ...settings import ConvertSettings, Settings
    from ...workflows.convert import PreparedConversion
    from .export import ExportFlags


class Precision(str, Enum):
    """The precision that the cvimodel computes in."""

    int8 = "int8"
    bf16 = "bf16"
    f16 = "f16"
    mixed = "mixed"


class Calibrator(str, Enum):
    """The calibrator: recam's fast one, or the compiler's."""

    fast = "fast"
    stock = "stock"


class Place(str, Enum):
    """Where the compiler runs."""

    local = "local"
    docker = "docker"


class Family(str, Enum):
    """How the model's family is found: by structure, or not at all."""

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
        help="A YOLO11, YOLOv8, YOLO26 or YOLOv5 model; others need --family raw. An .onnx file; "
        "or a .pt (Ultralytics, TorchScript), .tflite or .prototxt, which is exported to ONNX "
        "first.",
        show_default=False,
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="50 to 200 pictures like those the camera will see: a folder, also with subfolders; a "
        "data set's data.yaml; or a list. The value ranges for INT8 are measured on them. "
        "(or `dataset` in recam.toml)",
        show_default=False,
    ),
]
DataList = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Instead of --calibration: a text file with a picture's path a line, relative to this "
        "folder or to the list.",
    ),
]
Images = Annotated[
    int | None,
    typer.Option(
        **number("convert.images"),
        help="The most pictures to calibrate with, spread over all there are. (default: 100)",
    ),
]
Verify = Annotated[
    int | None,
    typer.Option(
        **number("convert.verify"),
        help="The number of pictures to compare with the float model on. (default: 1)",
    ),
]
Quantize = Annotated[
    Precision | None,
    typer.Option(
        help="int8. bf16: hardly any loss, about twice the size and time; f16 means the same. "
        "mixed: int8, with the layers of --quantize-table, or of pose and segmentation heads, in "
        "bf16. (default: int8, or mixed for pose and segmentation)",
        rich_help_panel="Precision",
    ),
]
QuantizeTable = Annotated[
    Path | None,
    typer.Option(
        help="A file of the layers that stay in bf16, as run_qtable writes it: on each line the "
        "compiler's name of a tensor, and BF16.",
        rich_help_panel="Precision",
    ),
]
Int8Outputs = Annotated[
    bool | None,
    typer.Option(
        "--int8-outputs",
        help="Keep the outputs of a YOLO11 or YOLOv8 detector in int8: less memory on the camera "
        "than float32.",
        rich_help_panel="Precision",
    ),
]
CalibrationTable = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="An existing calibration table, to use instead of calibrating.",
        rich_help_panel="Precision",
    ),
]
CalibratorOption = Annotated[
    Calibrator | None,
    typer.Option(
        "--calibrator",
        help="fast: recam's own, by the compiler's method, several times faster. stock: the "
        "compiler's run_calibration. (default: fast)",
        rich_help_panel="Precision",
    ),
]
ExpectedCos = Annotated[
    float | None,
    typer.Option(
        **number("convert.expected_cos"),
        help="With --quantize mixed: search for layers to keep in bf16 until the outputs' cosine "
        "reaches this. (default: 0.99; no search for pose and segmentation)",
        rich_help_panel="Precision",
    ),
]
MinLayerCos = Annotated[
    float | None,
    typer.Option(
        **number("convert.min_layer_cos"),
        help="Search with the compiler's run_qtable, among the layers whose own cosine is below "
        "this; recam's search ranks layers by their effect on the outputs.",
        rich_help_panel="Precision",
    ),
]
MaxFloatLayers = Annotated[
    int | None,
    typer.Option(
        **number("convert.max_float_layers"),
        help="The most layers that the search may keep in bf16, even if --expected-cos is then "
        "missed. Each takes about twice the space and time of int8.",
        rich_help_panel="Precision",
    ),
]
OutputNames = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,…",
        help="The tensors to end the model at, in this order. "
        "(default: found by the model's structure)",
        rich_help_panel="Other networks",
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(
        metavar="1,3,H,W",
        help="The input's size, for a model with a dynamic input.",
        rich_help_panel="Other networks",
    ),
]
FamilyOption = Annotated[
    Family | None,
    typer.Option(
        "--family",
        help="auto: a family that the camera shows, recognised by structure. raw: any network with "
        "one picture as its input; the TPU runs it, but the camera's Node-RED does not show its "
        "results. (default: auto)",
        rich_help_panel="Other networks",
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        metavar="R,G,B",
        help="With --family raw: subtracted from the values 0 to 255. (default: 0,0,0)",
        rich_help_panel="Other networks",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="R,G,B",
        help="With --family raw: factors for the values after that. (default: 1/255 each)",
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
        help="Where the compiler runs: local, in a Python environment on this machine; or docker, "
        "for macOS, Windows and Arm. (or RECAM_TOOLCHAIN; default: local)",
    ),
]
Paranoid = Annotated[
    bool | None,
    typer.Option(
        "--paranoid",
        help="Run the compiler's own checks too, tensor by tensor, on the first picture. Takes "
        "longer; recam checks the finished cvimodel in any case.",
    ),
]
MinCosine = Annotated[
    float | None,
    typer.Option(
        **number("convert.min_cosine"),
        help="The least cosine between an output and the float model's. (default: 0.9)",
    ),
]
MinMatched = Annotated[
    float | None,
    typer.Option(
        **number("convert.min_matched"),
        help="The least share of the float model's detections to find. (default: 0.75)",
    ),
]


@dataclass(frozen=True)
class ConversionFlags:
    """The flags of a conversion; see `groups.grouped`."""

    calibration: Calibration = None
    data_list: DataList = None
    labels: Labels = None
    images: Images = None
    verify: Verify = None
    quantize: Quantize = None
    quantize_table: QuantizeTable = None
    int8_outputs: Int8Outputs = None
    calibration_table: CalibrationTable = None
    calibrator: CalibratorOption = None
    expected_cos: ExpectedCos = None
    min_layer_cos: MinLayerCos = None
    max_float_layers: MaxFloatLayers = None
    data: OptionalData = None
    max_drop: OptionalMaxDrop = None
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

    def merge_flags(self, settings: Settings, foreign: ExportFlags) -> Settings:
        """Return the settings with these flags, and those of `foreign`, overriding them.

        Raises SettingsError when a value is out of range, and UsageError for a flag that has no
        effect beside the others and the settings.
        """
        convert: dict[str, Any] = {
            "dataset": self.calibration,
            "input_shapes": self.input_shape,
            "imgsz": foreign.imgsz,
            **{
                name: value.value if isinstance(value, Enum) else value
                for name, value in vars(self).items()
                if name not in ("calibration", "labels", "input_shape", "toolchain")
            },
        }
        place = self.toolchain.value if self.toolchain else None
        merged = settings.with_flags(general={"toolchain": place}, convert=convert)
        if self.calibration and not self.data_list:
            # Of the two, `data_list` comes first, and a flag comes before the settings file.
            pictures = merged.convert.model_copy(update={"data_list": None})
            merged = merged.model_copy(update={"convert": pictures})
        refuse_useless(CONVERSION, _facts(merged.convert))
        return merged


def refuse_useless_for(prepared: PreparedConversion, settings: Settings) -> None:
    """Refuse flags that have no effect on this model. Raises UsageError."""
    plan = prepared.plan
    found = {
        "mixed": plan.quantization == "mixed",
        "searches": plan.search is not None,
        "exports": prepared.export is not None,
    }
    refuse_useless(CONVERSION, {**_facts(settings.convert), **found})


def _facts(convert: ConvertSettings) -> dict[str, bool | None]:
    """Return what the rules ask for; None where the model decides."""
    table = convert.quantize_table is not None
    auto = None if convert.quantize == "auto" else convert.quantize == "mixed"
    return {
        "mixed": table or auto,
        "table": table,
        "searches": None,
        "int8": convert.quantize not in ("bf16", "f16"),
        "measures": convert.calibration_table is None,
        "raw": convert.family == "raw",
        "exports": None,
        "labelled": convert.data is not None,
        "drop": convert.max_drop is not None,
    }
