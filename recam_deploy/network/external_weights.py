"""Find the separate files in which an ONNX model's weights are, and say what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx

from ..errors import InputError, UnsupportedModelError
from ..file_kinds import LFS_POINTER, foreign_hint, recognise_foreign
from .subgraphs import tensors_of

MOST_BYTES = (1 << 31) - 1
"""What protobuf writes at most, and with it ONNX; the camera has 256 MB of memory."""

_LARGEST_POINTER = 1024
_TOGETHER = (
    "Copy it into the model's folder: exporters write both files. Or export into one file, for "
    "instance by torch.onnx.export(…, external_data=False)."
)
_IN_FOLDER = "Export the model again, with its weights in the model's own folder, or in one file."


@dataclass(frozen=True)
class Piece:
    """A tensor's bytes in a file: `length` of them from `offset` on."""

    tensor: str
    location: str
    offset: int
    length: int


def too_large(path: Path, size: int) -> UnsupportedModelError:
    """Return the refusal of a model whose weights ONNX could not even hold in one file."""
    return UnsupportedModelError(
        f"{path} has {size / 1e9:.1f} GB of weights; the camera has 256 MB of memory",
        "Train a smaller model.",
    )


def external_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield the tensors of a model whose values are in another file."""
    for tensor in tensors_of(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield tensor


def weight_files(path: Path, model: onnx.ModelProto) -> list[Path]:
    """List the files with weights that the model at `path` names and that are there, in order."""
    places = {
        entry.value
        for tensor in external_tensors(model)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    files = [path.parent / name for name in sorted(places) if "\0" not in name]
    return [file for file in files if file.is_file()]


def check_external_weights(path: Path, model: onnx.ModelProto) -> None:
    """Check, without reading them, that all files with weights of a model are there and whole.

    Raises InputError that names the file otherwise, and UnsupportedModelError for weights of more
    than 2 GB.
    """
    pieces = [_piece(path, tensor) for tensor in external_tensors(model)]
    if (size := sum(piece.length for piece in pieces)) > MOST_BYTES:
        raise too_large(path, size)
    for location in sorted({piece.location for piece in pieces}):
        _check_file(path, location, [piece for piece in pieces if piece.location == location])


def _piece(path: Path, tensor: onnx.TensorProto) -> Piece:
    """Read where a tensor's bytes are. Raises InputError where that is no place in the folder."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    location = said.get("location", "")
    if not location or "\0" in location:
        raise InputError(f"{path} names no file for the weights {tensor.name}", _IN_FOLDER)
    if PurePosixPath(location).is_absolute() or PureWindowsPath(location).is_absolute():
        raise InputError(
            f"{path} has its weights at the absolute path {location}; they must be in its folder",
            _IN_FOLDER,
        )
    if ".." in PurePosixPath(location).parts:
        raise InputError(
            f"{path} has its weights at {location}, outside its own folder", _IN_FOLDER
        )
    needed = _size_of(path, tensor)
    try:
        offset, length = int(said.get("offset") or 0), int(said.get("length") or needed)
    except ValueError:
        offset, length = 0, -1
    if offset < 0 or length != needed:
        raise InputError(
            f"{path} is damaged: the place of the weights {tensor.name} in {location} does not "
            "fit their shape",
            "Export it again from the framework.",
        )
    return Piece(tensor.name, location, offset, length)


def _size_of(path: Path, tensor: onnx.TensorProto) -> int:
    try:
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError:
        kind = None
    if kind is None or kind.hasobject or any(side < 0 for side in tensor.dims):
        raise InputError(
            f"{path} is damaged: the weights {tensor.name} have no known type and shape",
            "Export it again from the framework.",
        )
    bits = 4 if "4" in kind.name and kind.itemsize == 1 else 8 * kind.itemsize
    return -(-math.prod(tensor.dims) * bits // 8)


def _check_file(path: Path, location: str, pieces: Iterable[Piece]) -> None:
    file = path.parent / location
    try:
        if not file.exists():
            raise InputError(
                f"the weights of {path} are missing: the file {location} must be in the same "
                "folder",
                _TOGETHER,
            )
        if not file.is_file():
            raise InputError(f"the weights of {path}, {file}, are not a file", _TOGETHER)
        with file.open("rb"):
            size = file.stat().st_size
    except OSError as error:
        raise InputError(
            f"the weights of {path}, {file}, cannot be read: {error.strerror or error}",
            "Give yourself the right to read it, or copy both files again.",
        ) from error
    if size < _LARGEST_POINTER and (kind := recognise_foreign(file)) == LFS_POINTER:
        raise InputError(f"the weights of {path}, {file}, are {kind}", foreign_hint(kind))
    needed = max(piece.offset + piece.length for piece in pieces)
    if size < needed:
        raise InputError(
            f"the weights of {path}, {file}, are cut short: {size:,} bytes of {needed:,}",
            "Copy the file again, and check that it belongs to this model.",
        )
    if not file.resolve().is_relative_to(path.parent.resolve()):
        raise InputError(
            f"the weights of {path}, {file}, are a link to a file outside the model's folder",
            "Copy both files into one folder (`cp -L` follows links).",
        )
