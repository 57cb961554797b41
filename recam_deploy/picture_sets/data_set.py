"""Find the pictures that a data.yaml names, as Ultralytics looks for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ..data_yaml import DataYaml, read_data_yaml
from ..errors import InputError
from ..folders import expanded_if_known
from .folder import find_in_folder
from .found import FoundPictures, joined
from .lists import SUFFIXES as LISTS
from .lists import read_list

_WINDOWS_DRIVE = re.compile(r"^[A-Za-z]:")


def find_in_data_set(file: Path) -> FoundPictures:
    """Find the pictures of `val` of a data.yaml, else those of `train`, else of `test`.

    Raises InputError when it names none, or they are nowhere.
    """
    description = read_data_yaml(file)
    named = [
        (part, entries)
        for part in ("val", "train", "test")
        if (entries := getattr(description, part))
    ]
    if not named:
        raise InputError(
            f"{file} names no pictures", "Add `val:` with their folder, or name the folder itself."
        )
    problems = []
    for part, entries in named:
        try:
            return find_part(description, part, entries)
        except InputError as error:
            problems.append(error)
    raise problems[0]


def find_part(description: DataYaml, part: str, entries: Sequence[str]) -> FoundPictures:
    """Find the pictures of the entries of one part of a data.yaml, such as `val`.

    Raises InputError when one of them is nowhere, or holds no pictures.
    """
    found = [_pictures(_located(description, entry, part)) for entry in entries]
    return joined(description.file, found, f"`{part}`")


def _pictures(place: Path) -> FoundPictures:
    if place.is_dir():
        return find_in_folder(place)
    if not place.is_file():
        raise InputError(f"{place} is no regular file", "Name a folder, a list or a picture.")
    if place.suffix.lower() in LISTS:
        return FoundPictures(place, read_list(place))
    return FoundPictures(place, (place,))


def _bases(description: DataYaml) -> tuple[Path, ...]:
    """Return the folders that the entries may be relative to, the likeliest first.

    Ultralytics reads `path` from the current folder, else from its own folder of data sets, which
    is named `datasets` and lies beside the project, unless its settings say otherwise.
    """
    here = description.file.parent
    bases = [here]
    if description.path:
        root = _path(description.path)
        around = (here, here.parent, Path(), Path("..").absolute())
        beside = [here / root, root, *(place / "datasets" / root for place in around)]
        bases = [*beside, *(here / tail for tail in _tails(root)), here]
    return tuple(dict.fromkeys(base for base in bases if _exists(base)))


def _located(description: DataYaml, entry: str, part: str) -> Path:
    """Return where an entry's folder, list or picture is. Raises InputError where it is nowhere."""
    named, bases = _path(entry), _bases(description)
    for base in bases:
        if _exists(base / named):
            return base / named
    # Roboflow writes `../train/images` for `train/images` beside the file. Files made on another
    # computer name absolute paths of that one.
    inside = PurePosixPath(*(name for name in named.parts if name != ".."))
    for base in bases:
        for name in (inside, *_tails(Path(inside))):
            if not name.is_absolute() and name.parts and _exists(base / name):
                return base / name
    looked = ", ".join(str(base.absolute()) for base in bases)
    raise InputError(
        f"{description.file} names {entry[:200]} as `{part}`, which is not there",
        f"It was looked for in {looked}. Correct the file, or name the folder of pictures itself.",
    )


def _tails(path: Path) -> Iterator[PurePosixPath]:
    """Yield the ends of an absolute path, the longest first, of at least two parts."""
    parts = path.parts[1:] if path.is_absolute() or _WINDOWS_DRIVE.match(str(path)) else ()
    for start in range(len(parts) - 1):
        yield PurePosixPath(*parts[start:])


def _path(text: str) -> Path:
    return expanded_if_known(Path(text.replace("\\", "/")))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False
