"""What a file is, where it is not what its name promises: case 27 and relatives."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from recam_deploy.errors import InputError
from recam_deploy.file_kinds import foreign_hint, recognise_foreign, refuse_foreign

LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body></body></html>\n"


def _zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"\x80\x02}.")
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return buffer.getvalue()


def _picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


def _array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def _network() -> bytes:
    graph = onnx.helper.make_graph([], "g", [], [])
    return bytes(onnx.helper.make_model(graph, producer_name="made here").SerializeToString())


KINDS = (
    (b"", "empty"),
    (LFS, "a Git LFS pointer"),
    (b"/annex/objects/MD5E-s4--d8e8.onnx\n", "a git-annex pointer"),
    (PAGE, "a web page"),
    (b"\xef\xbb\xbf\r\n  <HTML lang=de>", "a web page"),
    (b"<!-- saved from url=(0014)about:internet -->\n<html>", "a web page"),
    ("<html><body>Anmeldung</body></html>".encode("utf-16"), "a web page"),
    ("<html><title>Gr\u00fc\u00dfe".encode("latin-1"), "a web page"),
    (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html xmlns="y">', "a web page"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
    (b'<?xml version="1.0"?><net name="a" version="11">', "an OpenVINO model"),
    (b'{"message": "Not Found"}', "JSON text"),
    (b"404: Not Found", "plain text"),
    (b" \r\n\t\n", "nothing but blanks"),
    (bytes(100), "nothing but zeros"),
    (_zip("weights/best.onnx"), "a zip archive"),
    (_zip(), "a zip archive"),
    (_zip("best/data.pkl", "best/version"), "a PyTorch file"),
    (_zip("a/constants.pkl", "a/code/x.py"), "a PyTorch file"),
    (_zip("metadata.json", "config.json"), "a Keras model"),
    (_zip("arr_0.npy"), "a NumPy file"),
    (_array(), "a NumPy file"),
    (gzip.compress(b"model", mtime=0), "a gzip file"),
    (_tar(), "a tar archive"),
    (b"%PDF-1.7\n", "a PDF"),
    (_network(), "an ONNX model"),
    (b"\x1c\0\0\0TFL3\0\0", "a TFLite model"),
    (b"CviModel\0\0\0\0", "a cvimodel"),
    (b"\x40\0\0\0\0\0\0\0" + b'{"__metadata__":{}}', "a safetensors file"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a PyTorch file"),
    (b"\x80\x04\x95\x10\0\0\0\0\0\0\0}.", "a Python pickle"),
    (_picture("PNG"), "a picture"),
    (_picture("JPEG"), "a picture"),
    (_picture("WEBP"), "a picture"),
    (_picture("BMP"), "a picture"),
    (_picture("TIFF"), "a picture"),
    (b"\0\0\0\x18ftypheic", "a picture"),
    (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "a companion file that macOS made"),
)


@pytest.mark.parametrize(("data", "kind"), KINDS, ids=[kind for _, kind in KINDS])
def test_the_first_bytes_tell_the_kind_case_27(data: bytes, kind: str, tmp_path: Path) -> None:
    found = recognise_foreign(data)
    assert found is not None
    assert found.startswith(kind)
    file = tmp_path / "model.onnx"
    file.write_bytes(data)
    assert recognise_foreign(file) == found
    assert recognise_foreign(file, found) is None
    assert foreign_hint(found)
    with pytest.raises(InputError, match=r"model\.onnx is not a flow: it is ") as caught:
        refuse_foreign(file, "a flow")
    assert caught.value.hint == foreign_hint(found)


@pytest.mark.parametrize("data", [b"\xde\xad\xbe\xef" * 16, b"\x0a\x05net-1\xa2\x06\x00\xff\xfe"])
def test_unknown_bytes_have_no_name(data: bytes, tmp_path: Path) -> None:
    assert recognise_foreign(data) is None
    assert recognise_foreign(tmp_path / "not-there") is None
    assert recognise_foreign(tmp_path) is None


def test_a_pointer_says_how_to_get_the_file_case_27() -> None:
    assert "git lfs pull" in foreign_hint(recognise_foreign(LFS) or "")
    assert "git annex get" in foreign_hint(recognise_foreign(b"/annex/objects/x") or "")
