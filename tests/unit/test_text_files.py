"""A user's text file is read as UTF-8; for another encoding the refusal names it (case 13)."""

from __future__ import annotations

from pathlib import Path

import pytest
from cvimodels import write_cvimodel
from networks import a_network

from recam_deploy.artifact import load_artifact, write_manifest
from recam_deploy.conversion.calibration import CalibrationSet
from recam_deploy.conversion.from_settings import read_options
from recam_deploy.errors import InputError
from recam_deploy.files import read_text
from recam_deploy.settings import ConvertSettings


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_case_13_a_byte_order_mark_is_skipped(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(mark + "größe\r\nb\rc\n".encode())
    assert read_text(path, "class names") == "größe\nb\nc\n"


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("person\ncar\n", "utf-16", "UTF-16"),
        ("person\ncar\n", "utf-16-le", "UTF-16LE"),
        ("person\ncar\n", "utf-16-be", "UTF-16BE"),
        ("人\n自転車\n", "utf-16-le", "UTF-16LE"),
        ("Straße\nTür\n", "utf-16-be", "UTF-16BE"),
        ("person\n", "utf-32", "UTF-32"),
        ("café\nStraße\n", "cp1252", "Windows-1252"),
        ("“Müller”\n", "cp1252", "Windows-1252"),
        ("コンテナ\nトラック\n", "cp932", "Shift-JIS"),
        ("人\n自転車\n", "cp932", "Shift-JIS"),
        ("人\n自行车\n汽车\n", "gb18030", "GB18030"),
        ("고양이\n개\n", "cp949", "GB18030 (or another of East Asia"),
        ("кошка\nсобака\n", "cp1251", "Windows-1251"),
    ],
)
def test_case_13_another_encoding_is_named_with_the_way_out(
    tmp_path: Path, text: str, encoding: str, shown: str
) -> None:
    path = tmp_path / "my names.txt"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(InputError) as refused:
        read_text(path, "class names")
    assert f"it is not UTF-8, it seems to be {shown}" in refused.value.message
    assert "iconv -f" in refused.value.hint
    assert "'my names-utf8.txt'" in refused.value.hint


@pytest.mark.parametrize("data", [b"\0\1\2\0\0\0", b"a\0\0b\0", b"\xff\xd8\xff\xe0\0\x10JFIF\0"])
def test_a_file_that_is_no_text_is_refused_as_such(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match="not text"):
        read_text(path, "class names")


def test_what_cannot_be_read_names_the_file_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt cannot be read as class names: No such file"):
        read_text(tmp_path / "none.txt", "class names")
    with pytest.raises(InputError, match="Is a directory"):
        read_text(tmp_path, "class names")
    (tmp_path / "big.txt").write_bytes(b"a" * 11)
    with pytest.raises(InputError, match="larger than 10 bytes"):
        read_text(tmp_path / "big.txt", "class names", limit=10)


@pytest.mark.parametrize("name", ["quantize_table", "calibration_table"])
def test_case_13_a_table_in_utf_16_names_its_encoding(tmp_path: Path, name: str) -> None:
    path = tmp_path / "table.txt"
    path.write_bytes("a BF16\r\n".encode("utf-16"))
    settings = ConvertSettings.model_validate({name: path})
    with pytest.raises(InputError, match="seems to be UTF-16"):
        read_options(settings, a_network(), CalibrationSet(tmp_path, ((tmp_path, ""),)))


def test_case_13_a_manifest_may_begin_with_a_mark_or_name_its_encoding(tmp_path: Path) -> None:
    write_cvimodel(tmp_path / "m.cvimodel")
    made = write_manifest(load_artifact(tmp_path / "m.cvimodel"), tmp_path / "m.json")
    manifest = tmp_path / "m.json"
    text = manifest.read_text()
    manifest.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_artifact(manifest).sha256 == made.sha256
    manifest.write_bytes(text.encode("utf-16"))
    with pytest.raises(InputError, match="seems to be UTF-16"):
        load_artifact(manifest)
