"""Read class names from lines of text: plain, numbered, quoted, or all on one line.

Raises ValueError with the line, where a line is no name: what is left of YAML, of a darknet `.data`
file, or of a web page.
"""

from __future__ import annotations

import re

_QUOTED = re.compile(r"""(["'])(?P<name>(?:(?!\1).)*)\1""")
# "0: person", "0, person", "0=person", "0. person", "0) person", "0<tab>person", "0 person"
_NUMBERED = re.compile(r"(?P<number>[0-9]{1,6})(?P<mark>\s*[:,;=\t.)]\s*|\s+)(?P<name>\S.*)")
_NUMBER_LAST = re.compile(r"(?P<name>\S.*?)\s*(?P<mark>[:,;=\t])\s*(?P<number>[0-9]{1,6})")
_ID = r"\W*(class[_ ]?)?(id|index|idx|number|no|class)\W*"
_TITLE = r"\W*(class[_ ]?)?(name|label|class)\W*"
_HEADER = re.compile(f"{_ID}[,;\t ]{_TITLE}|{_TITLE}[,;\t ]{_ID}", re.IGNORECASE)
_COMMENT = re.compile(r"\s#\s.*$")
_ENTRY = re.compile(
    r"[^\s:=]+(\s*:(\s|$)|\s*=)|[-*]\s|---$|[{}\[\]]+,?$|\w+\s*\{$|<[!?/a-zA-Z].*>$"
)
# A path, as in a list of pictures; the numbers of a box.
_OTHER = re.compile(
    r"\S*://|.*\.(jpe?g|png|bmp|webp|tiff?|gif|heic|txt|xml|json|ya?ml)$"
    r"|[-+.\d]+([\s,;]+[-+.\deE]+)+$",
    re.IGNORECASE,
)


def names_in_lines(text: str) -> tuple[str, ...]:
    """Return the names in a text, in class order.

    Empty lines and comments (`#`) are left out, quotes taken off. Numbers before the names give
    their order, if they run from 0. Raises ValueError for lines that are no names.
    """
    lines = [(number, _plain(line)) for number, line in enumerate(text.splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line]
    if lines and _HEADER.fullmatch(lines[0][1]) and len(lines) > 1:
        lines = lines[1:]
    if len(lines) == 1 and not _QUOTED.fullmatch(lines[0][1]) and re.search("[,;]", lines[0][1]):
        return _of_one_line(lines[0][1])
    # A list of quoted names has commas behind them.
    if len(lines) > 1 and all(line.endswith(",") for _, line in lines[:-1]):
        lines = [(number, line.rstrip(",").rstrip()) for number, line in lines]
    numbered = _by_number(lines)
    if numbered is not None:
        return numbered
    return tuple(_name(number, line) for number, line in lines)


def _plain(line: str) -> str:
    """Take comments, blanks and invisible marks off a line."""
    line = line.strip("\ufeff\u200b \t\v\f\xa0")
    return "" if line.startswith("#") else _COMMENT.sub("", line).rstrip()


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text.strip())
    return quoted["name"].strip() if quoted else text.strip()


def _name(number: int, line: str) -> str:
    """Return the name on a line. Raises ValueError for a line that is no name."""
    if _QUOTED.fullmatch(line):
        return _unquoted(line)
    if _ENTRY.match(line) or _OTHER.match(line):
        raise ValueError(
            f"line {number} ({line[:60]!r}) is no class name; put a name that is meant so in quotes"
        )
    return line


def _of_one_line(line: str) -> tuple[str, ...]:
    """Split names that are all on one line, at commas or semicolons outside of quotes."""
    mark = "," if "," in line else ";"
    found = re.findall(rf"""\s*("[^"]*"|'[^']*'|[^{mark}]*)\s*(?:{mark}|$)""", line)
    # The pattern matches once more at the end, and a comma may follow the last name.
    parts = [(1, part.strip()) for part in found]
    while parts and not parts[-1][1]:
        parts.pop()
    numbered = _by_number(parts)
    return tuple(_name(*part) for part in parts) if numbered is None else numbered


def _by_number(lines: list[tuple[int, str]]) -> tuple[str, ...] | None:
    """Return the names of numbered lines by their numbers; None when the lines are not numbered.

    Raises ValueError when numbers are missing, stand twice or do not begin at 0.
    """
    for pattern in (_NUMBERED, _NUMBER_LAST):
        found = [(place, pattern.fullmatch(line)) for place, line in lines]
        pairs = [(place, int(m["number"]), m["name"], m["mark"]) for place, m in found if m]
        if not _are_numbers(pairs, len(lines), first=pattern is _NUMBERED):
            continue
        without = next((place for place, match in found if not match), None)
        if without is not None:
            raise ValueError(f"line {without} has no number, and others have")
        return _in_order(pairs)
    return None


def _are_numbers(pairs: list[tuple[int, int, str, str]], lines: int, *, first: bool) -> bool:
    """Say whether the numbers are those of classes, and not part of names such as `5 euro`."""
    numbers = [number for _, number, _, _ in pairs]
    if not numbers:
        return False
    at_place = sum(1 for place, number in enumerate(numbers) if number == place)
    if len(numbers) < lines:
        # Some lines have none: then only numbers that count the lines are meant as such.
        return first and at_place > 1
    marked = all(mark.strip() for _, _, _, mark in pairs)
    return marked or 0 in numbers or sorted(numbers) == list(range(1, len(numbers) + 1))


def _in_order(pairs: list[tuple[int, int, str, str]]) -> tuple[str, ...]:
    found: dict[int, str] = {}
    for place, number, name, mark in pairs:
        if number in found:
            raise ValueError(f"line {place} has the class number {number} again")
        if _OTHER.match(name):
            raise ValueError(f"line {place} has {name[:60]!r} for a class name")
        if mark.strip() in (",", ";") and not _QUOTED.fullmatch(name) and mark.strip() in name:
            raise ValueError(f"line {place} has more than a number and a name")
        found[number] = _unquoted(name)
    missing = next((number for number in range(len(found)) if number not in found), None)
    if missing is not None:
        raise ValueError(
            f"class numbers must run from 0 without gaps, and {missing} is missing; put names that "
            "begin with a number in quotes"
        )
    return tuple(found[number] for number in range(len(found)))
