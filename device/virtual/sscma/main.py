"""The program: ``sscma-model MODEL.cvimodel IN.jpg OUT.jpg``.

Lines, order and exit codes are those of ``solutions/sscma-model/main/main.cpp`` in
sscma-example-sg200x; log lines are ``printf`` in colour on standard output
(SSCMA-Micro ``sscma/core/ma_debug.h``). This is the program of April 2026 on SSCMA-Micro
60e2ede; the guide's prebuilt binary is older and knows fewer families (``factory``), and
before April 2026 the program drew a segment's box and number too. Differences: the times
are the simulator's, and a family without a decoder here ends with exit 1 and a line
saying so.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import drawing, factory
from .engine import LIBRARY, Engine, EngineError
from .families import DECODERS
from .letterbox import input_bytes, letterbox, read_image
from .results import Result
from .tensors import UnsupportedTypeError

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


class ProgramExitError(Exception):
    """End with this code; everything to be said has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _out(text: str) -> None:
    sys.stdout.buffer.write(os.fsencode(text))


def info(text: str) -> None:
    _out(f"\033[32mI {text}\033[0m\r\n")


def error(text: str) -> None:
    _out(f"\033[31mE {text}\033[0m\r\n")


def fail(text: str) -> NoReturn:
    error(text)
    raise ProgramExitError(1)


def _abort(text: str) -> NoReturn:
    sys.stderr.buffer.write(os.fsencode(text + "\n"))
    raise ProgramExitError(ABORTED)


def _check_start(program: str, arguments: Sequence[str], engine: Engine, root: bool) -> None:
    """Everything that ends the program before the model is looked at."""
    if not engine.has_library():
        lines = [
            f"Error loading shared library {LIBRARY}: No such file or directory "
            f"(needed by {program})"
        ]
        lines += [f"Error relocating {program}: {name}: symbol not found" for name in SYMBOLS]
        sys.stderr.buffer.write(os.fsencode("\n".join(lines) + "\n"))
        raise ProgramExitError(NOT_LINKED)
    if len(arguments) < 2:
        _out(
            "Usage:\n"
            f"   {program} cvimodel image.jpg image_detected.jpg\n"
            f"ex: {program} yolo11.cvimodel cat.jpg out.jpg \n"
        )
        raise ProgramExitError(USAGE)
    if not root:
        _abort(DEVICE_INIT)


def detect(
    program: str, arguments: Sequence[str], engine: Engine, root: bool, mended: bool
) -> None:
    """The whole program. Raises ProgramExitError for every end but success."""
    _check_start(program, arguments, engine, root)
    model_path = Path(arguments[0])
    try:
        model = engine.load(model_path)
    except EngineError:
        info(f"engine load model {arguments[0]}")
        fail("engine load model failed")
    info(f"engine load model {arguments[0]}")
    family = factory.choose(model)
    if family is None:
        fail("model not supported")
    info(f"model type: {family.number}")
    image = read_image(Path(arguments[1]))
    if image is None:
        fail("read image failed")
    decode = DECODERS.get(family.name)
    if decode is None:
        fail(f"the virtual camera does not decode {family.name} models yet")

    try:
        pixels = letterbox(image, model.width, model.height)
    except ValueError:
        _abort("terminate called after throwing an instance of 'cv::Exception'")
    start = time.perf_counter()
    data = input_bytes(model, pixels)
    preprocess = time.perf_counter() - start
    try:
        run = engine.run(model_path, model, data)
    except EngineError:
        fail("the TPU simulator failed; see its log beside the virtual camera's state")
    start = time.perf_counter()
    try:
        results: Sequence[Result] = decode(model, run.arrays, mended)
    except UnsupportedTypeError:
        results = []
    postprocess = time.perf_counter() - start

    for result in results:
        _out(result.lines())
    times = (int(preprocess * 1000), int(run.milliseconds), int(postprocess * 1000))
    info("pre: {}ms, infer: {}ms, post: {}ms".format(*times))
    target = Path(arguments[2]) if len(arguments) > 2 else Path("result.jpg")
    try:
        drawing.save(drawing.draw(pixels, results), target)
    except ValueError as problem:
        _abort(f"terminate called after throwing an instance of 'cv::Exception'\n  {problem}")


def _stop(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main(camera: Path, program: str, arguments: Sequence[str]) -> int:
    """Run for the virtual camera kept in ``camera``. Returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    scratch = camera / "tmp"
    scratch.mkdir(exist_ok=True)
    engine = Engine(os.environ.get(LIBRARY_PATH, ""), camera / "simulator.log", scratch)
    firmware = camera / "firmware"
    mended = firmware.exists() and firmware.read_text(encoding="utf-8").strip() == "mended"
    code = 0
    try:
        detect(program, arguments, engine, ROOT_MARK in os.environ, mended)
    except ProgramExitError as end:
        code = end.code
    sys.stdout.flush()
    return code
