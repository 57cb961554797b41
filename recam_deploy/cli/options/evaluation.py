"""Define the flags that say on which labelled pictures models are measured, and where."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .numbers import number

_PANEL = "Accuracy"


class Backend(str, Enum):
    """What runs the cvimodel."""

    emulator = "emulator"
    simulator = "simulator"
    camera = "camera"


Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DATA",
        help="Labelled pictures: a data.yaml (boxes, outlines, keypoints), a COCO file (.json), or "
        "for a classifier a folder with one folder of pictures a class.",
        show_default=False,
    ),
]
OptionalData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DATA",
        help="Labelled pictures, as `recam evaluate` takes them: the finished cvimodel is measured "
        "on them.",
        rich_help_panel=_PANEL,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="PART",
        help="The part of the data: train, val or test. (default: val, else test)",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        **number("evaluate.limit"),
        help="The most pictures to evaluate on, spread over all. (default: all)",
    ),
]
On = Annotated[
    Backend,
    typer.Option(
        "--on",
        help="What runs the cvimodel. emulator: fast, and proved on one picture against the "
        "simulator. simulator: the compiler's, seconds a picture. camera: the TPU itself, at "
        "--host; it needs python3 there.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        **number("evaluate.jobs"),
        help="The number of processes. (default: one a core)",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Instead of --jobs: the scheduler of a Dask cluster, such as tcp://10.0.0.5:8786, "
        "whose workers have the same recam-deploy.",
    ),
]
MaxDrop = Annotated[
    float | None,
    typer.Option(
        **number("convert.max_drop"),
        help="The most that the cvimodel may lose against the float model, in average precision "
        "(mAP50-95; top-1 of a classifier), 0 to 1; 0.01 is one point. More is an error.",
    ),
]
OptionalMaxDrop = Annotated[
    float | None,
    typer.Option(
        "--max-drop",
        **number("convert.max_drop"),
        help="With --data: the most average precision that the cvimodel may lose, 0 to 1; more is "
        "an error. With --quantize mixed, layers are moved to bf16 until it is reached.",
        rich_help_panel=_PANEL,
    ),
]
