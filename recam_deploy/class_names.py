"""Read class names from a user's file; never guess them.

Files name classes in many ways: a data.yaml of Ultralytics or Roboflow, a `.names` file of darknet,
the categories of COCO, a label map in JSON. Each is understood or refused: a line of a file that
means something else never becomes a name.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from .data_yaml import SUFFIXES as YAML_SUFFIXES
from .data_yaml import parse_yaml
from .documents import parse_json
from .errors import InputError
from .file_kinds import ANNEX_POINTER, LFS_POINTER, WEB_PAGE, foreign_hint, recognise_foreign
from .files import read_text
from .name_lines import names_in_lines

_WHAT = "class names"
_MOST_YAML = 4 << 20  # characters; PyYAML reads about a megabyte a second
_SHOWN = 3
_OTHERS = (LFS_POINTER, ANNEX_POINTER, WEB_PAGE)
_HINT = (
    "Write one name a line in UTF-8, in class order; or give a data.yaml, or a JSON list of names."
)
# Where a document keeps its names: data.yaml, our manifest, the camera's model.json, COCO, Hugging
# Face's config.json, torchvision's class_to_idx.
_KEYS = (
    "names",
    "class_names",
    "labels",
    "classes",
    "categories",
    "id2label",
    "label2id",
    "class_to_idx",
)
_NUMBER = re.compile("[0-9]{1,6}")
_INVISIBLE = "\ufeff\u200b"


def read_labels(path: Path) -> tuple[str, ...]:
    """Read class names, in class order, from a text, YAML or JSON file.

    Raises InputError when the file cannot be read, is empty, repeats a name, leaves a number out,
    says another number of classes itself, or looks like something else.
    """
    if path.is_dir():
        inside: list[Path] = []
        with contextlib.suppress(OSError):  # a folder that may not be listed
            inside = sorted(f for f in path.iterdir() if f.suffix.lower() in YAML_SUFFIXES)
        raise InputError(
            f"{path} is a folder, and class names are read from a file",
            f"Give {inside[0]}." if inside else "Give a file: a data.yaml, or a list of names.",
        )
    text = read_text(path, _WHAT).strip(_INVISIBLE)
    kind = recognise_foreign(text.encode(errors="replace"))
    if kind in _OTHERS:
        raise InputError(f"{path} cannot be read as class names: it is {kind}", foreign_hint(kind))
    try:
        names, count = _names_in(path, text)
        _check(names, count)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read as class names: {error}", _HINT) from error
    return names


def shown_names(names: Collection[str]) -> str:
    """Show the first names for a message: `a, b, c and 77 more`; `none` when there are none."""
    first = [" ".join(name.split())[:40] for name in list(names)[:_SHOWN]]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(first) + more if first else "none"


def refuse_other_count(given: Sequence[str], count: int, own: Sequence[str], model: str) -> None:
    """Raise InputError unless `given` are as many names as the model has classes (`count`).

    `own` are the names that the model itself brings, if any; `model` names it in the message.
    """
    if len(given) == count:
        return
    brings = f" ({shown_names(own)})" if own else ""
    one = len(given) == 1
    raise InputError(
        f"{len(given)} class name{' is' if one else 's are'} given ({shown_names(given)}), and "
        f"{model} has {count} class{'' if count == 1 else 'es'}{brings}",
        "Give the names that the model was trained with, in class order, with --labels FILE"
        + ("; without --labels the model's own are used." if own else "."),
    )


def ordered_names(names: Any) -> tuple[str, ...]:
    """Return names in class order, from a list or a dictionary of class number to name.

    A list may hold objects with `id` and `name`, as COCO's categories do, numbered from 0 or 1. A
    dictionary may lead from names to numbers. Raises ValueError for anything else, and for numbers
    with gaps.
    """
    if isinstance(names, Mapping):
        names = _by_number(_numbered(names))
    elif isinstance(names, list | tuple) and names and all(isinstance(n, Mapping) for n in names):
        names = _categories(names)
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("names must be a list, or a dictionary of class number to name")
    return tuple(names)


def _names_in(path: Path, text: str) -> tuple[tuple[str, ...], int | None]:
    """Return the names in a file's text, and how many classes it says to have."""
    if path.suffix.lower() in YAML_SUFFIXES or _is_yaml(text):
        return _in_document(_yaml(text, path))
    if path.suffix.lower() == ".json" or _is_json(text):
        return _in_document(parse_json(text, unique=True))
    if text.lstrip().startswith(("[", "{")):
        return _in_document(_yaml(text, path))
    return names_in_lines(text), None


