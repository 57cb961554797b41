"""Find the pictures on which the cvimodel lost most against the float model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .matching import PictureMatch, match_all
from .types import Found, LabelledPicture, LabelledSet

_LEAST = 0.01
"""The least loss that is worth showing, of F1 or of the mean score."""


@dataclass(frozen=True)
class PictureLoss:
    """A labelled picture with what became of its objects in both models."""

    picture: LabelledPicture
    reference: PictureMatch
    cvimodel: PictureMatch

    @property
    def f1(self) -> float:
        """Return the loss of F1 by the camera's thresholds, negative for a gain."""
        return self.reference.f1 - self.cvimodel.f1

    @property
    def score(self) -> float:
        """Return by how much the mean score of the picture's objects is lower."""
        return self.reference.score - self.cvimodel.score


def worst_losses(
    labelled: LabelledSet, found: Sequence[Found], most: int = 10
) -> list[PictureLoss]:
    """Return the pictures that lost most, the worst first; none where nothing was lost.

    The measure of a picture is its F1 by the camera's thresholds: 2 found / (objects + detections),
    where an object is found by a detection of its class that overlaps it by half. Where that is the
    same, it is the mean over the objects of the score with which each was found.
    """
    both = zip(
        labelled.pictures,
        match_all(labelled, [one.reference for one in found]),
        match_all(labelled, [one.cvimodel for one in found]),
        strict=True,
    )
    losses = [PictureLoss(picture, before, after) for picture, before, after in both]
    # The sort is stable: of equals, the first picture comes first.
    losses.sort(key=lambda one: (-round(one.f1, 9), -one.score))
    return [one for one in losses if one.f1 >= _LEAST or (one.f1 >= 0 and one.score >= _LEAST)][
        :most
    ]
