"""Options that several commands share, with the words that explain them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Precision(str, Enum):
    """What the numbers inside the cvimodel are."""

    int8 = "int8"
    bf16 = "bf16"
    f16 = "f16"
    mixed = "mixed"


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


AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout; logs go to stderr.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
WAIT_SECONDS = 15.0  # what a run that was killed may have left going there ends in less
Wait = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="How long to wait for another recam that is at work on the camera.",
        rich_help_panel="Camera",
    ),
]
NoTry = Annotated[
    bool,
    typer.Option(
        "--no-try",
        help="Do not load and run the model on the camera before it becomes the active one.",
    ),
]

Host = Annotated[
    str | None,
    typer.Option(
        help="The camera's name or address, for instance 192.168.42.1 over USB "
        "or recamera.local. (or RECAM_HOST)",
        rich_help_panel="Camera",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(help="Its SSH port. (or RECAM_PORT; default: 22)", rich_help_panel="Camera"),
]
User = Annotated[
    str | None,
    typer.Option(
        help="The user to log in as. (or RECAM_USER; default: recamera)",
        rich_help_panel="Camera",
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        help="A private key file; the SSH agent and ~/.ssh/id_* are tried as well. "
        "The password is never a flag: it comes from RECAM_PASSWORD or a prompt.",
        rich_help_panel="Camera",
    ),
]
AcceptHostKey = Annotated[
    bool,
    typer.Option(
        "--accept-host-key",
        help="Trust a camera that was never seen before. A changed key is refused all the same.",
        rich_help_panel="Camera",
    ),
]

ArtifactPath = Annotated[
    Path,
    typer.Argument(
        metavar="ARTIFACT",
        help="A manifest (.json), the folder that holds it, or a bare .cvimodel.",
        show_default=False,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Class names, one a line in class order (or a JSON list); "
        "they replace those of the model."
    ),
]
Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL.onnx",
        help="A YOLO11 or YOLOv8 model: detection, pose, segmentation or classification.",
        show_default=False,
    ),
]
Calibration = Annotated[
    Path,
    typer.Option(
        help="A folder of pictures like those the camera will see; 50 to 200 are good. "
        "INT8 takes its value ranges from them.",
        show_default=False,
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
        help="The search looks at layers whose own cosine is below this. (default: 0.99)",
        rich_help_panel="Precision",
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
Runner = Annotated[
    Path | None,
    typer.Option(
        help="The sscma-model test binary to use (RISC-V). Without it: the one that is on the "
        "camera, else the one that `recam runner fetch` has brought."
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Where to write the camera's own picture; ours goes beside it as .labeled.",
    ),
]
ModelOutput = Annotated[
    Path | None,
    typer.Option(
        "--model-output",
        help="Where to write the .cvimodel; its manifest (.json) goes beside it. "
        "(default: MODEL_int8.cvimodel, or the precision it has, in this folder)",
    ),
]
