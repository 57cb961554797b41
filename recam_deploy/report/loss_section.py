"""Render the pictures on which the cvimodel lost most."""

from __future__ import annotations

from collections.abc import Sequence

from ..detection.pictures import read_picture
from ..detection.types import Box
from ..errors import InputError
from ..evaluation.losses import PictureLoss, worst_losses
from ..evaluation.matching import PictureMatch
from ..evaluation.types import Found, LabelledSet
from .document import data_uri
from .labelled_pictures import EXTRA, FOUND, MISSED, draw_match
from .text import counted, escaped, shortened

_KEY = (
    ("#ffffff", "marked in the data"),
    (FOUND, "found"),
    (MISSED, "marked, but missed"),
    (EXTRA, "extra, or of a wrong class"),
)


def loss_section(labelled: LabelledSet, found: Sequence[Found]) -> str:
    """Render the ten pictures that lost most, drawn side by side."""
    losses = worst_losses(labelled, found)
    if not losses:
        return (
            "<section><h2>Pictures that lost most</h2><p>On no picture did the cvimodel find less "
            "than the float model, at the camera's threshold.</p></section>"
        )
    key = "".join(
        f'<li><span class="swatch" style="background:{colour}"></span>{text}</li>'
        for colour, text in _KEY
    )
    cards = "\n".join(_card(labelled, loss) for loss in losses)
    return (
        "<section><h2>Pictures that lost most</h2><p>Ordered by the loss of F1 at the camera's "
        "threshold: twice the found objects as a share of objects and detections together. Where "
        "that is the same, by the mean of the scores with which the objects were found.</p>"
        f'<ul class="key">{key}</ul><p></p>\n{cards}</section>'
    )


def _card(labelled: LabelledSet, loss: PictureLoss) -> str:
    name = shortened(loss.picture.path.name)
    width, height = loss.picture.size
    change = f"F1 {loss.reference.f1:.2f} → {loss.cvimodel.f1:.2f}"
    if loss.reference.f1 == loss.cvimodel.f1:
        change = f"mean score {loss.reference.score:.2f} → {loss.cvimodel.score:.2f}"
    return (
        f'<article class="card"><div class="head"><h3>{name}</h3>'
        f'<span class="soft">{width}×{height}, {change}</span></div>'
        f"{_drawings(labelled, loss, name)}</article>"
    )


def _drawings(labelled: LabelledSet, loss: PictureLoss, name: str) -> str:
    try:
        picture = read_picture(loss.picture.path)
    except InputError as error:
        return f'<p class="soft">It cannot be drawn: {escaped(error.message)}</p>'
    figures = []
    for side, match in (("Float", loss.reference), ("cvimodel", loss.cvimodel)):
        uri = data_uri(draw_match(picture, match, labelled.labels))
        figures.append(
            f"<figure><figcaption>{side}: {_counts(match)}</figcaption>"
            f'<img alt="{name}, labels and detections of the {side} model" src="{uri}">'
            f"{_wrong(labelled, match)}</figure>"
        )
    return f'<div class="two">{"".join(figures)}</div>'


def _counts(match: PictureMatch) -> str:
    text = f"{len(match.found)} of {counted(match.objects, 'object')} found"
    wrong = len(match.extra) + len(match.mistaken)
    return f"{text}, {wrong} wrong" if wrong else text


def _wrong(labelled: LabelledSet, match: PictureMatch) -> str:
    """List what is missed and wrong as text, for readers who cannot see the marks."""
    items = [
        *(f"missed: {_name(labelled, o.class_id)} at {_at(o.box)}" for o in match.missed),
        *(
            f"{_name(labelled, o.class_id)} taken for {shortened(d.label)} {d.score:.2f} at "
            f"{_at(d.box)}"
            for d, o in match.mistaken
        ),
        *(f"extra: {shortened(d.label)} {d.score:.2f} at {_at(d.box)}" for d in match.extra),
    ]
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f'<ul class="marked">{listed}</ul>' if items else ""


def _name(labelled: LabelledSet, class_id: int) -> str:
    return shortened(labelled.labels[class_id])


def _at(box: Box) -> str:
    return ", ".join(f"{side:.0f}" for side in box)
