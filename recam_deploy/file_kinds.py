"""Say what a file really is, by its first bytes, where it is not what its name promises.

A model, a flow or a picture that was downloaded is often something else: a web page, a Git LFS
pointer, an archive. A reader that fails on a file asks here, and its message names that.
"""

from __future__ import annotations

import re
from pathlib import Path

from .errors import InputError

EMPTY = "empty"
LFS_POINTER = "a Git LFS pointer, not the file itself"
ANNEX_POINTER = "a git-annex pointer, not the file itself"
WEB_PAGE = "a web page"
XML = "an XML document"
OPENVINO = "an OpenVINO model"
JSON = "JSON text"
TEXT = "plain text"
ZIP = "a zip archive"
PYTORCH = "a PyTorch file"
KERAS = "a Keras model"
NUMPY = "a NumPy file"
PICKLE = "a Python pickle"
GZIP, TAR = "a gzip file", "a tar archive"
ONNX = "an ONNX model"
TFLITE = "a TFLite model"
CVIMODEL = "a cvimodel"
SAFETENSORS = "a safetensors file"
PICTURE = "a picture"

_START = 4096
"""The bytes that are looked at: the name of the first entries of an archive is in them."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs.github.com/spec/", LFS_POINTER),
    (b"/annex/objects/", ANNEX_POINTER),
    (b"CviModel", CVIMODEL),
    (b"\x1f\x8b", GZIP),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"%PDF-", "a PDF"),
    (b"\x89HDF\r\n\x1a\n", KERAS),
    (b"\x93NUMPY", NUMPY),
    (b"\x89PNG\r\n\x1a\n", PICTURE),
    (b"\xff\xd8\xff", PICTURE),
    (b"GIF8", PICTURE),
    (b"II*\0", PICTURE),
    (b"MM\0*", PICTURE),
    (b"\0\x05\x16\x07", "a companion file that macOS made (._NAME)"),
    (b"\x7fELF", "a Linux program"),
    (b"RKNN", "a model for Rockchip's NPU"),
    (b"7767517\n", "an ncnn model"),
    (b"SQLite format 3\0", "a database"),
)

_PAGE = re.compile(r"(<!--.*?-->\s*)*<(!doctype html|html|head|body|title|script|meta|div)\b", re.S)
_ONNX_START = re.compile(rb"\x08[\x01-\x20][\x12\x1a\x22\x2a\x32\x3a\x42]")
_LEGACY_TORCH = b"l\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # the number that old torch begins with

_AGAIN = "Download or copy the file itself again."
_HINTS = {
    EMPTY: "The download or copy failed, or has not ended. " + _AGAIN,
    LFS_POINTER: "Run `git lfs pull` where it was cloned: that brings the file.",
    ANNEX_POINTER: "Run `git annex get` where it was cloned: that brings the file.",
    WEB_PAGE: "Save the file itself, not the page about it (on GitHub: Download raw file).",
    XML: "It may be a server's error message; open it in an editor. " + _AGAIN,
    JSON: "It may be a server's error message; open it in an editor. " + _AGAIN,
    TEXT: "It may be a server's error message; open it in an editor. " + _AGAIN,
    ZIP: "Unpack it, and give the file in it.",
    GZIP: "Unpack it (`gunzip`, or `tar -xzf` for a .tar.gz), and give the file in it.",
    ONNX: "Name it .onnx.",
    PYTORCH: "Name it .pt.",
    TFLITE: "Name it .tflite.",
    CVIMODEL: "It is converted already: name it .cvimodel, and deploy it with `recam deploy`.",
    SAFETENSORS: "It holds weights without their network: export that to ONNX (opset 17).",
    KERAS: "Convert it to TFLite, or to ONNX (tf2onnx, opset 17), and give that.",
    OPENVINO: "Give the model that it was converted from, as ONNX, .pt or .tflite.",
}
_PACKED = ("archive", "bzip2", "xz", "zstd")


def recognise_foreign(source: bytes | Path, *wanted: str) -> str | None:
    """Name what the bytes, or the file's first bytes, are: "a web page", "empty", "a zip archive".

    Return None for an unknown kind, for a file that cannot be read, and for the `wanted` kinds,
    which the caller expected.
    """
    try:
        start = source[:_START] if isinstance(source, bytes) else _start_of(source)
    except OSError:
        return None
    kind = _kind(start)
    return None if kind in wanted else kind


def foreign_hint(kind: str) -> str:
    """Return the next step for a file that `recognise_foreign` named."""
    if kind in _HINTS:
        return _HINTS[kind]
    if any(word in kind for word in _PACKED):
        return _HINTS[ZIP]
    return _AGAIN


def refuse_foreign(path: Path, expected: str, *also: str) -> None:
    """Raise InputError where the file is known to be neither `expected` nor of a kind in `also`."""
    kind = recognise_foreign(path, expected, *also)
    if kind is not None:
        raise InputError(f"{path} is not {expected}: it is {kind}", foreign_hint(kind))


def _start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_START)


def _kind(start: bytes) -> str | None:
    if not start:
        return EMPTY
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _archive(start)
    return _by_structure(start) or _by_text(start)


def _archive(start: bytes) -> str:
    """Tell archives apart by the entries whose names are in the first bytes."""
    if b"/data.pkl" in start or b"/constants.pkl" in start or b"/archive_format" in start:
        return PYTORCH
    if b"metadata.json" in start and b"config.json" in start:
        return KERAS
    return NUMPY if b".npy" in start[:300] else ZIP


def _by_structure(start: bytes) -> str | None:
    if start[4:8] == b"TFL3":
        return TFLITE
    if start[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif", b"ftyphevc"):
        return PICTURE
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return PICTURE
    if start[:2] == b"BM" and start[6:10] == b"\0\0\0\0":
        return PICTURE
    if start[257:262] == b"ustar":
        return TAR
    if start[8:10] == b'{"' and int.from_bytes(start[:8], "little") < 1 << 27:
        return SAFETENSORS
    if _ONNX_START.match(start):
        return ONNX
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return PYTORCH if _LEGACY_TORCH in start[:32] else PICKLE
    if len(start) >= 64 and not start.strip(b"\0"):
        return "nothing but zeros, as a download that was broken off leaves it"
    return None


def _by_text(start: bytes) -> str | None:
    text = _decoded(start)
    if text is None:
        return None
    text = text.lstrip("\ufeff \t\r\n")
    if _PAGE.match(text.lower()):
        return WEB_PAGE
    if text.startswith("<?xml"):
        if "<html" in text.lower():
            return WEB_PAGE
        return OPENVINO if "<net " in text else XML
    if text.startswith(("{", "[")):
        return JSON
    return TEXT if text else "nothing but blanks"


def _decoded(start: bytes) -> str | None:
    """Return the bytes as text; None where they are no text."""
    utf16 = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = start.decode("utf-16" if utf16 else "utf-8", errors="replace")
    # The last character may be cut; Latin-1 has a few letters that UTF-8 cannot read.
    strange = sum(c == "\ufffd" or (ord(c) < 32 and c not in "\t\r\n\f\x1b") for c in text)
    return text if strange <= 2 + len(text) // 20 and "\0" not in text else None
