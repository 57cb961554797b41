"""An export counts only when its model is there and computes what the framework computed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from foreign_files import CHECKPOINT, write_saved
from onnx_models import SIZE, detector
from planted import secret
from toolchain.fakes import Call, Recorder, completed

from recam_deploy.errors import ExportError, ProcessError, UnsupportedModelError
from recam_deploy.frameworks import Exporter, ExportPlan, environments, plan_export, recognise
from recam_deploy.process import Completed
from recam_deploy.toolchain import Compiler

SECRET = secret("a password in the environment")
Effect = Callable[[Path], None]


class FakeScript:
    """Stands for process.run: what the exporting script leaves in the folder it works in."""

    def __init__(self, effect: Effect, returncode: int = 0) -> None:
        self.effect = effect
        self.returncode = returncode
        self.calls: list[Call] = []

    def __call__(
        self, command: Any, *, cwd: Path | None = None, env: Mapping[str, str] | None = None,
        timeout: float | None = None, log: Path | None = None,
    ) -> Completed:  # fmt: skip
        assert log is not None
        if cwd is not None:
            self.calls.append(Call(tuple(map(str, command)), env, cwd))
            self.effect(cwd)
        return completed(self.returncode, output="Traceback\nsome reason\n")


def leaves(shift: float = 0.0, **report: Any) -> Effect:
    """A model, its report, and a proof whose first output is off by `shift`."""

    def effect(folder: Path) -> None:
        onnx.save(detector(), folder / "model.onnx")
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        picture = np.random.default_rng(1).random((1, 3, SIZE, SIZE), np.float32)
        outputs = session.run(None, {session.get_inputs()[0].name: picture})
        arrays: dict[str, Any] = {f"output_{i}": array for i, array in enumerate(outputs)}
        arrays["output_0"] = arrays["output_0"] + shift * max(1.0, np.abs(outputs[0]).max())
        np.savez(folder / "proof.npz", **arrays, input=picture)
        (folder / "report.json").write_text(json.dumps(report or {"versions": {"torch": "2.13"}}))

    return effect


@pytest.fixture
def plan(tmp_path: Path) -> ExportPlan:
    model = recognise(write_saved(tmp_path / "things.pt", CHECKPOINT))
    assert model is not None
    return plan_export(model)


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "ensure", lambda *args, **kwargs: Path("/env/python"))


def exporter(tmp_path: Path, run: FakeScript) -> Exporter:
    def no_compiler() -> Compiler:
        raise AssertionError("the compiler is not needed")

    return Exporter(tmp_path / "cache", no_compiler, Recorder(), run)


def test_an_export_is_kept_with_where_it_comes_from(tmp_path: Path, plan: ExportPlan) -> None:
    run = FakeScript(leaves())
    exported = exporter(tmp_path, run).export(plan)
    assert exported.onnx.name == "things.onnx"
    assert exported.origin["files"][0]["file"] == "things.pt"
    assert exported.origin["versions"] == {"torch": "2.13"}
    assert exported.origin["difference"] < 1e-6
    assert run.calls[0].words == ("/env/python", *plan.display().split()[1:])
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []


def test_the_same_file_is_exported_once(tmp_path: Path, plan: ExportPlan) -> None:
    run = FakeScript(leaves())
    first = exporter(tmp_path, run).export(plan)
    assert exporter(tmp_path, run).is_done(plan)
    again = exporter(tmp_path, run).export(plan)
    assert (again.onnx, again.step.cached, len(run.calls)) == (first.onnx, True, 1)


def test_the_script_works_on_copies_with_no_secrets(
    tmp_path: Path, plan: ExportPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECAM_PASSWORD", SECRET)
    seen: list[str] = []

    def effect(folder: Path) -> None:
        seen.extend(path.name for path in folder.iterdir())
        (folder / "model.pt").write_bytes(b"spoilt")
        leaves()(folder)

    run = FakeScript(effect)
    exporter(tmp_path, run).export(plan)
    assert set(seen) == {"model.pt", "ultralytics_export.py", "exporting.py"}
    assert plan.model.path.read_bytes() != b"spoilt"
    assert run.calls[0].env is not None
    assert SECRET not in run.calls[0].env.values()
    assert run.calls[0].env["HOME"] == str(run.calls[0].cwd)


def refuse(folder: Path) -> None:
    report = {"error": "the layer X is unknown", "hint": "Remove it."}
    (folder / "report.json").write_text(json.dumps(report))


def link(folder: Path) -> None:
    leaves()(folder)
    (folder / "model.onnx").rename(folder / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(folder / "elsewhere.onnx")


def no_model(folder: Path) -> None:
    leaves()(folder)
    (folder / "model.onnx").unlink()


def no_numbers(folder: Path) -> None:
    leaves()(folder)
    (folder / "proof.npz").write_bytes(b"PK")


def not_a_number(folder: Path) -> None:
    leaves(float("nan"))(folder)


def odd_report(folder: Path) -> None:
    leaves()(folder)
    (folder / "report.json").write_text("[1]")


def nested_report(folder: Path) -> None:
    """As a model's own code may write it (row 14)."""
    leaves()(folder)
    (folder / "report.json").write_text('{"versions": ' + "[" * 60_000 + "]" * 60_000 + "}")


