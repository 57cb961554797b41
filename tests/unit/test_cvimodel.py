"""A cvimodel is read whole or refused; damage never gets through."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import flatbuffers
import pytest
from cvimodels import (
    DATA,
    IO,
    PRIVATE,
    SHARED,
    Part,
    cvimodel_bytes,
    description,
    seal,
    write_cvimodel,
    yolo11_tensors,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from recam_deploy.cli.inspect import cvimodel_document
from recam_deploy.cvimodel import HEADER_BYTES, CviModel, Tensor, read_header, read_model
from recam_deploy.errors import InputError

WHOLE = cvimodel_bytes(*yolo11_tensors())
DESCRIPTION = description(*yolo11_tensors())


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples: to make and remove a folder takes longer than to read a model."""
    return tmp_path_factory.mktemp("cvimodel") / "m.cvimodel"


def _read(path: Path, content: bytes) -> CviModel:
    path.write_bytes(content)
    return read_model(path)


def test_tensors_are_read_in_the_files_own_order(tmp_path: Path) -> None:
    inputs, outputs = yolo11_tensors(size=96, classes=7)
    path = tmp_path / "m.cvimodel"
    path.write_bytes(cvimodel_bytes(inputs, outputs))
    model = read_model(path)
    assert list(model.inputs) == inputs
    assert list(model.outputs) == outputs
    assert model.input_size == (96, 96)
    assert (model.header.chip, model.header.version, model.compiler) == ("cv181x", "1.4", "v1.7")


@pytest.mark.parametrize("head", [b"", b"CviModel"])
def test_a_file_that_no_memory_holds_is_refused(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "huge.cvimodel"
    path.write_bytes(head)
    os.truncate(path, 1 << 42)
    with pytest.raises(InputError, match="is not a cvimodel|is too large"):
        read_header(path)


def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path) -> None:
    path = tmp_path / "m.cvimodel"
    for length in (0, 4, 8, 20, HEADER_BYTES - 1, HEADER_BYTES, 200, len(WHOLE) - 1):
        path.write_bytes(WHOLE[:length])
        with pytest.raises(InputError):
            read_header(path)


@settings(max_examples=500)
@given(st.integers(min_value=0, max_value=len(WHOLE) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_found_or_lies_in_the_header_fields(
    scratch: Path, place: int, flip: int
) -> None:
    """The checksum covers all after the header; in the header, magic, size and sum are checked."""
    damaged = bytearray(WHOLE)
    damaged[place] ^= flip
    try:
        _read(scratch, bytes(damaged))
        assert 8 <= place < 14 or 30 <= place < HEADER_BYTES
    except InputError:
        pass


@settings(max_examples=500)
@given(st.binary(max_size=400), st.integers(min_value=0, max_value=2**32 - 1))
def test_a_foreign_body_with_a_good_checksum_gives_a_plain_error(
    scratch: Path, body: bytes, size: int
) -> None:
    header = bytearray(WHOLE[:HEADER_BYTES])
    header[8:12] = (size % (len(body) + 1)).to_bytes(4, "little")
    header[14:30] = hashlib.md5(body, usedforsecurity=False).digest()
    with pytest.raises(InputError):
        _read(scratch, bytes(header) + body)


@settings(max_examples=1000)
@given(
    st.lists(
        st.tuples(st.integers(0, len(DESCRIPTION) - 1), st.integers(0, 255)),
        min_size=1,
        max_size=4,
    )
)
def test_a_changed_description_is_refused_or_gives_a_plain_document(
    scratch: Path,
    changes: list[tuple[int, int]],
) -> None:
    """With a checksum that fits: the parser alone must stand its ground."""
    changed = bytearray(DESCRIPTION)
    for place, value in changes:
        changed[place] = value
    try:
        model = _read(scratch, seal(bytes(changed), DATA))
    except InputError:
        return
    json.dumps(cvimodel_document(model), allow_nan=False).encode()


def test_a_file_that_describes_one_part_over_and_over_is_refused(scratch: Path) -> None:
    """Otherwise 80 kB make the reader work for hours: 10000 programs of 10000 tensors each."""
    builder = flatbuffers.Builder(1 << 16)

    def repeated(offset: int) -> int:
        builder.StartVector(4, 10000, 4)
        for _ in range(10000):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    builder.StartObject(13)
    tensors = repeated(builder.EndObject())
    builder.StartObject(8)
    builder.PrependUOffsetTRelativeSlot(4, tensors, 0)
    programs = repeated(builder.EndObject())
    builder.StartObject(10)
    builder.PrependUOffsetTRelativeSlot(6, programs, 0)
    builder.Finish(builder.EndObject())
    with pytest.raises(InputError):
        _read(scratch, seal(bytes(builder.Output())))


@pytest.mark.parametrize(
    "parts",
    [
        [Part(0, "weight", len(DATA), 1)],
        [Part(0, "weight", 4, 2**32 - 2)],
        [Part(0, "weight", len(DATA), 0), Part(1, "subfunc_0", 1, 0)],
    ],
    ids=["too long", "beyond the end", "overlapping"],
)
def test_sections_that_do_not_fit_the_file_are_refused(scratch: Path, parts: list[Part]) -> None:
    with pytest.raises(InputError):
        _read(scratch, cvimodel_bytes(*yolo11_tensors(), parts=parts))


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("x", (1, -1, 4, 4), "float32", 1.0, ""),
        Tensor("x", (1,) * 9, "float32", 1.0, ""),
        Tensor("x", (1, 4), "int8", float("nan"), ""),
        Tensor("x", (1, 4), "int8", float("inf"), ""),
    ],
    ids=["negative", "nine dimensions", "nan", "infinite"],
)
def test_impossible_tensors_are_refused(scratch: Path, tensor: Tensor) -> None:
    with pytest.raises(InputError):
        _read(scratch, cvimodel_bytes([tensor], []))


