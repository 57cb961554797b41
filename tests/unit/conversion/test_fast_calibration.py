"""Where our calibrator cannot know a tensor, the compiler's takes its place, and that is said."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import pytest

from recam_deploy.calibrator.calibrate import NotCalibratedError
from recam_deploy.conversion import convert
from recam_deploy.conversion.calibration import CalibrationSet
from recam_deploy.conversion.convert import Converter
from recam_deploy.conversion.options import ConversionOptions
from recam_deploy.conversion.plan import ConversionPlan, PlannedStep, plan_conversion
from recam_deploy.conversion.step_cache import StepResult
from recam_deploy.network.model import Network, NetworkInput
from recam_deploy.progress import SilentProgress, Step


@dataclass
class Heard:
    """Keeps what is said."""

    lines: list[str] = field(default_factory=list)

    def step(self, title: str, unit: str = "") -> AbstractContextManager[Step]:
        return SilentProgress().step(title, unit)

    def say(self, message: str) -> None:
        self.lines.append(message)


def refuse(*_: object) -> str:
    raise NotCalibratedError("no values are known for x", "")


def planned() -> ConversionPlan:
    network = Network(
        path=Path("m.onnx"),
        sha256="aa",
        ir_version=8,
        opset=17,
        family="raw",
        input=NetworkInput("images", 64, 64),
        cut_at=("out",),
        output_shapes=((1, 3),),
        classes=3,
        labels=("a", "b", "c"),
    )
    pictures = CalibrationSet(Path("d"), ((Path("d/1.jpg"), "11"),))
    options = ConversionOptions()
    return plan_conversion(network, pictures, options, quantization="int8", tpu_mlir="1.7")


class NoCompiler:
    """Never asked."""


def test_the_compilers_own_calibrator_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, asked = Heard(), []
    done = StepResult("calibrate", tmp_path, 1.0, cached=False)

    def tool(_: Converter, step: PlannedStep, before: list[StepResult]) -> StepResult:
        asked.append(step)
        return done

    monkeypatch.setattr(convert, "fast_table", refuse)
    monkeypatch.setattr(Converter, "_tool", tool)
    plan = planned()
    converter = Converter(plan, onnx.ModelProto(), NoCompiler(), tmp_path, heard)  # type: ignore[arg-type]
    assert plan.calibrate is not None
    assert converter._calibrate(plan.calibrate, done, done) is done
    assert [step.command.tool for step in asked if step.command] == ["run_calibration"]
    assert asked[0].key == plan.calibrate.key
    assert heard.lines == [
        "calibrating with the compiler's own calibrator: no values are known for x"
    ]


def test_the_table_is_kept_as_the_step_that_was_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "fast_table", lambda *_: "x 1 -1 1\n")
    plan = planned()
    converter = Converter(plan, onnx.ModelProto(), NoCompiler(), tmp_path, Heard())  # type: ignore[arg-type]
    done = StepResult("transform", tmp_path, 1.0, cached=False)
    assert plan.calibrate is not None
    made = converter._calibrate(plan.calibrate, done, done)
    assert made.folder.name == plan.calibrate.key
    assert (made.folder / "calibration_table").read_text() == "x 1 -1 1\n"
    assert converter._calibrate(plan.calibrate, done, done).cached
