"""Read an ONNX file, and refuse, with the reason, what the camera cannot run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import uses_external_data

from ..artifact import sha256_of
from ..errors import InputError
from .decode_check import check_decoding
from .identify import identify, identify_raw
from .identity import Identity
from .input_image import check_family_image, image_of
from .labels import labels_in_metadata
from .model import YOLO_PREPROCESSING, Network, NetworkInput, Preprocessing
from .naming import make_names_plain
from .overrides import end_at, set_input_shape
from .plain_input import PlainInput, plain_input, raw_input
from .quantized import without_quantization
from .unranked import unranked

_EXPORT = "With Ultralytics: model.export(format='onnx', imgsz=640, dynamic=False)."


def read_network(
    path: Path,
    labels: tuple[str, ...] = (),
    preprocessing: Preprocessing = YOLO_PREPROCESSING,
    *,
    output_names: tuple[str, ...] = (),
    input_shape: tuple[int, ...] = (),
) -> tuple[Network, onnx.ModelProto]:
    """Inspect an ONNX model; `labels`, when given, replace those of its metadata.

    `output_names` override where the model ends, `input_shape` the sizes of dynamic axes. Return
    the description, and the model with the shape of every tensor inferred.

    Raises InputError when the file is not a valid ONNX model or the number of class names is wrong,
    and UnsupportedModelError when the camera would not run it.
    """
    if preprocessing != YOLO_PREPROCESSING:
        raise InputError(
            "the camera's families have a fixed preprocessing: RGB, mean 0, scale 1/255, "
            "letterboxed to the size of the input",
            "Leave --mean, --scale, --pixel-format, resize_dims and keep_aspect_ratio out, or "
            "convert with --family raw.",
        )
    model, network_input, whole = _load(
        path, output_names, input_shape, plain_input, check=check_family_image, adapt=unranked
    )
    found = identify(model, network_input)
    decoding = check_decoding(whole, network_input, found)
    names = labels or labels_in_metadata(model)
    if not names:
        raise InputError(
            f"{path} holds no class names",
            f"Give {found.classes} names with --labels FILE: one a line, in class order.",
        )
    if len(names) != found.classes:
        raise InputError(
            f"{len(names)} class names are given, and the model has {found.classes} classes",
            "Give one name a line with --labels FILE, in class order.",
        )
    described = _network(path, model, network_input, found, names, preprocessing)
    return replace(described, decoding=decoding), model


def read_raw_network(
    path: Path,
    labels: tuple[str, ...] = (),
    preprocessing: Preprocessing = YOLO_PREPROCESSING,
    *,
    output_names: tuple[str, ...] = (),
    input_shape: tuple[int, ...] = (),
) -> tuple[Network, onnx.ModelProto]:
    """Inspect any ONNX model with one picture as its input, whatever its outputs mean.

    Raises InputError and UnsupportedModelError as `read_network`, except for a family's rules.
    """
    model, network_input, _ = _load(
        path, output_names, input_shape, lambda loaded: raw_input(loaded, preprocessing)
    )
    found = identify_raw(model, network_input)
    return _network(path, model, network_input, found, labels, preprocessing), model


def _load(
    path: Path,
    output_names: tuple[str, ...],
    input_shape: tuple[int, ...],
    ready: Callable[[onnx.ModelProto], PlainInput],
    check: Callable[[NetworkInput], None] = lambda image: None,
    adapt: Callable[[onnx.ModelProto, NetworkInput, Sequence[str]], onnx.ModelProto] = (
        lambda model, image, ends: model
    ),
) -> tuple[onnx.ModelProto, NetworkInput, onnx.ModelProto]:
    """Load the model, infer its shapes and apply the overrides.

    Return it, its input, and the model before the output cut.

    Tensors are renamed where the compiler needs that; `output_names` are the file's own names.
    `check` gets the input before the shapes are inferred: a wrong input size explains more than
    shapes that contradict each other. `ready` makes its
    input plain, `adapt` changes the whole model where its family needs that.
    """
    model = ready(without_quantization(load_onnx(path))).model
    plain = make_names_plain(model)
    ends = tuple(plain.get(name, name) for name in output_names)
    if input_shape:
        set_input_shape(model, input_shape)
    network_input = image_of(model)
    check(network_input)
    whole = adapt(_with_shapes(model, path), network_input, ends)
    model = end_at(whole, network_input.name, ends) if ends else whole
    return model, network_input, whole


def _network(
    path: Path,
    model: onnx.ModelProto,
    network_input: NetworkInput,
    found: Identity,
    labels: tuple[str, ...],
    preprocessing: Preprocessing,
) -> Network:
    return Network(
        path=path,
        sha256=digest_of(path),
        ir_version=model.ir_version,
        opset=opset_of(model),
        family=found.family,
        input=network_input,
        cut_at=found.cut_at,
        output_shapes=found.output_shapes,
        classes=found.classes,
        labels=labels,
        heads=found.heads,
        float_tail=found.float_tail,
        assignment=found.assignment,
        preprocessing=preprocessing,
    )


def load_onnx(path: Path) -> onnx.ModelProto:
    """Load and check an ONNX file. Raises InputError when it is missing, damaged or not ONNX."""
    if not path.is_file():
        raise InputError(f"{path} does not exist", "Give the path of an ONNX file.")
    try:
        model = onnx.load(path)
    except (DecodeError, ValueError, OSError, onnx.checker.ValidationError) as error:
        raise _not_onnx(path) from error
    if not model.graph.node or not model.opset_import:
        raise _not_onnx(path)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path} is not a valid ONNX model: {first}", "Export it again from the framework."
        ) from error
    return model


def digest_of(path: Path) -> str:
    """Return the sha256 (hex) that identifies an ONNX model.

    It is that of the file, or, where weights are in separate files beside it, that of the hex
    digests of all files.
    """
    files = _weight_files(path)
    if not files:
        return sha256_of(path)
    digests = "".join(sha256_of(file) for file in (path, *files))
    return hashlib.sha256(digests.encode()).hexdigest()


def _weight_files(path: Path) -> list[Path]:
    """List the separate files with weights of the model at `path`; none for other files."""
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, ValueError):
        return []
    tensors = (*graph.initializer, *(a.t for node in graph.node for a in node.attribute))
    outside = {
        entry.value
        for tensor in tensors
        if uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    files = [path.parent / name for name in sorted(outside)]
    return [file for file in files if file.is_file()]


def _not_onnx(path: Path) -> InputError:
    return InputError(
        f"{path} is not an ONNX file, or is cut short",
        f"Export the model to ONNX first. {_EXPORT}",
    )


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operator set that the model uses; 0 when it uses none."""
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)


def _with_shapes(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"the shapes in {path} contradict each other: {first}",
            "Export it again from the framework.",
        ) from error