def test_sections_weights_and_programs_are_read(scratch: Path) -> None:
    parts = [Part(0, "weight", 8, 0, encrypted=True), Part(4, "dma", 5, 8, compressed=True)]
    model = _read(scratch, cvimodel_bytes(*yolo11_tensors(), parts=parts))
    assert [
        (s.kind, s.name, s.size, s.offset, s.encrypted, s.compressed) for s in model.sections
    ] == [
        ("weight", "weight", 8, 0, True, False),
        ("dmabuf", "dma", 5, 8, False, True),
    ]
    assert [s.md5 for s in model.sections] == [
        hashlib.md5(part).hexdigest() for part in (DATA[:8], DATA[8:13])
    ]
    (weight,) = model.weights
    assert (weight.name, weight.shape, weight.dtype) == ("filter", (1, 2, 1, 2), "int8")
    assert (weight.offset, weight.size) == (4, 4)
    (program,) = model.programs
    assert (program.private_bytes, program.shared_bytes) == (600, 5000)
    assert [(routine.kind, routine.runs) for routine in program.routines] == [
        ("tpu", "subfunc_0"),
        ("cpu", "softmax"),
    ]
    assert program.routines[0].inputs == ("images_raw",)
    assert (model.version, model.build_time, model.target) == (
        "1.4.0",
        "2024-11-08 02:51:43",
        "cv181x",
    )


def test_an_address_tells_the_kind_of_memory_and_the_offset(scratch: Path) -> None:
    names = ("shared", "private", "io", "none")
    tensors = [Tensor(name, (1, 2, 3, 4), "float32", 0.0, "") for name in names]
    places = {"shared": SHARED + 16, "private": PRIVATE + 32, "io": IO, "none": -1}
    model = _read(scratch, cvimodel_bytes(tensors[:1], tensors[1:], addresses=places))
    entries = model.programs[0].tensors
    assert [(e.memory, e.offset) for e in entries] == [
        ("shared", 16),
        ("private", 32),
        ("io", 0),
        ("none", None),
    ]


def test_ion_memory_is_sections_programs_and_buffers(scratch: Path) -> None:
    tensors = [Tensor(name, (1, 2, 3, 4), "float32", 0.0, "") for name in ("io", "shared")]
    content = cvimodel_bytes(tensors, [], addresses={"shared": SHARED})
    assert _read(scratch, content).ion_bytes == len(DATA) + 600 + 5000 + 1 * 2 * 3 * 4 * 4


def test_a_model_that_takes_no_image_says_so(tmp_path: Path) -> None:
    path = tmp_path / "m.cvimodel"
    path.write_bytes(cvimodel_bytes([Tensor("x", (1, 10), "float32", 1.0, "")], []))
    with pytest.raises(InputError, match="does not take one image"):
        _ = read_model(path).input_size


def test_another_chip_is_told(tmp_path: Path) -> None:
    assert read_header(write_cvimodel(tmp_path / "m.cvimodel", chip="bm1684x")).chip == "bm1684x"