def nested_error(folder: Path) -> None:
    leaves()(folder)
    (folder / "report.json").write_text('{"error": ' + "[" * 400 + "]" * 400 + ', "hint": ""}')


def damaged_numbers(folder: Path) -> None:
    """An archive whose entry says a compression that does not exist."""
    leaves()(folder)
    data = bytearray((folder / "proof.npz").read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 10 : at + 12] = b"\x63\x00"
    (folder / "proof.npz").write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("effect", "error", "said"),
    [
        (nested_report, ExportError, "some reason"),
        (nested_error, ExportError, "some reason"),
        (damaged_numbers, ExportError, "results cannot be read"),
        (leaves(0.01), ExportError, "is not equivalent"),
        (not_a_number, ExportError, "is not equivalent"),
        (refuse, UnsupportedModelError, "the layer X is unknown"),
        (no_model, ExportError, "wrote no model"),
        (link, ExportError, "wrote no model"),
        (no_numbers, ExportError, "results cannot be read"),
        (odd_report, ExportError, "some reason"),
        (lambda folder: None, ExportError, "some reason"),
    ],
)
def test_a_failed_export_is_explained_and_not_kept(
    tmp_path: Path, plan: ExportPlan, effect: Effect, error: type[Exception], said: str
) -> None:
    exporting = exporter(tmp_path, FakeScript(effect))
    with pytest.raises(error, match=said):
        exporting.export(plan)
    assert not exporting.is_done(plan)
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []


def test_an_exit_code_counts_even_with_a_good_report(tmp_path: Path, plan: ExportPlan) -> None:
    with pytest.raises(ExportError, match="exit code 1"):
        exporter(tmp_path, FakeScript(leaves(), returncode=1)).export(plan)


def test_a_script_that_does_not_end_is_an_export_that_failed(
    tmp_path: Path, plan: ExportPlan
) -> None:
    def hang(folder: Path) -> None:
        raise ProcessError("python did not finish within 3600 s", "Try again.")

    with pytest.raises(ExportError, match="did not finish"):
        exporter(tmp_path, FakeScript(hang)).export(plan)


def test_a_file_that_changes_meanwhile_is_not_taken_for_the_planned_one(
    tmp_path: Path, plan: ExportPlan
) -> None:
    ((name, path, _),) = plan.files
    other = dataclasses.replace(plan, files=((name, path, "0" * 64),))
    with pytest.raises(ExportError, match="changed while it was read"):
        exporter(tmp_path, FakeScript(leaves())).export(other)
