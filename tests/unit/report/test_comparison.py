"""Both models see the same pictures, and their differences are counted right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from cvimodels import write_cvimodel
from onnx_models import detector
from PIL import Image

from recam_deploy.artifact import load_artifact
from recam_deploy.network.cutting import cut
from recam_deploy.network.float_model import Array, FloatModel, normalized
from recam_deploy.progress import Progress, SilentProgress
from recam_deploy.report import comparison
from recam_deploy.report.comparison import Comparison, compare
from recam_deploy.report.subject import Subject, read_subject

Change = Callable[[list[Array]], list[Array]]


class FakeTpu:
    """The float model again, with its outputs changed; remembers how many pictures came at once."""

    def __init__(self, subject: Subject, change: Change) -> None:
        network = subject.network
        part = cut(subject.graph, network.input.name, network.cut_at)
        self._model = FloatModel(part.SerializeToString())
        self._change = change
        self.batches: list[int] = []

    def run(
        self, model: Path, images: Sequence[npt.NDArray[Any]], progress: Progress
    ) -> list[list[Array]]:
        assert model.is_file()
        self.batches.append(len(images))
        return [self._change(self._model.run(normalized(image))) for image in images]


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    onnx.save(detector(), tmp_path / "m.onnx")
    artifact = load_artifact(write_cvimodel(tmp_path / "m.cvimodel"))
    return read_subject(artifact, tmp_path / "m.onnx")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{index}.png" for index in range(5)]
    for path in paths:
        Image.fromarray(random.integers(0, 255, (48, 64, 3), np.uint8)).save(path)
    return paths


def compared(subject: Subject, pictures: list[Path], change: Change, limit: int = 9) -> Comparison:
    return compare(subject, pictures, FakeTpu(subject, change), SilentProgress(), limit)


def test_equal_outputs_agree_wholly(subject: Subject, pictures: list[Path]) -> None:
    result = compared(subject, pictures, lambda outputs: outputs)
    assert [output.name for output in result.outputs] == list(subject.network.cut_at)
    assert all(output.cosine == pytest.approx(1) for output in result.outputs)
    assert all(output.largest == output.mean == 0 for output in result.outputs)
    counts = result.agreement
    assert counts.reference == counts.matched > 0
    assert counts.extra == 0


def test_errors_are_absolute_and_over_all_pictures(subject: Subject, pictures: list[Path]) -> None:
    def shifted(outputs: list[Array]) -> list[Array]:
        outputs[0] = outputs[0].copy()
        outputs[0][0, 0, 0, 0] -= 2
        outputs[1] = outputs[1] * -1
        return outputs

    first, second, *others = compared(subject, pictures, shifted).outputs
    assert first.largest == pytest.approx(2)
    assert first.mean == pytest.approx(2 / (64 * 8 * 8))
    assert second.cosine == pytest.approx(-1)
    assert second.largest == pytest.approx(2 * second.peak)
    assert all(output.largest == 0 for output in others)


def test_what_the_tpu_does_not_find_is_missed(subject: Subject, pictures: list[Path]) -> None:
    def silent(outputs: list[Array]) -> list[Array]:
        return [o - 50 if o.shape[1] == 3 else o for o in outputs]

    result = compared(subject, pictures, silent)
    document = result.as_json(Path("r.html"))
    assert document["detections"]["matched"] == 0
    assert document["detections"]["missed"] == document["detections"]["float"] > 0
    assert result.pictures[0].float_jpeg != result.pictures[0].tpu_jpeg


@pytest.mark.filterwarnings("ignore:invalid value")
def test_outputs_that_are_not_finite_still_give_numbers(
    subject: Subject, pictures: list[Path]
) -> None:
    def overflown(outputs: list[Array]) -> list[Array]:
        outputs[1] = outputs[1].copy()
        outputs[1][0, 0, 0, 0] = -np.inf
        return outputs

    cosines = [
        o["cosine"] for o in compared(subject, pictures, overflown).as_json(Path())["outputs"]
    ]
    assert cosines == [1, 0, 1, 1, 1, 1]


def test_only_the_first_pictures_are_compared_a_few_at_a_time(
    subject: Subject, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "_BATCH", 2)
    tpu = FakeTpu(subject, lambda outputs: outputs)
    result = compare(subject, pictures, tpu, SilentProgress(), 3)
    assert [picture.name for picture in result.pictures] == ["0.png", "1.png", "2.png"]
    assert tpu.batches == [2, 1]
    assert result.available == 5


def test_the_document_is_the_promised_one(subject: Subject, pictures: list[Path]) -> None:
    document = compared(subject, pictures, lambda outputs: outputs).as_json(Path("r.html"))
    assert set(document) == {"images", "outputs", "detections", "report"}
    assert document["images"] == 5
    assert all(set(output) == {"name", "cosine"} for output in document["outputs"])
    assert set(document["detections"]) == {"float", "matched", "missed", "extra"}
    assert Path(document["report"]).is_absolute()
