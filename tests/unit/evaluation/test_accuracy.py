"""What is measured where there is little to measure, and what counts as lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_sets import ellipse, labelled_set, marked, random_data, seen

from recam_deploy.detection.types import Detection
from recam_deploy.errors import InputError
from recam_deploy.evaluation.accuracy import as_camera, measure
from recam_deploy.evaluation.types import Task

BOX = (10.0, 10.0, 60.0, 50.0)
POINTS = ((20.0, 20.0, 2), (40.0, 30.0, 1))


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_no_detection_at_all_is_an_accuracy_of_nought(task: Task) -> None:
    labelled, found = random_data(task, pictures=5)
    accuracy = measure(labelled, [()] * len(found))
    assert {accuracy.figures[name] for name in accuracy.main} == {0.0}
    seen_there = as_camera(labelled, [()] * len(found))
    assert (seen_there.precision, seen_there.recall) == (None, 0.0)


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_pictures_without_objects_have_no_accuracy(task: Task) -> None:
    labelled = labelled_set([(), ()], task)
    accuracy = measure(labelled, [(seen(BOX, mask=ellipse(BOX)),), ()])
    assert set(accuracy.figures.values()) == {None}
    assert set(accuracy.by_class.values()) == {None}
    assert accuracy.worst_loss(accuracy) == 0.0
    json.dumps(accuracy.as_json(), allow_nan=False)
    seen_there = as_camera(labelled, [(seen(BOX),), ()])
    assert (seen_there.precision, seen_there.recall) == (0.0, None)


def test_a_perfect_model_has_one_everywhere_even_at_the_first_picture() -> None:
    labelled = labelled_set([(marked(BOX),), (marked(BOX, 2),)])
    accuracy = measure(labelled, [(seen(BOX),), (seen(BOX, class_id=2),)])
    assert accuracy.figures["map50_95"] == 1.0
    assert accuracy.figures["map_medium"] == 1.0
    assert accuracy.figures["map_small"] is None
    assert accuracy.by_class == {0: 1.0, 1: None, 2: 1.0}


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    for task in ("detect", "segment", "pose"):
        labelled, found = random_data(task, pictures=4)
        measure(labelled, found)
    assert capfd.readouterr() == ("", "")


def test_detections_in_a_crowd_count_neither_for_nor_against() -> None:
    crowd = marked((0.0, 0.0, 200.0, 200.0), crowd=True)
    labelled = labelled_set([(crowd, marked((220.0, 100.0, 300.0, 200.0)))])
    right = seen((220.0, 100.0, 300.0, 200.0), 0.5)
    alone = [(right,)]
    with_crowd = [(seen((20.0, 20.0, 80.0, 90.0), 0.9), right)]
    assert measure(labelled, with_crowd).figures == measure(labelled, alone).figures
    assert as_camera(labelled, with_crowd) == as_camera(labelled, alone)


def test_classes_that_the_data_cannot_have_do_not_count() -> None:
    labelled = labelled_set([(marked(BOX),)], evaluated=frozenset({0}))
    found = [(seen((100.0, 100.0, 200.0, 200.0), 0.95, class_id=1), seen(BOX))]
    assert measure(labelled, found).figures["map50_95"] == 1.0
    assert as_camera(labelled, found).precision == 1.0


def test_a_class_beyond_the_models_names_is_passed_over() -> None:
    labelled = labelled_set([(marked(BOX),)])
    found = [(seen((100.0, 100.0, 200.0, 200.0), 0.95, class_id=7), seen(BOX))]
    assert measure(labelled, found).figures["map50"] == 1.0
    assert as_camera(labelled, found).precision == 1.0


def test_the_threshold_itself_is_not_shown() -> None:
    labelled = labelled_set([(marked(BOX),)])
    assert as_camera(labelled, [(seen(BOX, 0.25),)]).recall == 0.0
    assert as_camera(labelled, [(seen(BOX, 0.2501),)]).recall == 1.0


def test_an_object_is_found_once() -> None:
    labelled = labelled_set([(marked(BOX),)])
    seen_there = as_camera(labelled, [(seen(BOX, 0.9), seen(BOX, 0.8))])
    assert (seen_there.precision, seen_there.recall) == (0.5, 1.0)


def test_other_keypoints_than_the_data_has_are_refused() -> None:
    labelled = labelled_set([(marked(BOX, keypoints=POINTS),)], "pose")
    detection = seen(BOX, keypoints=((1.0, 1.0),) * 17)
    with pytest.raises(InputError, match="the model finds 17 keypoints an object, the data has 2"):
        measure(labelled, [(detection,)])


def test_objects_with_different_keypoints_are_refused() -> None:
    objects = (marked(BOX, keypoints=POINTS), marked(BOX, keypoints=POINTS[:1]))
    with pytest.raises(InputError, match="some objects of .*shapes have 1 keypoints, others 2"):
        measure(labelled_set([objects], "pose"), [()])


def test_a_keypoint_that_is_nowhere_makes_the_detection_worthless() -> None:
    labelled = labelled_set([(marked(BOX, keypoints=POINTS),)], "pose")
    detection = seen(BOX, keypoints=((float("nan"), 1.0), (float("inf"), 2.0)))
    accuracy = measure(labelled, [(detection,)])
    assert accuracy.figures["pose_map50"] == 0.0


def test_a_loss_is_that_of_the_worst_main_figure() -> None:
    labelled, found = random_data("segment", pictures=6)
    reference = measure(labelled, found)
    without_masks = [
        tuple(
            Detection(d.class_id, d.label, d.score, d.box, mask=ellipse((0.0, 0.0, 9.0, 9.0)))
            for d in some
        )
        for some in found
    ]
    other = measure(labelled, without_masks)
    lost = other.lost_from(reference)
    assert lost["map50_95"] == 0.0
    assert (
        other.worst_loss(reference) == lost["mask_map50_95"] == reference.figures["mask_map50_95"]
    )
    assert reference.worst_loss(other) == 0.0


def test_a_classifiers_first_and_first_five() -> None:
    whole = (0.0, 0.0, 320.0, 240.0)
    labels = tuple("abcdefg")
    pictures = [(marked(whole, one),) for one in (0, 1, 2, 3)]
    labelled = labelled_set(pictures, "classify", labels=labels)

    def answers(*classes: int, score: float = 0.6) -> tuple[Detection, ...]:
        return tuple(
            Detection(one, labels[one], score / (place + 1), whole)
            for place, one in enumerate(classes)
        )

    found = [
        answers(0, 1, 2, 3, 4),
        answers(0, 2, 3, 4, 1),
        answers(3, 4, 5, 6, 0),
        answers(3, 1, 2, 0, 4, score=0.2),
    ]
    accuracy = measure(labelled, found)
    assert accuracy.as_json() == {"top1": 0.5, "top5": 0.75}
    assert accuracy.by_class == {0: 1.0, 1: 0.0, 2: 0.0, 3: 1.0}
    seen_there = as_camera(labelled, found)  # the last is below the camera's threshold
    assert seen_there.precision == pytest.approx(1 / 3)
    assert seen_there.recall == 0.25


def test_labels_of_no_pictures_are_measured_as_nothing() -> None:
    accuracy = measure(labelled_set([], source=Path("/nowhere")), [])
    assert accuracy.figures["map50_95"] is None
