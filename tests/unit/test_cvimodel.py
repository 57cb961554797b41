"""A cvimodel is read whole or refused; damage never gets through."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes, write_cvimodel, yolo11_tensors
from hypothesis import given, settings
from hypothesis import strategies as st

from recam_deploy.cvimodel import HEADER_BYTES, Tensor, read_header, read_model
from recam_deploy.errors import InputError

WHOLE = cvimodel_bytes(*yolo11_tensors())


def test_tensors_are_read_in_the_files_own_order(tmp_path: Path) -> None:
    inputs, outputs = yolo11_tensors(size=96, classes=7)
    path = tmp_path / "m.cvimodel"
    path.write_bytes(cvimodel_bytes(inputs, outputs))
    model = read_model(path)
    assert list(model.inputs) == inputs
    assert list(model.outputs) == outputs
    assert model.input_size == (96, 96)
    assert (model.header.chip, model.header.version, model.compiler) == ("cv181x", "1.4", "v1.7")


def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path) -> None:
    path = tmp_path / "m.cvimodel"
    for length in (0, 4, 8, 20, HEADER_BYTES - 1, HEADER_BYTES, 200, len(WHOLE) - 1):
        path.write_bytes(WHOLE[:length])
        with pytest.raises(InputError):
            read_header(path)


@settings(max_examples=500, deadline=None)
@given(st.integers(min_value=0, max_value=len(WHOLE) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_found_or_lies_in_the_header_fields(place: int, flip: int) -> None:
    """The checksum covers all after the header; in the header, magic, size and sum are checked."""
    import tempfile

    damaged = bytearray(WHOLE)
    damaged[place] ^= flip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.cvimodel"
        path.write_bytes(damaged)
        unchecked = 8 <= place < 14 or 30 <= place < HEADER_BYTES
        try:
            read_model(path)
            assert unchecked
        except InputError:
            pass


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400), st.integers(min_value=0, max_value=2**32 - 1))
def test_a_foreign_body_with_a_good_checksum_gives_a_plain_error(body: bytes, size: int) -> None:
    import tempfile

    header = bytearray(WHOLE[:HEADER_BYTES])
    header[8:12] = (size % (len(body) + 1)).to_bytes(4, "little")
    header[14:30] = hashlib.md5(body, usedforsecurity=False).digest()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.cvimodel"
        path.write_bytes(bytes(header) + body)
        with pytest.raises(InputError):
            read_model(path)


def test_a_model_that_takes_no_image_says_so(tmp_path: Path) -> None:
    path = tmp_path / "m.cvimodel"
    path.write_bytes(cvimodel_bytes([Tensor("x", (1, 10), "float32", 1.0, "")], []))
    with pytest.raises(InputError, match="does not take one image"):
        _ = read_model(path).input_size


def test_another_chip_is_told(tmp_path: Path) -> None:
    assert read_header(write_cvimodel(tmp_path / "m.cvimodel", chip="bm1684x")).chip == "bm1684x"
