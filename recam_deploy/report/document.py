"""Put sections together to an HTML document that a browser shows without loading anything."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from ..version import __version__
from .style import STYLE
from .text import escaped

# Even if some text were not escaped, a browser loads and runs nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, sections: Iterable[str], style: str = "") -> str:
    """Return the whole document; `title` is escaped already, `style` is added to the sheet."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta name="generator" content="recam-deploy {escaped(__version__)}">\n'
        f"<title>{title}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n<main>"
        + "\n".join(section for section in sections if section)
        + "\n</main>\n</body>\n</html>\n"
    )


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG file as the address of an image."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def check_report_path(target: Path) -> Path:
    """Return the path of a report, which may exist. Raises InputError when it cannot be written."""
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"the report {target} does not end in .html", f"Name it {target}.html.")
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist", "Create it first.")
    if target.is_dir():
        raise InputError(f"{target} is a folder", "Give the report another name.")
    return target
