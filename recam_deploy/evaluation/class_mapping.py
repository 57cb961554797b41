"""Match the classes of labelled data with those of a model, by name or by number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..class_names import shown_names
from ..errors import InputError

_PLACEHOLDER = re.compile(r"(?:class|object|label|category|id)?[ _-]?(\d{1,6})", re.IGNORECASE)
_WORDNET = re.compile(r"n\d{8}")
"""A class of ImageNet; sorted, they are in the order of the class numbers."""

_BETWEEN_WORDS = re.compile(r"[\s_-]+")


@dataclass(frozen=True)
class ClassMapping:
    """What the class numbers of the data mean to the model.

    `labels` are the model's names; the data's where the model has none. `ids` leads from the data's
    number to the model's, None where every number is the model's own. `unknown` are the data's
    classes that the model does not have. `evaluated` are the model's classes that the data can have
    marked, None for all of them.
    """

    labels: tuple[str, ...]
    ids: Mapping[int, int] | None = None
    unknown: Mapping[int, str] | None = None
    evaluated: frozenset[int] | None = None
    problems: tuple[str, ...] = ()

    def model_id(self, number: int) -> int | None:
        """Return the model's class number for one of the data's; None where it has no such one."""
        return number if self.ids is None else self.ids.get(number)


def map_classes(names: Sequence[str] | None, labels: Sequence[str], source: Path) -> ClassMapping:
    """Match the data's `names` with the model's `labels`, either of which may be missing.

    Names are compared without regard to case, and a blank, `_` and `-` are the same. Where none is
    the same, numbers count, if one side has but numbers for names: in data as many classes as in
    the model, or a model without names. Raises InputError when no class is in both.
    """
    if names is None or not names:
        return ClassMapping(tuple(labels))
    if not labels:
        return _mapped(names, names, {number: number for number in range(len(names))})
    ids = _by_name(names, labels) or _by_number(names, labels)
    if not ids:
        raise InputError(
            f"no class of {source} ({shown_names(names)}) is one of the model's "
            f"({shown_names(labels)})",
            "Give the data that the model was trained for; or the model's class names, in class "
            "order, with --labels FILE.",
        )
    return _mapped(names, labels, ids)


def _mapped(names: Sequence[str], labels: Sequence[str], ids: dict[int, int]) -> ClassMapping:
    evaluated = frozenset(ids.values())
    others = [label for number, label in enumerate(labels) if number not in evaluated]
    problems: tuple[str, ...] = ()
    if others:
        problems = (
            f"the data has {len(evaluated):,} of the model's {len(labels):,} classes; detections "
            f"of the others ({shown_names(others)}) are not counted",
        )
    return ClassMapping(
        labels=tuple(labels),
        ids=ids,
        unknown={number: name for number, name in enumerate(names) if number not in ids},
        evaluated=evaluated if others else None,
        problems=problems,
    )


def _by_name(names: Sequence[str], labels: Sequence[str]) -> dict[int, int]:
    """Match equal names; one that is spelled the same goes before one that is nearly so."""
    exact, near = _numbers(labels), _numbers(map(_plain, labels))
    found = {n: exact.get(name, near.get(_plain(name))) for n, name in enumerate(names)}
    return {number: label for number, label in found.items() if label is not None}


def _by_number(names: Sequence[str], labels: Sequence[str]) -> dict[int, int]:
    """Match class numbers, where one side has no other names; empty where that is no match."""
    if all(name.isascii() and name.isdigit() for name in names):
        return {n: int(name) for n, name in enumerate(names) if int(name) < len(labels)}
    if _nameless(labels) or (len(names) == len(labels) and _nameless(names)):
        return {number: number for number in range(min(len(names), len(labels)))}
    return {}


def _nameless(names: Sequence[str]) -> bool:
    """Say whether names tell no more than the number: `0`, `class1`, or ImageNet's identifiers."""
    if all(_WORDNET.fullmatch(name) for name in names):
        return True
    found = [_PLACEHOLDER.fullmatch(name) for name in names]
    return all(match and int(match[1]) == number for number, match in enumerate(found))


def _numbers(names: Iterable[str]) -> dict[str, int]:
    """Return the first number of each name."""
    found: dict[str, int] = {}
    for number, name in enumerate(names):
        found.setdefault(name, number)
    return found


def _plain(name: str) -> str:
    return _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", name)).strip().casefold()
