"""What was taken for what, and which pictures lost most."""

from __future__ import annotations

from collections.abc import Sequence

from made_sets import LABELS, labelled_set, marked, random_data, seen

from recam_deploy.detection.types import Detection
from recam_deploy.evaluation.losses import worst_losses
from recam_deploy.evaluation.matching import PictureMatch, confusion, match_all
from recam_deploy.evaluation.types import Found, LabelledObject

LEFT = (10.0, 10.0, 60.0, 60.0)
RIGHT = (200.0, 100.0, 260.0, 160.0)


def match(objects: Sequence[LabelledObject], *detections: Detection) -> PictureMatch:
    (result,) = match_all(labelled_set([objects]), [detections])
    return result


def test_the_better_score_takes_the_object() -> None:
    low, high = seen(LEFT, 0.5), seen((12.0, 10.0, 64.0, 60.0), 0.8)
    object_ = marked(LEFT)
    assert match([object_], low, high) == PictureMatch(found=((high, object_),), extra=(low,))


def test_a_detection_of_another_class_takes_only_what_is_left() -> None:
    object_ = marked(LEFT)
    right, wrong = seen(LEFT, 0.5), seen(LEFT, 0.9, class_id=1)
    assert match([object_], wrong, right) == PictureMatch(found=((right, object_),), extra=(wrong,))
    assert match([object_], wrong) == PictureMatch(mistaken=((wrong, object_),))


def test_a_detection_takes_the_object_that_it_overlaps_most() -> None:
    near, far = marked((0.0, 0.0, 50.0, 50.0)), marked((10.0, 0.0, 60.0, 50.0))
    detection = seen((8.0, 0.0, 58.0, 50.0))
    assert match([near, far], detection).found == ((detection, far),)


def test_the_matrix_counts_every_object_and_detection_once() -> None:
    labelled, found = random_data("detect")
    matches = match_all(labelled, found)
    matrix = confusion(LABELS, matches)
    objects = sum(not one.crowd for picture in labelled.pictures for one in picture.objects)
    assert sum(map(sum, matrix.counts[:-1])) == objects
    shown = sum(match.detections for match in matches)
    assert sum(sum(row[:-1]) for row in matrix.counts) == shown
    assert sum(matrix.counts[n][n] for n in range(3)) == sum(len(m.found) for m in matches)
    assert matrix.counts[3][3] == 0


def test_the_matrix_says_which_class_was_taken_for_which() -> None:
    labelled = labelled_set([(marked(LEFT, 0), marked(RIGHT, 2))])
    matches = match_all(labelled, [(seen(LEFT, class_id=1), seen((100.0, 0.0, 140.0, 40.0)))])
    assert confusion(LABELS, matches).counts == (
        (0, 1, 0, 0),
        (0, 0, 0, 0),
        (0, 0, 0, 1),
        (1, 0, 0, 0),
    )


def test_the_picture_that_lost_most_comes_first() -> None:
    two = (marked(LEFT), marked(RIGHT))
    both = (seen(LEFT), seen(RIGHT))
    labelled = labelled_set([two, two, two, two, two, ()])
    found = [
        Found(both, both),
        Found(both, (seen(LEFT),)),
        Found(both, ()),
        Found(both, (seen(LEFT, 0.6), seen(RIGHT, 0.5))),
        Found((seen(LEFT),), both),
        Found((), (seen(LEFT),)),
    ]
    losses = worst_losses(labelled, found)
    order = [int(one.picture.path.stem) for one in losses]
    # Nothing left of two, something where nothing is, half left, the same with lower scores.
    assert order == [2, 5, 1, 3]
    assert [round(one.f1, 3) for one in losses] == [1.0, 1.0, 0.333, 0.0]
    assert worst_losses(labelled, found, most=1) == losses[:1]


def test_no_picture_lost_where_both_found_the_same() -> None:
    labelled, found = random_data("detect")
    assert worst_losses(labelled, [Found(one, one) for one in found]) == []
