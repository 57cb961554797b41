"""The program: ``sscma-model MODEL.cvimodel IN.jpg OUT.jpg``.

Lines, order and exit codes are those of ``solutions/sscma-model/main/main.cpp`` in
sscma-example-sg200x; log lines are ``printf`` in colour on standard output
(SSCMA-Micro ``sscma/core/ma_debug.h``). This is the program of April 2026 (c705d18) on the
SSCMA-Micro of the firmware that is played; the guide's prebuilt binary is older and knows
fewer families (``factory``), and before April 2026 the program drew a segment's box and
number too. The times are the simulator's, or the emulated network's.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ..releases import CURRENT, RELEASES, Release
from . import drawing, factory
from .emulated import load_emulated
from .engine import LIBRARY, Engine, EngineAbortedError, EngineError, Run
from .factory import Family
from .families import DECODERS
from .input_image import image_of, input_bytes
from .letterbox import letterbox, read_image
from .output import Output
from .results import Result
from .tensors import Model, UnsupportedTypeError

ROOT_MARK = "VIRTUAL_CAMERA_ROOT"
LIBRARY_PATH = "VIRTUAL_CAMERA_LIBRARY_PATH"

ABORTED = 128 + signal.SIGABRT
NOT_LINKED = 127
USAGE = 255

# What musl's loader says of each function it then cannot resolve.
SYMBOLS = (
    "CVI_NN_RegisterModel",
    "CVI_NN_GetInputOutputTensors",
    "CVI_NN_Forward",
    "CVI_NN_TensorPtr",
    "CVI_NN_CleanupModel",
)

DEVICE_INIT = (
    "Assertion failed: 0 (/home/runner/work/reCamera-OS/reCamera-OS/output/"
    "sg2002_recamera_emmc/cviruntime/src/soc/common/cvi_device_mem.cpp: device_init: 720)"
)
CUT_SHORT = (
    "Assertion failed: 0 (/home/runner/work/reCamera-OS/reCamera-OS/output/"
    "sg2002_recamera_emmc/cviruntime/src/common/stream.cpp: read: 30)"
)

# In front of what OpenCV says.
THROWN = "terminate called after throwing an instance of 'cv::Exception'\n  what():  OpenCV(4.6.0) "


class ProgramExitError(Exception):
    """End with this code; everything to be said has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class AbortError(ProgramExitError):
    """End as a program does that aborts: what it printed is lost."""


def fail(output: Output, text: str) -> NoReturn:
    output.error(text)
    raise ProgramExitError(1)


def _abort(text: str, code: int = ABORTED) -> NoReturn:
    sys.stderr.buffer.write(os.fsencode(text + "\n"))
    raise AbortError(code)


def _check_start(
    output: Output, program: str, arguments: Sequence[str], engine: Engine, root: bool
) -> None:
    """Check everything that ends the program before the model is looked at."""
    if not engine.has_library():
        lines = [
            f"Error loading shared library {LIBRARY}: No such file or directory "
            f"(needed by {program})"
        ]
        lines += [f"Error relocating {program}: {name}: symbol not found" for name in SYMBOLS]
        sys.stderr.buffer.write(os.fsencode("\n".join(lines) + "\n"))
        raise ProgramExitError(NOT_LINKED)
    if len(arguments) < 2:
        output.print(
            "Usage:\n"
            f"   {program} cvimodel image.jpg image_detected.jpg\n"
            f"ex: {program} yolo11.cvimodel cat.jpg out.jpg \n"
        )
        raise ProgramExitError(USAGE)
    if not root:
        _abort(DEVICE_INIT)


def _load(output: Output, engine: Engine, name: str, release: Release) -> tuple[Model, Family]:
    """Load the model and choose its family. Raises ProgramExitError."""
    try:
        model = engine.load(Path(name))
    except EngineAbortedError as error:
        _abort(CUT_SHORT, 128 + error.number)
    except EngineError:
        output.info(f"engine load model {name}")
        fail(output, "engine load model failed")
    output.info(f"engine load model {name}")
    family = factory.choose(model, release)
    if family is None:
        fail(output, "model not supported")
    output.info(f"model type: {family.number}")
    return model, family


def _run(output: Output, engine: Engine, path: Path, model: Model, data: bytes) -> Run:
    try:
        network = load_emulated(engine.emulated, path, model)
        return network.run(data) if network else engine.run(path, model, data)
    except EngineAbortedError as error:
        _abort("the TPU library ended the program", 128 + error.number)
    except EngineError:
        fail(output, "the TPU simulator failed; see its log beside the virtual camera's state")


def detect(
    output: Output,
    program: str,
    arguments: Sequence[str],
    engine: Engine,
    root: bool,
    mended: bool,
    release: Release = CURRENT,
) -> None:
    """Run the whole program. Raises ProgramExitError for every end but success."""
    _check_start(output, program, arguments, engine, root)
    model, family = _load(output, engine, arguments[0], release)
    image = read_image(Path(arguments[1]))
    if image is None:
        fail(output, "read image failed")
    asked = image_of(model, family)
    try:
        pixels = letterbox(image, asked.width, asked.height)
    except ValueError:
        _abort(f"{THROWN}error: (-215:Assertion failed) inv_scale_x > 0 in function 'resize'\n")
    start = time.perf_counter()
    data = input_bytes(model, asked, pixels)
    preprocess = time.perf_counter() - start
    run = _run(output, engine, Path(arguments[0]), model, data)
    start = time.perf_counter()
    try:
        results: Sequence[Result] = DECODERS[family.name](model, run.arrays, mended)
    except UnsupportedTypeError:
        results = []
    postprocess = time.perf_counter() - start

    for result in results:
        output.print(result.lines())
    times = (int(preprocess * 1000), int(run.milliseconds), int(postprocess * 1000))
    output.info("pre: {}ms, infer: {}ms, post: {}ms".format(*times))
    target = Path(arguments[2]) if len(arguments) > 2 else Path("result.jpg")
    try:
        drawing.save(drawing.draw(pixels, results), target)
    except ValueError as problem:
        _abort(f"{THROWN}error: (-2:Unspecified error) {problem} in function 'imwrite_'\n")


def _stop(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _word(file: Path) -> str:
    """Read a file of one word; none where there is no file."""
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""


def main(camera: Path, program: str, arguments: Sequence[str]) -> int:
    """Run for the virtual camera kept in ``camera``. Returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    scratch = camera / "tmp"
    scratch.mkdir(exist_ok=True)
    emulated = _word(camera / "emulated")
    engine = Engine(
        os.environ.get(LIBRARY_PATH, ""),
        camera / "simulator.log",
        scratch,
        Path(emulated) if emulated else None,
    )
    mended = _word(camera / "firmware") == "mended"
    release = RELEASES.get(_word(camera / "release"), CURRENT)
    output = Output()
    root = ROOT_MARK in os.environ
    try:
        detect(output, program, arguments, engine, root, mended, release)
    except AbortError as end:
        return end.code
    except ProgramExitError as end:
        output.write()
        return end.code
    output.write()
    return 0
