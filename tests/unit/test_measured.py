"""The main figure of an evaluation survives the manifest and the camera's model.json."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recam_deploy.measured import Measured, figure_title

SHARES = st.integers(0, 10_000).map(lambda count: count / 10_000)


def manifest(before: Any, after: Any) -> dict[str, Any]:
    return {"accuracy": {"float": before, "cvimodel": after}}


@given(st.sampled_from(["mAP50-95", "top-1"]), SHARES, SHARES)
def test_what_is_written_is_found_again(figure: str, before: float, after: float) -> None:
    measured = Measured(figure, before, after)
    assert Measured.find(f"yolo11-detect int8 {measured.words()} rejected") == measured


def test_the_first_figure_counts() -> None:
    found = Measured.from_manifest(
        manifest({"map50": 1.0, "map50_95": 0.8}, {"map50_95": 0.7, "map50": 0.9})
    )
    assert found == Measured("mAP50-95", 0.8, 0.7)
    assert round(found.lost, 4) == 0.1


@pytest.mark.parametrize(
    "provenance",
    [
        {},
        {"accuracy": 3},
        {"accuracy": {"float": {"top1": 0.5}}},
        manifest({}, {}),
        manifest([0.5], {"top1": 0.5}),
        manifest({"top1": None}, {"top1": 0.5}),
        manifest({"top1": 0.5}, {"top1": "0.5"}),
        manifest({"top1": 0.5}, {"top1": True}),
        manifest({"top1": 0.5}, {"top1": float("nan")}),
        manifest({"top1": 0.5}, {"top1": 7.0}),
    ],
    ids=repr,
)
def test_a_manifest_that_was_changed_by_hand_has_no_figure(provenance: dict[str, Any]) -> None:
    assert Measured.from_manifest(provenance) is None


@given(st.text())
def test_any_other_text_holds_none(text: str) -> None:
    assert Measured.find(text) is None


@pytest.mark.parametrize(
    ("figure", "title"),
    [
        ("map50_95", "mAP50-95"),
        ("mask_map50", "mask mAP50"),
        ("map_small", "mAP small"),
        ("pose_map_large", "pose mAP large"),
        ("top5", "top-5"),
    ],
)
def test_figures_have_names_for_people(figure: str, title: str) -> None:
    assert figure_title(figure) == title
