"""The report is one sound document, whatever the names in it are."""

from __future__ import annotations

import math

import pytest

from recam_deploy.detection.match import Pairing
from recam_deploy.network.model import CLASSIFY, RAW, YOLO11_POSE
from recam_deploy.report.comparison import OutputError
from recam_deploy.report.html import render
from recam_deploy.report.text import escaped, number

from .comparisons import HOSTILE, Reader, compared, comparison, found

_MARKS = ("circle", "path")

EVERYTHING = Pairing(
    matched=((found("disc", 0.9), found("disc", 0.85)),),
    borderline=((found("disc", 0.45), found("disc", 0.55)),),
    missed=(found("disc", 0.8),),
    extra=(found("disc", 0.6), found("disc", 0.7)),
)


def test_the_report_is_a_whole_document_that_loads_nothing() -> None:
    reader = Reader(render(comparison([compared("a.jpg", EVERYTHING)])))
    reader.check_self_contained()
    assert len(reader.images) == 2
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("h1") == 1
    assert {"svg", "title", "style", "main"} <= set(tags)


def test_the_counts_and_errors_are_told() -> None:
    document = comparison(
        [compared("a.jpg", EVERYTHING), compared("b.jpg", Pairing(missed=(found("disc", 0.7),)))]
    )
    text = Reader(render(document)).text
    assert "1 of 3matched on TPU" in text
    assert "2missed on TPU" in text
    assert "2extra on TPU" in text
    assert "0.9800" in text
    assert "Pictures with a difference: a.jpg, b.jpg." in text


def test_missed_and_extra_ones_are_told_in_words_too() -> None:
    text = Reader(render(comparison([compared("a.jpg", EVERYTHING)]))).text
    assert "missed: disc 0.80 at 8, 6, 30, 24" in text
    assert text.count("extra: disc") == 2


def test_each_detection_has_its_mark_in_the_chart() -> None:
    reader = Reader(render(comparison([compared("a.jpg", EVERYTHING)])))
    chart = [attributes.get("class") for tag, attributes in reader.tags if tag in _MARKS]
    in_key = 1
    assert {kind: chart.count(kind) - in_key for kind in ("matched", "missed", "extra")} == {
        "matched": 1,
        "missed": 1,
        "extra": 2,
    }


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_stay_text(text: str) -> None:
    hostile = found(text, 0.8)
    pairing = Pairing(matched=((hostile, hostile),), missed=(hostile,), extra=(hostile,))
    document = render(
        comparison(
            [compared(text, pairing)],
            outputs=[OutputError(text, (1, 2), 0.5, 1.0, 0.5, 2.0)],
            labels=(text, "other"),
            name=text,
            sources={"model": {"file": text}, "calibration": [{"file": text}]},
            commands=[text],
            tools={text: text},
        )
    )
    plain = Reader(render(comparison([compared("plain", pairing)], labels=("a", "b"))))
    reader = Reader(document)
    reader.check_self_contained()
    assert len(reader.images) == len(plain.images)
    assert {tag for tag, _ in reader.tags} == {tag for tag, _ in plain.tags} | {"pre"}
    assert escaped(text) in document
    document.encode("utf-8")
    assert all(c.isprintable() or c == "\n" for c in document)


def test_a_manifest_that_holds_anything_is_survived() -> None:
    for value in (None, 3, "text", ["a"], {"x": ["y"]}, {"model": 7, "calibration": 3}):
        document = comparison(
            [compared("a", Pairing())], sources=value, commands=value, tools=value
        )
        Reader(render(document)).check_self_contained()


def test_the_command_lines_of_the_manifest_are_shown() -> None:
    command = "model_deploy.py --mlir 'a b.mlir' --quantize INT8"
    reader = Reader(render(comparison([compared("a", Pairing())], commands=[command])))
    assert command in reader.text


def test_no_detections_at_all_is_said() -> None:
    text = Reader(render(comparison([compared("a", Pairing())]))).text
    assert "Neither model found anything" in text


def test_a_raw_network_has_no_detections_but_numbers() -> None:
    reader = Reader(render(comparison([compared("a", Pairing())], labels=(), family=RAW)))
    assert len(reader.images) == 1
    assert "Detections" not in reader.text
    assert "least cosine" in reader.text


@pytest.mark.parametrize("family", [CLASSIFY, YOLO11_POSE])
def test_other_families_are_told_alike(family: str) -> None:
    posed = found("disc", 0.9, keypoints=((10.0, 10.0), (500.0, -5.0)))
    pairing = Pairing(matched=((posed, posed),), missed=(posed,))
    reader = Reader(render(comparison([compared("a", pairing)], family=family)))
    reader.check_self_contained()
    assert len(reader.images) == 2


@pytest.mark.parametrize("cosine", [1.0, 1.0000001, 0.9995, 0.7, 0.0, -0.5, -1.0])
def test_the_dot_of_every_cosine_lies_on_the_chart(cosine: float) -> None:
    output = OutputError("o", (1, 2), cosine, math.inf, math.nan, 0.0)
    reader = Reader(render(comparison([compared("a", Pairing())], outputs=[output])))
    (dot,) = [a for _, a in reader.tags if a.get("class") == "dot"]
    assert 30 <= float(dot["cx"] or "") <= 340
    assert "not finite" in reader.text


def test_numbers_are_short() -> None:
    values = (0, 0.0001234, 0.12345, 12.345, 1234.5, 1e9)
    assert [number(v) for v in values] == ["0", "1.23e-04", "0.123", "12.3", "1234", "1.00e+09"]


def test_text_is_escaped_for_attributes_as_well() -> None:
    assert escaped("<a href='x' \"y\">&") == "&lt;a href=&#x27;x&#x27; &quot;y&quot;&gt;&amp;"
    assert escaped("a\nb\udc80") == "a\\nb\\udc80"
