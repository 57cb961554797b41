"""Find a picture's orientation in its metadata, and drop metadata that cannot be read.

Neither asks more of the metadata than that: cameras, phones and editors write malformed tags, and
renderers write megabytes of text. None of it touches the pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_ORIENTATION = 0x0112
_EXIF = b"Exif\0\0"
_INTEGERS = {1: "B", 3: "H", 4: "L", 8: "h", 9: "l"}
"""The TIFF types that may hold an orientation, with their `struct` format."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_JPEG_KEPT = frozenset({0xE0, 0xEE})
"""JFIF; and Adobe's, which says how the colours are stored."""

_WEBP_METADATA = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}
"""The chunks of WebP without pixels, and the flag of each in `VP8X`."""


@dataclass(frozen=True)
class BarePicture:
    """A picture file without its metadata, and the EXIF block that it had, perhaps empty."""

    data: bytes
    exif: bytes


def orientation_of(exif: bytes) -> int | None:
    """Return the orientation, 1 to 8, that a block of EXIF names; None where it names none.

    Reads the first directory of the TIFF structure (TIFF 6.0, section 2) up to this one tag.
    """
    while exif.startswith(_EXIF):  # some writers put it twice
        exif = exif[len(_EXIF) :]
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}L", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(f"{order}HHL", exif, entry)
            if tag == _ORIENTATION and kind in _INTEGERS and values:
                (value,) = struct.unpack_from(f"{order}{_INTEGERS[kind]}", exif, entry + 8)
                return value if 1 <= value <= 8 else None
    except struct.error:  # it ends before this tag
        pass
    return None


def without_metadata(data: bytes) -> BarePicture | None:
    """Take the metadata out of a JPEG, PNG or WebP file; None for any other file."""
    if data.startswith(b"\xff\xd8"):
        return _bare_jpeg(data)
    if data.startswith(_PNG):
        return _bare_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _bare_webp(data)
    return None


def _bare_jpeg(data: bytes) -> BarePicture:
    """Drop the comments and all application segments but JFIF's and Adobe's."""
    kept, exif, place = [data[:2]], b"", 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # a byte of padding
            place += 1
            continue
        if marker == 0xDA:  # the pixels begin
            break
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        content = data[place + 4 : end]
        if marker == 0xE1 and content.startswith(_EXIF) and not exif:
            exif = content
        if marker in _JPEG_KEPT or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(data[place:end])
        place = end
    return BarePicture(b"".join([*kept, data[place:]]), exif)


def _bare_png(data: bytes) -> BarePicture:
    """Keep the chunks that make the pixels."""
    kept, exif, place = [_PNG], b"", len(_PNG)
    while place + 8 <= len(data):
        name = data[place + 4 : place + 8]
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if name == b"eXIf":
            exif = data[place + 8 : end - 4]
        if name in _PNG_PIXELS:
            kept.append(data[place:end])
        place = end
    return BarePicture(b"".join(kept), exif)


def _bare_webp(data: bytes) -> BarePicture:
    """Drop the colour profile, EXIF and XMP, and the flags that announce them."""
    kept, exif = [], b""
    for name, content in _riff_chunks(data):
        if name == b"EXIF":
            exif = content
        elif name == b"VP8X" and content:
            flags = content[0] & ~sum(_WEBP_METADATA.values())
            kept.append(_riff_chunk(name, bytes([flags]) + content[1:]))
        elif name not in _WEBP_METADATA:
            kept.append(_riff_chunk(name, content))
    return BarePicture(_riff_chunk(b"RIFF", b"".join([b"WEBP", *kept])), exif)


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _riff_chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)
