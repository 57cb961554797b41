"""Read the description of a data set: the data.yaml of Ultralytics and Roboflow."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import InputError

SUFFIXES = frozenset({".yaml", ".yml"})

_MOST_BYTES = 4 << 20
"""Data sets' descriptions have some kilobytes; PyYAML reads about a megabyte a second."""

_EMPTY = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class DataYaml:
    """What a data.yaml says; all scalars are text as written, so that the class `no` is no False.

    `names` is its entry as read (a list, or a dictionary of class number to name, of text where
    the file is right), None where there is none. `path`, `train`, `val` and `test` say where the
    pictures lie; the three sets each name folders, lists or pictures, or nothing. `kpt_shape` is
    its entry as read: of poses, the number of keypoints and of values each.
    """

    file: Path
    names: object
    path: str | None
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    kpt_shape: object = None


def read_data_yaml(file: Path) -> DataYaml:
    """Read a data set's description.

    Raises InputError when the file cannot be read, is no YAML, or says no such things.
    """
    entries = _entries(file)
    return DataYaml(
        file=file,
        names=entries.get("names"),
        path=next(iter(_texts(file, entries, "path")), None),
        train=_texts(file, entries, "train"),
        val=_texts(file, entries, "val"),
        test=_texts(file, entries, "test"),
        kpt_shape=entries.get("kpt_shape"),
    )


class _TextLoader(yaml.BaseLoader):
    """Builds lists, dictionaries and text alone; refuses a key that stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        for key in (key for key, _ in pairs if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(data: bytes | str, file: Path) -> Any:
    """Parse YAML to lists, dictionaries and text; `file` is where it was read.

    Raises InputError when it is no YAML.
    """
    try:
        return _TextLoader(data).get_single_data()
    # PyYAML promises YAMLError, and lets others pass: RecursionError, ValueError, AttributeError.
    except Exception as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> InputError:
    return InputError(
        f"{file} cannot be read as YAML: {_reason(error)}",
        "Correct the file, and save it as UTF-8.",
    )


def _entries(file: Path) -> dict[Any, Any]:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError("it is too large for a data set's description")
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error
    entries = parse_yaml(data, file)
    if not isinstance(entries, dict):
        raise InputError(
            f"{file} is not a data set's description",
            "Give a data.yaml with `names`, and `train` or `val`.",
        )
    return entries


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"byte {error.position}: {error.reason}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return getattr(error, "strerror", None) or str(error)


def _texts(file: Path, entries: dict[Any, Any], key: str) -> tuple[str, ...]:
    value = entries.get(key)
    listed = value if isinstance(value, list) else [value]
    texts = [item for item in listed if item is not None and item not in _EMPTY]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"{file} says `{key}` with something other than paths",
            "Write a path, or a list of paths.",
        )
    return tuple(texts)
