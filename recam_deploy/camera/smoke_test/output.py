"""Parse the output of `sscma-model`, and explain its failures.

Sources: sscma-example-sg200x, solutions/sscma-model/main/main.cpp, and the older build that Seeed's
guide links (jjjadand/yolov5_Test_reCamera). Coordinates are fractions of the letterboxed input.
Log lines go to stdout or stderr, and other libraries print between them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...errors import ModelNotLoadedError, SmokeTestError, UnknownToRunnerError

_NUMBER = r"([-+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,3})?|[-+]?(?:nan|inf))"
_SCORE = rf"score: *{_NUMBER},? +target: *(-?\d{{1,9}})\b"
_BOX = re.compile(rf"\bx: *{_NUMBER}, *y: *{_NUMBER}, *w: *{_NUMBER}, *h: *{_NUMBER}, *{_SCORE}")
_CLASS = re.compile(rf"\b{_SCORE}")
_KEYPOINT = re.compile(rf"\bx: *{_NUMBER}, *y: *{_NUMBER}\s*$")
_TIMINGS = re.compile(r"\bpre: *(\d{1,9}) *ms, *infer: *(\d{1,9}) *ms, *post: *(\d{1,9}) *ms")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")  # its log lines are coloured
_MUSL_LIBRARY = re.compile(r"Error loading shared library ([^\s:]+)")
_GLIBC_LIBRARY = re.compile(r"error while loading shared libraries: ([^\s:]+)")


@dataclass(frozen=True)
class RawBox:
    """One detection: the box's centre and size as fractions of the letterboxed model input.

    `keypoints` are (x, y) in the same fractions, for pose models.
    """

    x: float
    y: float
    width: float
    height: float
    score: float
    class_id: int
    keypoints: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class RawClass:
    """One class of a classifier, for the whole picture."""

    score: float
    class_id: int


@dataclass(frozen=True)
class SmokeTimings:
    """Milliseconds that the test binary measured; None where it did not."""

    preprocess: int | None
    inference: int | None
    postprocess: int | None

    def as_json(self) -> dict[str, int | None]:
        """Return `timings_ms` of `test --json`."""
        return {
            "preprocess": self.preprocess,
            "inference": self.inference,
            "postprocess": self.postprocess,
        }


@dataclass(frozen=True)
class SscmaOutput:
    """The results in one run's output; `timings` is None when it printed none."""

    boxes: tuple[RawBox, ...] = ()
    classes: tuple[RawClass, ...] = ()
    timings: SmokeTimings | None = None


@dataclass
class _Reading:
    boxes: list[RawBox] = field(default_factory=list)
    classes: list[RawClass] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    timings: SmokeTimings | None = None

    def finish_box(self) -> None:
        if self.points:
            last = self.boxes.pop()
            self.boxes.append(
                RawBox(
                    last.x,
                    last.y,
                    last.width,
                    last.height,
                    last.score,
                    last.class_id,
                    tuple(self.points),
                )
            )
            self.points.clear()


def parse_output(stdout: str, stderr: str = "") -> SscmaOutput:
    """Find detections and timings in the output; ignore all other lines.

    Raises SmokeTestError when a detection's numbers are not finite or its class is negative, which
    happens when the binary decodes the model by another family's rules.
    """
    reading = _Reading()
    for line in _lines(stdout, stderr):
        if box := _BOX.search(line):
            reading.finish_box()
            x, y, width, height, score = _finite(box.groups()[:5], line)
            reading.boxes.append(RawBox(x, y, width, height, score, _class_id(box[6], line)))
        elif found := _CLASS.search(line):
            (score,) = _finite(found.groups()[:1], line)
            reading.classes.append(RawClass(score, _class_id(found[2], line)))
        elif reading.boxes and (point := _KEYPOINT.search(line)):
            x, y = _finite(point.groups(), line)
            reading.points.append((x, y))
        elif times := _TIMINGS.search(line):
            reading.timings = SmokeTimings(*(int(text) for text in times.groups()))
    reading.finish_box()
    return SscmaOutput(tuple(reading.boxes), tuple(reading.classes), reading.timings)


def explain_failure(exit_status: int, stdout: str, stderr: str) -> SmokeTestError:
    """Return the error for a failed run, from its exit status and output."""
    text = _COLOUR.sub("", f"{stdout}\n{stderr}")
    library = _MUSL_LIBRARY.search(text) or _GLIBC_LIBRARY.search(text)
    if library:
        return SmokeTestError(
            f"the test binary needs the library {library[1]}, which the camera does not have",
            "Update the camera's firmware, correct camera.library_path, or give a binary that "
            "fits the camera with --runner.",
        )
    for words, message, hint in _UNKNOWN_MODEL:
        if words in text:
            return UnknownToRunnerError(message, hint)
    if "engine load model failed" in text:
        return ModelNotLoadedError(*_NOT_LOADED)
    for words, message, hint in _KNOWN_FAILURES:
        if words in text:
            return SmokeTestError(message, hint)
    if exit_status in (126, 127):
        return SmokeTestError(
            f"the test binary cannot be started on the camera: {_last(text)}",
            "Give another one with --runner, built for the camera's RISC-V system.",
        )
    if exit_status == -1 or 128 < exit_status <= 192:  # 128 + the signal's number
        return SmokeTestError(
            f"the test binary crashed (exit status {exit_status}): {_last(text)}",
            "Stop the flow, which may use the TPU's memory, or give another binary with --runner.",
        )
    return SmokeTestError(
        f"the test binary failed with exit status {exit_status}: {_last(text)}",
        "Run it by hand on the camera to see more, or give another binary with --runner.",
    )


_UNKNOWN_MODEL = (
    (
        "model not supported",
        "the camera's test binary does not support this model",
        "It knows YOLOv5, YOLOv8 and YOLO11 detection and classification; convert with "
        "`recam convert`, or give a newer binary with --runner.",
    ),
    (
        "model input type not supported",
        "the camera's test binary does not support this model's input",
        "The model must take one RGB picture; convert it with `recam convert`.",
    ),
)

_NOT_LOADED = (
    "the camera could not load the model",
    "It is damaged, for another chip, or larger than the TPU's free memory. Stop the running flow "
    "and run the test again.",
)

_KNOWN_FAILURES = (
    (
        "engine init failed",
        "the camera's TPU could not be started",
        "Stop the running flow, or restart the camera.",
    ),
    (
        "read image failed",
        "the camera could not read the picture",
        "Try another picture, or save this one as an ordinary JPEG.",
    ),
    (
        "device_init",
        "the test binary was not allowed to use the TPU",
        "It must run as root (see sudoers on the camera). Stop other programs that use the TPU.",
    ),
)


def _lines(*texts: str) -> Iterator[str]:
    for text in texts:
        yield from _COLOUR.sub("", text).splitlines()


def _finite(texts: tuple[str, ...], line: str) -> list[float]:
    numbers = [float(text) for text in texts]
    if not all(math.isfinite(number) for number in numbers):
        raise _malformed(line)
    return numbers


def _class_id(text: str, line: str) -> int:
    if text.startswith("-"):
        raise _malformed(line)
    return int(text)


def _malformed(line: str) -> SmokeTestError:
    return SmokeTestError(
        f"the camera printed an invalid detection: {line.strip()[:120]!r}",
        "The test binary cannot decode this model; convert it with `recam convert`.",
    )


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-2:])[:300] or "it printed nothing"
