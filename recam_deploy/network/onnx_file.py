"""Read an ONNX file. What the onnx library raises on a bad one becomes an error of recam's here."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx.external_data_helper import load_external_data_for_model

from ..artifact import sha256_of
from ..errors import InputError, RecamError
from ..file_kinds import ONNX, foreign_hint, recognise_foreign
from .external_weights import MOST_BYTES, check_external_weights, too_large, weight_files
from .ordering import sort_nodes

EXPORT = "With Ultralytics: model.export(format='onnx', imgsz=640, dynamic=False)."
_AGAIN = "Export it again from the framework."


@contextlib.contextmanager
def explained(path: Path, problem: str = "is not a valid ONNX model") -> Iterator[None]:
    """Turn whatever the onnx library raises into an InputError that names the file.

    The library documents no exceptions: ValidationError, InferenceError, ConvertError, RuntimeError
    from its C++, ValueError, KeyError and others were seen.
    """
    try:
        yield
    except (RecamError, AttributeError, NameError, AssertionError):
        raise  # The last three are bugs of recam's own.
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is damaged: it has a name that is not UTF-8", "Copy or export it again."
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}", "Give the path of an ONNX file."
        ) from error
    except Exception as error:
        raise InputError(f"{path} {problem}: {first_line(error)}", _AGAIN) from error


def first_line(error: Exception) -> str:
    """Return the first line of an exception's text that says something, or its type."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)


def load_onnx(path: Path) -> onnx.ModelProto:
    """Load and check an ONNX file, with its nodes sorted and the weights of files beside it.

    Raises InputError when it is missing, damaged or not ONNX, and UnsupportedModelError when it is
    larger than 2 GB.
    """
    with explained(path):
        model = _parse(path)
        _check_versions(path, model)
        check_external_weights(path, model)
        load_external_data_for_model(model, str(path.parent))
        sort_nodes(model)
        _check_inputs(path, model)
        _refuse_withdrawn(path, model)
        onnx.checker.check_model(_with_shapes_for_checker(model))
    return model


def digest_of(path: Path) -> str:
    """Return the sha256 (hex) that identifies an ONNX model.

    It is that of the file, or, where weights are in separate files beside it, that of the hex
    digests of all files. Raises InputError when a file cannot be read.
    """
    with explained(path):
        files = []
        with contextlib.suppress(InputError, UnicodeDecodeError):
            files = weight_files(path, _parse(path))
        if not files:
            return sha256_of(path)
        digests = "".join(sha256_of(file) for file in (path, *files))
        return hashlib.sha256(digests.encode()).hexdigest()


def _parse(path: Path) -> onnx.ModelProto:
    """Read the message in a file, without weights that are in other files."""
    if not path.exists():
        raise InputError(f"{path} does not exist", "Give the path of an ONNX file.")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not a regular file"
        raise InputError(f"{path} is {what}", "Give the path of an ONNX file.")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise too_large(path, size)
    data = path.read_bytes()
    kind = recognise_foreign(data, ONNX)
    if kind is not None:
        raise InputError(f"{path} is not an ONNX file: it is {kind}", foreign_hint(kind))
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        _check_texts(path, model)
    except DecodeError as error:
        if _promises_more(data):
            raise InputError(
                f"{path} is not a whole ONNX file: it is cut short at {len(data):,} bytes",
                "Copy or download it again.",
            ) from error
        raise _not_onnx(path) from error
    if not model.graph.node or not model.opset_import:
        raise _not_onnx(path)
    return model


def _not_onnx(path: Path) -> InputError:
    return InputError(
        f"{path} is not an ONNX file, or is damaged", f"Export the model to ONNX first. {EXPORT}"
    )


def _check_texts(path: Path, message: Message) -> None:
    """Raise InputError for a text in a message that is not UTF-8.

    protobuf gives bytes for such a one, or raises UnicodeDecodeError, by its implementation.
    """
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            texts = [value] if isinstance(value, (str, bytes)) else value
            if wrong := [text for text in texts if not isinstance(text, str)]:
                raise InputError(
                    f"{path} is damaged: the {field.name} {wrong[0][:40]!r} is not UTF-8",
                    "Copy or export it again.",
                )
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in [value] if isinstance(value, Message) else value:
                _check_texts(path, part)


def _check_inputs(path: Path, model: onnx.ModelProto) -> None:
    """Raise InputError for an input without a shape.

    In IR 3 weights are inputs, too; a model where they are not is marked as one of IR 4, in place.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    if model.ir_version < 4 and not weights <= {value.name for value in model.graph.input}:
        model.ir_version = 4
    for value in model.graph.input:
        kind = value.type.tensor_type
        if value.name not in weights and kind.elem_type and not kind.HasField("shape"):
            raise InputError(
                f"{path} gives its input {value.name} no shape",
                f"Export it with an input of fixed size. {EXPORT}",
            )


def _with_shapes_for_checker(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with a shape for each output, which the checker asks for and nothing else."""
    if all(value.type.tensor_type.HasField("shape") for value in model.graph.output):
        return model
    checked = onnx.ModelProto()
    checked.CopyFrom(model)
    for value in checked.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.shape.SetInParent()
    return checked


def _promises_more(data: bytes) -> bool:
    """Say whether the last field of a protobuf message is longer than what is left of the file."""
    at = 0
    with contextlib.suppress(IndexError):
        while at < len(data):
            tag, at = _varint(data, at)
            if tag & 7 == 0:
                _, at = _varint(data, at)
            elif tag & 7 == 2:
                length, at = _varint(data, at)
                at += length
            elif tag & 7 in (1, 5):
                at += 8 if tag & 7 == 1 else 4
            else:
                return False
        return at > len(data)
    return True


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of at most ten bytes; return it, and where the next field begins."""
    value = 0
    for place in range(10):
        byte = data[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    return 0, at + 10


def _check_versions(path: Path, model: onnx.ModelProto) -> None:
    """Refuse what is newer than the installed onnx library, and what has no operators of ONNX's."""
    newer = (
        "Export with opset=17, or update the package onnx in recam's environment "
        f"({onnx.__version__} is installed)."
    )
    if model.ir_version > onnx.IR_VERSION:
        raise InputError(
            f"{path} is of IR version {model.ir_version}; the newest that the installed onnx "
            f"library reads is {onnx.IR_VERSION}",
            newer,
        )
    opset = opset_of(model)
    if opset > onnx.defs.onnx_opset_version():
        raise InputError(
            f"{path} uses opset {opset}; the newest that the installed onnx library knows is "
            f"{onnx.defs.onnx_opset_version()}",
            newer,
        )


def _refuse_withdrawn(path: Path, model: onnx.ModelProto) -> None:
    """Refuse operators that ONNX has withdrawn in the model's opset, and no longer checks."""
    opset = opset_of(model)
    for kind in {node.op_type for node in model.graph.node if node.domain in ("", "ai.onnx")}:
        if onnx.defs.has(kind, opset, "") and onnx.defs.get_schema(kind, opset, "").deprecated:
            raise InputError(
                f"{path} uses {kind} of opset {opset}, which ONNX has withdrawn: its definition "
                "was wrong, or another operator took its place",
                "Export the model with another opset: opset=17 (torch.onnx.export with "
                "dynamo=False), or 21 and later.",
            )


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operator set that the model uses; 0 when it uses none."""
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