def _is_yaml(text: str) -> bool:
    """Say whether a text of any name is YAML: it has an entry `names`, or is a list of dashes."""
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    listed = bool(lines) and all(line.startswith("- ") for line in lines)
    return listed or bool(re.search(r"^(names\s*:|---\s*$|%YAML)", text, re.MULTILINE))


def _yaml(text: str, path: Path) -> Any:
    if len(text) > _MOST_YAML:
        raise ValueError("it is too large for a list of names")
    return parse_yaml(text, path)


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def _in_document(document: Any) -> tuple[tuple[str, ...], int | None]:
    if not isinstance(document, Mapping):
        return ordered_names(document), None
    key = next((key for key in _KEYS if isinstance(document.get(key), list | Mapping)), None)
    if key:
        return ordered_names(document[key]), _count(document.get("nc"))
    if "names" in document:
        raise ValueError("its `names` is neither a list nor a dictionary of class number to name")
    if "nc" in document or "train" in document or not all(map(_is_plain, document.values())):
        raise ValueError("it has no `names`")
    return ordered_names(document), None


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _count(value: Any) -> int | None:
    """Read the entry `nc`, the number of classes; None where the file has none."""
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    raise ValueError("its `nc` is not a number of classes")


def _check(names: tuple[str, ...], count: int | None) -> None:
    """Raise ValueError for names that cannot be shown or told apart, and for a wrong `nc`."""
    if not names:
        raise ValueError("it holds no names")
    for number, name in enumerate(names):
        if not name.strip():
            raise ValueError(f"class {number} has an empty name")
        if any(unicodedata.category(letter) == "Cc" for letter in name):
            raise ValueError(f"the name of class {number} has control characters")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"it names the class {min(repeated)!r} twice")
    if count is not None and count != len(names):
        raise ValueError(
            f"its `nc` is {count}, and it has {len(names)} names: {shown_names(names)}"
        )


def _numbered(names: Mapping[Any, Any]) -> list[tuple[int, Any]]:
    """Return pairs of class number and name, from a dictionary in either direction."""
    keys = [_class_number(key) for key in names]
    if all(number is not None for number in keys):
        return [(n, name) for n, name in zip(keys, names.values(), strict=True) if n is not None]
    values = [_class_number(value) for value in names.values()]
    if all(number is not None for number in values):
        return [(n, name) for n, name in zip(values, names, strict=True) if n is not None]
    raise ValueError("names must be a list, or a dictionary of class number to name")


def _class_number(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if _NUMBER.fullmatch(value.strip()) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _categories(items: Sequence[Mapping[Any, Any]]) -> list[Any]:
    """Return the names of a list of objects, such as COCO's categories, by their `id`."""
    if not all("name" in item for item in items):
        raise ValueError("each of its classes needs a `name`")
    if not any("id" in item for item in items):
        return [item["name"] for item in items]
    pairs = [(_class_number(item.get("id")), item["name"]) for item in items]
    numbered = [(number, name) for number, name in pairs if number is not None]
    if len(numbered) < len(pairs):
        raise ValueError("each of its classes needs an `id` that is a number")
    # COCO numbers from 1.
    return _by_number(numbered, first=1 if all(number for number, _ in numbered) else 0)


def _by_number(pairs: Sequence[tuple[int, Any]], first: int = 0) -> list[Any]:
    """Return the names in the order of their numbers, which begin at `first`.

    Raises ValueError for numbers with gaps, or that stand twice.
    """
    found: dict[int, Any] = {}
    for number, name in pairs:
        if number in found:
            raise ValueError(f"the class number {number} stands twice")
        found[number] = name
    wanted = range(first, first + len(found))
    missing = next((number for number in wanted if number not in found), None)
    if missing is not None:
        raise ValueError(
            f"class numbers must run from {first} without gaps, and {missing} is missing"
        )
    return [found[number] for number in wanted]
