"""Say why a file cannot be read as a picture, from its first bytes, and what to do about it."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from .. import file_kinds
from ..errors import InputError
from ..file_kinds import foreign_hint, recognise_foreign
from .heif import avif_hint, avif_is_read, heic_hint, heic_is_read

REFUSED = " cannot be read as a picture"
"""What stands between the file's name and the cause."""

_HINT = "Replace or remove this file."
_CONVERT = "Save it as a JPEG or PNG picture."
_FRAMES = "Give frames of it as pictures: ffmpeg -i VIDEO -vf fps=1 frame-%05d.jpg"
_HEAD_BYTES = 1024

_BEGINNINGS = (
    (b"\x1a\x45\xdf\xa3", "it is a video (Matroska or WebM)", _FRAMES),
    (b"\x00\x00\x01\xba", "it is a video (MPEG)", _FRAMES),
    (b"\x00\x00\x01\xb3", "it is a video (MPEG)", _FRAMES),
    (b"FLV\x01", "it is a video (Flash)", _FRAMES),
    (b"%PDF", "it is a PDF document", _CONVERT),
    (b"%!PS", "it is a PostScript document", _CONVERT),
    (b"\xff\x0a", "it is a JPEG XL picture, which is not read", _CONVERT),
    (b"\x00\x00\x00\x0cJXL ", "it is a JPEG XL picture, which is not read", _CONVERT),
)
_PICTURES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"\0\0\0\x0cjP")
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def check_regular(path: Path) -> None:
    """Raise InputError where `path` is no regular file; a pipe would be waited for without end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise _refusal(path, getattr(error, "strerror", None) or str(error), _HINT) from error
    if stat.S_ISDIR(mode):
        raise _refusal(path, "it is a folder", "Name one picture.")
    if not stat.S_ISREG(mode):
        raise _refusal(path, "it is no regular file", "Name a file that holds a picture.")


def explain(path: Path, error: Exception) -> InputError:
    """Return the error that says why `path` could not be read; Pillow raised `error`."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as unreadable:
        return _refusal(path, unreadable.strerror or str(unreadable), _hint_for(unreadable))
    reason, hint = known_fault(head) or _of_error(head, error)
    return _refusal(path, reason, hint)


def heif_kind(head: bytes) -> str | None:
    """Say whether a file's first bytes are those of a "HEIC" or "AVIF" picture; None for others."""
    if head[4:8] != b"ftyp":
        return None
    length = int.from_bytes(head[:4], "big")
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(length, len(head)), 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & _HEIF_BRANDS else None


def begins_like_picture(head: bytes) -> bool:
    """Say whether a file's first bytes are those of a common format that is read."""
    kind = heif_kind(head)
    if kind:
        return heic_is_read() if kind == "HEIC" else avif_is_read()
    return head.startswith(_PICTURES) and head[8:12] != b"AVI "


def known_fault(head: bytes) -> tuple[str, str] | None:
    """Return the reason and the hint for contents that are known to be no picture that is read."""
    for beginning, reason, hint in _BEGINNINGS:
        if head.startswith(beginning):
            return reason, hint
    kind = heif_kind(head)
    if kind == "HEIC" and not heic_is_read():
        return "it is a HEIC picture", heic_hint()
    if kind == "AVIF" and not avif_is_read():
        return "it is an AVIF picture", avif_hint()
    if (head[4:8] == b"ftyp" and not kind) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return "it is a video", _FRAMES
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return "it is a video (QuickTime)", _FRAMES
    if head.lstrip().startswith(b"<") and b"<svg" in head.lower():
        return "it is an SVG drawing", _CONVERT
    if head.startswith(_PICTURES):
        return None
    foreign = recognise_foreign(head, file_kinds.PICTURE)
    if foreign == file_kinds.TEXT:
        return "not a picture, but text", _HINT
    return (f"it is {foreign}", foreign_hint(foreign)) if foreign else None


def _of_error(head: bytes, error: Exception) -> tuple[str, str]:
    """Return the reason and the hint from what Pillow raised."""
    if isinstance(error, MemoryError):
        return "it takes more memory than there is", "Scale it down."
    if not head.startswith(_PICTURES) and not heif_kind(head):
        return "not a picture", _HINT
    said = " ".join(str(error).split())
    if "cannot identify" in said or not said:
        return "it is damaged, cut short, or of a kind that is not read", _HINT
    return f"it is cut short or damaged ({said[:200]})", _HINT


def _hint_for(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "Let your user read it, or remove it."
    return _HINT


def _refusal(path: Path, reason: str, hint: str) -> InputError:
    return InputError(f"{path}{REFUSED}: {reason}", hint)
