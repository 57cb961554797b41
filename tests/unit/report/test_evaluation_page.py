"""The report of an evaluation is one sound document that tells what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_sets import SIZE, labelled_set, marked, random_data, seen
from PIL import Image, ImageDraw

from recam_deploy.detection.types import Detection
from recam_deploy.evaluation.accuracy import as_camera, measure
from recam_deploy.evaluation.evaluate import Evaluation
from recam_deploy.evaluation.types import Found, LabelledSet, Task
from recam_deploy.measured import figure_title
from recam_deploy.report.evaluation_page import render_evaluation

from .comparisons import HOSTILE, Reader

BOX = (20.0, 20.0, 90.0, 80.0)
WHOLE = (0.0, 0.0, 320.0, 240.0)


def evaluation(labelled: LabelledSet, found: list[Found]) -> Evaluation:
    """An evaluation of these detections."""
    on_tpu = [one.cvimodel for one in found]
    return Evaluation(
        labelled=labelled,
        found=tuple(found),
        reference=measure(labelled, [one.reference for one in found]),
        cvimodel=measure(labelled, on_tpu),
        as_camera=as_camera(labelled, on_tpu),
        backend="emulator",
        seconds=3.2,
    )


def drawn(labelled: LabelledSet, folder: Path) -> LabelledSet:
    """The same pictures as files, on which the objects are drawn."""
    pictures = []
    for number, picture in enumerate(labelled.pictures):
        image = Image.new("RGB", picture.size, "grey")
        for one in picture.objects:
            ImageDraw.Draw(image).ellipse(
                one.box, fill=("navy", "olive", "maroon")[one.class_id % 3]
            )
        image.save(folder / f"{number:02}.png")
        pictures.append(replace(picture, path=folder / f"{number:02}.png"))
    return replace(labelled, pictures=tuple(pictures))


def worse(found: tuple[Detection, ...]) -> tuple[Detection, ...]:
    """What a cvimodel would find: not every detection, and with lower scores."""
    return tuple(replace(one, score=one.score * 0.9) for one in found[::2])


def example(task: Task, folder: Path) -> Evaluation:
    """A random data set of which the cvimodel loses much."""
    labelled, found = random_data(task, pictures=20)
    return evaluation(drawn(labelled, folder), [Found(one, worse(one)) for one in found])


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_it_is_a_whole_document_with_the_ten_worst_pictures_drawn(
    task: Task, tmp_path: Path
) -> None:
    result = example(task, tmp_path)
    reader = Reader(render_evaluation(result, "model"))
    reader.check_self_contained()
    assert len(reader.images) == 20
    assert {image.size for image in reader.images} == {(640, 480)}
    for name, value in result.cvimodel.figures.items():
        assert figure_title(name) in reader.text
        assert value is not None
        assert f"{value:.4f}" in reader.text
    charts = sum(tag == "svg" and at.get("class") == "chart square" for tag, at in reader.tags)
    assert charts == (1 if task == "detect" else 2)
    for heading in ("As the camera shows it", "What is taken for what", "by class", "by size"):
        assert heading in reader.text


def test_missed_and_wrong_ones_are_told_in_words_too(tmp_path: Path) -> None:
    labelled = drawn(
        labelled_set([(marked(BOX), marked((150.0, 90.0, 250.0, 190.0), 1))]), tmp_path
    )
    both = (seen(BOX), seen((150.0, 90.0, 250.0, 190.0), class_id=1))
    wrong = (seen(BOX, 0.7, class_id=2), seen((200.0, 5.0, 260.0, 40.0), 0.6, class_id=2))
    text = Reader(render_evaluation(evaluation(labelled, [Found(both, wrong)]), "model")).text
    assert "disc taken for star 0.70 at 20, 20, 90, 80" in text
    assert "missed: square at 150, 90, 250, 190" in text
    assert "extra: star 0.60 at 200, 5, 260, 40" in text
    assert "Float: 2 of 2 objects found" in text
    assert "cvimodel: 0 of 2 objects found, 2 wrong" in text


def test_where_nothing_is_lost_it_says_so(tmp_path: Path) -> None:
    labelled, found = random_data("detect", pictures=4)
    document = render_evaluation(evaluation(labelled, [Found(one, one) for one in found]), "model")
    reader = Reader(document)
    assert "On no picture did the cvimodel find less" in reader.text
    assert not reader.images


def test_pictures_without_objects_and_models_that_find_nothing() -> None:
    labelled = labelled_set([(), ()])
    reader = Reader(render_evaluation(evaluation(labelled, [Found((), ())] * 2), "model"))
    reader.check_self_contained()
    assert "none" in reader.text


def test_a_classifier_has_no_curves_and_no_sizes(tmp_path: Path) -> None:
    labelled = drawn(labelled_set([(marked(WHOLE, 0),), (marked(WHOLE, 1),)], "classify"), tmp_path)
    found = [
        Found((seen(WHOLE, 0.9),), (seen(WHOLE, 0.6, class_id=2),)),
        Found((seen(WHOLE, 0.9, 1),), (seen(WHOLE, 0.9, 1),)),
    ]
    reader = Reader(render_evaluation(evaluation(labelled, found), "model"))
    assert "top-1" in reader.text
    assert "disc taken for star 0.60" in reader.text
    assert "Precision and recall" not in reader.text
    assert "by size" not in reader.text
    assert len(reader.images) == 2


def test_a_picture_that_is_gone_is_told(tmp_path: Path) -> None:
    labelled = drawn(labelled_set([(marked(BOX),)]), tmp_path)
    labelled.pictures[0].path.unlink()
    reader = Reader(render_evaluation(evaluation(labelled, [Found((seen(BOX),), ())]), "model"))
    assert "It cannot be drawn: " in reader.text


def test_of_many_classes_the_worst_are_in_the_matrix(tmp_path: Path) -> None:
    labels = tuple(f"class {number}" for number in range(80))
    objects = [(marked(BOX, one),) for one in range(80)]
    labelled = labelled_set(objects, labels=labels)
    found = [
        Found((seen(BOX, 0.9, one),), (seen(BOX, 0.9, 79 - one if one in (70, 9) else one),))
        for one in range(80)
    ]
    reader = Reader(render_evaluation(evaluation(drawn(labelled, tmp_path), found), "model"))
    heads = [at.get("title") for tag, at in reader.tags if tag == "th" and at.get("scope") == "col"]
    assert {"class 9", "class 70", "68 other classes"} <= set(heads)
    assert len(heads) == 14
    assert "60 others, which lost less" in reader.text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_stay_text(text: str, tmp_path: Path) -> None:
    def page(label: str, name: str, source: Path) -> Reader:
        labelled = drawn(labelled_set([(marked(BOX), marked(BOX, 1))]), tmp_path)
        labelled = replace(
            labelled,
            labels=(label, "other"),
            source=source,
            part=label,
            problems=(label,),
        )
        both = Found((Detection(0, label, 0.9, BOX),), (Detection(1, label, 0.6, BOX),))
        return Reader(render_evaluation(evaluation(labelled, [both]), name))

    hostile = page(text, text, Path("/data") / text.replace("\0", "").replace("/", "_")[:200])
    hostile.check_self_contained()
    plain = page("plain", "plain", Path("/data/plain"))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]


def test_the_document_does_not_depend_on_when_it_was_made(tmp_path: Path) -> None:
    result = example("detect", tmp_path)
    assert render_evaluation(result, "model") == render_evaluation(result, "model")
    json.dumps(result.as_json(), allow_nan=False)
    assert result.labelled.pictures[0].size == SIZE
