"""Which detections agree, by the very rules of the counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recam_deploy.detection.match import agreement, pair
from recam_deploy.detection.types import Detection

from .comparisons import found

detections = st.lists(
    st.builds(
        Detection,
        class_id=st.integers(0, 1),
        label=st.just("x"),
        score=st.sampled_from([0.3, 0.42, 0.48, 0.5, 0.55, 0.9]),
        box=st.sampled_from(
            [(0.0, 0.0, 10.0, 10.0), (1.0, 0.0, 11.0, 10.0), (4.0, 4.0, 14.0, 14.0)]
        ),
    ),
    max_size=6,
)


@given(detections, detections)
def test_pairs_count_as_the_agreement_does(a: list[Detection], b: list[Detection]) -> None:
    pairing = pair(a, b)
    assert pairing.agreement == agreement(a, b)
    taken = [*(f for _, f in pairing.matched), *(f for _, f in pairing.borderline), *pairing.extra]
    assert all(b.count(d) >= taken.count(d) for d in taken)
    for reference, other in (*pairing.matched, *pairing.borderline):
        assert reference.class_id == other.class_id


def test_each_detection_comes_with_its_own_counterpart() -> None:
    far = (40.0, 40.0, 60.0, 60.0)
    strong, weak = found("a", 0.9), found("a", 0.8, box=far)
    other_weak, other_strong = found("a", 0.41, box=far), found("a", 0.7)
    pairing = pair([weak, strong], [other_weak, other_strong])
    assert pairing.matched == ((strong, other_strong), (weak, other_weak))
    assert not pairing.missed
    assert not pairing.extra


def test_a_stronger_counterpart_of_a_weak_detection_is_borderline() -> None:
    pairing = pair([found("a", 0.49)], [found("a", 0.51)])
    assert pairing.borderline == ((found("a", 0.49), found("a", 0.51)),)
    assert not pairing.extra


def test_another_class_is_missed_and_extra() -> None:
    pairing = pair([found("a", 0.9)], [found("b", 0.9, 1)])
    assert pairing.missed == (found("a", 0.9),)
    assert pairing.extra == (found("b", 0.9, 1),)
