"""Evaluate a float model and its cvimodel on labelled pictures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import AccuracyError, InputError
from ..measured import figure_title
from ..network.model import CLASSIFY, RAW, YOLO11_POSE, YOLO11_SEG
from ..progress import Progress, SilentProgress
from .accuracy import Accuracy, AsCamera, as_camera, measure
from .detecting import Models, Result
from .types import Found, LabelledSet, Task

Run = Callable[[Models, Sequence[Path]], Iterator[tuple[int, Sequence[Result]]]]
"""Runs both models on pictures; yields results with the place of the first, as they end."""

_TASKS: dict[str, Task] = {CLASSIFY: "classify", YOLO11_POSE: "pose", YOLO11_SEG: "segment"}
_UNREADABLE = "unreadable"


def task_of(family: str) -> Task:
    """Return what a model of a family is measured by. Raises InputError for a raw network."""
    if family == RAW:
        raise InputError(
            "the outputs of a raw network cannot be decoded, so there is nothing to measure",
            "Compare its outputs with the float model's: recam verify.",
        )
    return _TASKS.get(family, "detect")


@dataclass(frozen=True)
class Evaluation:
    """Both models' accuracy on labelled pictures, and what they found in each.

    `backend` is what ran the cvimodel. `seconds` are those of running the models.
    """

    labelled: LabelledSet
    found: tuple[Found, ...]
    reference: Accuracy
    cvimodel: Accuracy
    as_camera: AsCamera
    backend: str
    seconds: float

    @property
    def lost(self) -> float:
        """Return the largest loss among the main figures."""
        return self.cvimodel.worst_loss(self.reference)

    def check(self, max_drop: float | None) -> None:
        """Raise AccuracyError when the cvimodel loses more than `max_drop`."""
        if max_drop is None or self.lost <= max_drop:
            return
        lost = self.cvimodel.lost_from(self.reference)
        name = max(self.cvimodel.main, key=lambda one: lost[one] or 0.0)
        before, after = self.reference.figures[name], self.cvimodel.figures[name]
        raise AccuracyError(
            f"the cvimodel loses {self.lost:.4f} {figure_title(name)} ({_shown(before)} to "
            f"{_shown(after)}), and {max_drop} is allowed",
            f"Convert it with `--quantize mixed --data D --max-drop {max_drop}`, which keeps the "
            "layers that lose most in BF16; or allow more.",
        )

    def summary(self) -> dict[str, Any]:
        """Return the numbers that the manifest holds, with the digest of the data."""
        return {
            "data": {
                "name": self.labelled.source.name,
                "part": self.labelled.part,
                "sha256": self.labelled.digest,
            },
            "images": len(self.labelled.pictures),
            "objects": self.labelled.objects,
            "float": self.reference.as_json(),
            "cvimodel": self.cvimodel.as_json(),
            "lost": _rounded(self.cvimodel.lost_from(self.reference)),
            "as_camera": self.as_camera.as_json(),
            "backend": self.backend,
        }

    def classes(self) -> list[dict[str, Any]]:
        """Return the first main figure of each class, those that lose most first."""
        first, second = self.reference.by_class, self.cvimodel.by_class

        def lost(number: int) -> float:
            return (first.get(number) or 0.0) - (second.get(number) or 0.0)

        return [
            {
                "label": self.labelled.labels[number],
                **_rounded({"float": first.get(number), "cvimodel": second.get(number)}),
            }
            for number in sorted(first, key=lambda number: (-lost(number), number))
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the document of `evaluate --json`, without the report."""
        count = len(self.labelled.pictures)
        return {
            **self.summary(),
            "classes": self.classes(),
            "passed_over": dict(self.labelled.passed_over.most_common()),
            "warnings": list(self.labelled.problems),
            "seconds": round(self.seconds, 2),
            "images_per_second": round(count / self.seconds, 2) if self.seconds else None,
        }


def evaluate(
    models: Models, labelled: LabelledSet, run: Run, backend: str, progress: Progress
) -> Evaluation:
    """Run both models on all pictures, and measure them.

    A picture that cannot be read is left out of the result. Raises InputError when none can be, and
    whatever `run` raises.
    """
    started = time.monotonic()
    labelled, found = run_all(models, labelled, run, progress)
    seconds = time.monotonic() - started
    with progress.step("Measuring the accuracy"):
        on_tpu = [one.cvimodel for one in found]
        return Evaluation(
            labelled=labelled,
            found=found,
            reference=measure(labelled, [one.reference for one in found]),
            cvimodel=measure(labelled, on_tpu),
            as_camera=as_camera(labelled, on_tpu),
            backend=backend,
            seconds=seconds,
        )


class AccuracyMeter:
    """Measures emulated networks of one model; runs the float model once.

    `models` holds the float model alone.
    """

    def __init__(self, models: Models, labelled: LabelledSet, run: Run, progress: Progress) -> None:
        self._models = models
        self._run = run
        self._labelled, found = run_all(models, labelled, run, progress)
        self._reference = measure(self._labelled, [one.reference for one in found])

    def lost(self, emulated: Path) -> float:
        """Return the largest loss of an emulated network among the main figures."""
        models = replace(self._models, prepared=None, emulated=emulated)
        silent = SilentProgress()
        labelled, found = run_all(models, self._labelled, self._run, silent)
        return measure(labelled, [one.cvimodel for one in found]).worst_loss(self._reference)


def run_all(
    models: Models, labelled: LabelledSet, run: Run, progress: Progress
) -> tuple[LabelledSet, tuple[Found, ...]]:
    """Run the models on all pictures; return those that could be read, and what was found."""
    pictures = labelled.pictures
    results: dict[int, Result] = {}
    with progress.step("Evaluating", "images") as step:
        step.update(0, len(pictures))
        for start, some in run(models, [picture.path for picture in pictures]):
            results.update(enumerate(some, start))
            step.update(len(results), len(pictures))
    errors = [one for _, one in sorted(results.items()) if isinstance(one, InputError)]
    read = [
        (picture, result)
        for number, picture in enumerate(pictures)
        if isinstance(result := results[number], Found)
    ]
    if not read:
        raise errors[0]
    if errors:
        first = f"{len(errors):,} unreadable pictures were left out; the first: {errors[0].message}"
        labelled = replace(
            labelled,
            pictures=tuple(picture for picture, _ in read),
            passed_over=labelled.passed_over + Counter({_UNREADABLE: len(errors)}),
            problems=(*labelled.problems, first),
        )
    return labelled, tuple(found for _, found in read)


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _rounded(values: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 6) for name, value in values.items()}
