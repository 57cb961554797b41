"""Read a user's text files; write files atomically.

A reader of a file written here sees the old one or the new one, never part of one.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import shlex
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError, RecamError

_MOST_TEXT_BYTES = 64 << 20
# UTF-32's mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_SHOWN = {
    "SHIFT_JIS": "Shift-JIS",
    "WINDOWS-1252": "Windows-1252 (or another of Western Europe)",
    "WINDOWS-1251": "Windows-1251 (or another of one byte a letter)",
    "GB18030": "GB18030 (or another of East Asia, such as EUC-KR or Big5)",
}


def stem_of(path: Path) -> str:
    """Return a file's name without its suffix; bytes that are not UTF-8 as escapes, `\\udcff`."""
    return path.stem.encode(errors="backslashreplace").decode()


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace `path` by a file with `data`, synced to the disk; its folder must exist."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def copy_atomically(source: Path, target: Path) -> None:
    """Replace `target` by a copy of `source`; the target's folder must exist."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def building(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` to build in, and rename it to `target` at the end.

    On any failure the folder is removed and `target` stays as it was. `target` must not exist when
    the block ends; the caller holds a lock.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.with_name(f".{target.name}-building-{uuid.uuid4().hex}")
    folder.mkdir()  # its mode follows the umask and the setgid bit, for users who share it
    try:
        yield folder
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def read_text(
    path: Path, what: str, *, limit: int = _MOST_TEXT_BYTES, error: type[RecamError] = InputError
) -> str:
    r"""Read a user's text file: UTF-8, with or without a byte order mark; newlines become `\n`.

    `what` says what the file should hold, for instance "class names". Raises `error` when the file
    cannot be read, is larger than `limit` bytes, or is not UTF-8; it then says which encoding the
    file seems to have, and how to save it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as failed:
        raise error(
            f"{path} cannot be read as {what}: {failed.strerror or failed}",
            "Check its name and its permissions.",
        ) from failed
    if len(data) > limit:
        raise error(
            f"{path} cannot be read as {what}: it is larger than {limit} bytes",
            "Check that it is the right file.",
        )
    text = decode_text(data, f"{path} cannot be read as {what}", path, error=error)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decode_text(
    data: bytes, problem: str, path: Path, *, error: type[RecamError] = InputError
) -> str:
    """Decode a file's bytes as UTF-8 without its byte order mark.

    Raises `error` for another encoding; its message begins with `problem`, its hint names `path`.
    """
    # UTF-16 without a mark may decode as UTF-8, with a zero beside each letter.
    if b"\0" in data or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        found = _wide_encoding(data)
        if not found:
            raise error(f"{problem}: it is not text", "Check that it is the right file.")
    else:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            found = _other_encoding(data)
    quoted = shlex.quote(str(path))
    raise error(
        f"{problem}: it is not UTF-8, it seems to be {_SHOWN.get(found, found)}",
        "Save it as UTF-8: in an editor under 'Save as', or with: "
        f"iconv -f {found} -t UTF-8 {quoted} > {shlex.quote(path.stem + '-utf8' + path.suffix)}",
    )


def _wide_encoding(data: bytes) -> str:
    """Name the UTF-16 or UTF-32 encoding of data with zero bytes; empty for no text."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    # Letters of ASCII, and newlines in any language, have their zero byte at one of two places.
    zeros = (data[0::2].count(0), data[1::2].count(0))
    name = "UTF-16BE" if zeros[0] > zeros[1] else "UTF-16LE"
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        return ""
    return name if min(zeros) == 0 and "\0" not in text else ""


def _other_encoding(data: bytes) -> str:
    """Guess the encoding of text that is not UTF-8, as `iconv` names it.

    A short text does not tell for sure: Japanese has kana, or bytes that Western text does not
    use; other languages of East Asia write pairs of high bytes, European ones single letters.
    """
    try:
        japanese = data.decode("cp932")
    except UnicodeDecodeError:
        japanese = ""
    kana = re.search("[\u3041-\u30ff]", japanese)
    unusual = re.search(rb"[\x81\x8d\x8f\x90\x9d]|[\x83\x88-\x8b\x98-\x9f][\x40-\xfc]", data)
    if japanese and (kana or (unusual and re.search("[\u4e00-\u9fff]", japanese))):
        return "SHIFT_JIS"
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", data)]
    single = sum(1 for length in runs if length == 1)
    if 2 * single >= len(runs):
        return "WINDOWS-1252"
    if all(length % 2 == 0 for length in runs):
        return "GB18030"
    return "WINDOWS-1251"
