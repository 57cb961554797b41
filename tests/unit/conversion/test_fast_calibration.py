"""Where our calibrator cannot know a tensor, the compiler's takes its place, and that is said."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import onnx
import pytest
from networks import a_network

from recam_deploy.calibrator.calibrate import NotCalibratedError
from recam_deploy.conversion import convert
from recam_deploy.conversion.calibration import CalibrationSet
from recam_deploy.conversion.convert import Converter
from recam_deploy.conversion.options import ConversionOptions
from recam_deploy.conversion.plan import ConversionPlan, plan_conversion
from recam_deploy.conversion.thresholds import Thresholds
from recam_deploy.progress import SilentProgress, Step
from recam_deploy.step_cache import StepCache, StepResult
from recam_deploy.toolchain import Compiler


@dataclass
class Heard:
    """Keeps what is said."""

    lines: list[str] = field(default_factory=list)

    def step(self, title: str, unit: str = "") -> AbstractContextManager[Step]:
        return SilentProgress().step(title, unit)

    def say(self, message: str) -> None:
        self.lines.append(message)


def planned() -> ConversionPlan:
    network = a_network(output_shapes=((1, 3),), classes=3, labels=("a", "b", "c"))
    pictures = CalibrationSet(Path("d"), ((Path("d/1.jpg"), "11"),))
    options = ConversionOptions()
    return plan_conversion(network, pictures, options, quantization="int8", tpu_mlir="1.7")


class NoCompiler:
    """Asked for nothing but its version."""

    version = "1.7"


def converter_of(plan: ConversionPlan, cache: Path, heard: Heard) -> Converter:
    compiler = cast(Compiler, NoCompiler())
    steps = StepCache(cache / "steps", heard)
    return Converter(plan, onnx.ModelProto(), compiler, steps, cache, heard)


def test_the_compilers_own_calibrator_takes_over_and_the_plan_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    plans: list[ConversionPlan] = []

    def run(converter: Converter, output: Path, thresholds: Thresholds) -> str:
        plans.append(converter._plan)
        if len(plans) == 1:
            raise NotCalibratedError("no values are known for x", "")
        return "done"

    monkeypatch.setattr(Converter, "_run", run)
    converter = converter_of(planned(), tmp_path, heard)
    assert str(converter.run(tmp_path / "m.cvimodel", Thresholds(0, 0))) == "done"
    assert heard.lines == [
        "calibrating with the compiler's own calibrator: no values are known for x"
    ]
    assert [command.tool for command in plans[1].commands] == [
        "model_transform",
        "run_calibration",
        "model_deploy",
    ]
    assert plans[1].options.calibration.calibrator == "stock"


def test_the_table_is_kept_as_the_step_that_was_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "fast_table", lambda *_: "x 1 -1 1\n")
    plan = planned()
    converter = converter_of(plan, tmp_path, Heard())
    done = StepResult("transform", tmp_path, 1.0, cached=False)
    assert plan.calibrate is not None
    made = converter._calibrate(plan.calibrate, done, done)
    assert made.folder.name == plan.calibrate.key
    assert (made.folder / "calibration_table").read_text() == "x 1 -1 1\n"
    assert converter._calibrate(plan.calibrate, done, done).cached
