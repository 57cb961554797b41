"""Describe an ONNX model, and refuse, with the reason, what the camera cannot run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import onnx

from ..class_names import refuse_other_count, shown_names
from ..errors import InputError, UnsupportedModelError
from .decode_check import check_decoding
from .folding import fold, needs_folding
from .identify import identify, identify_raw
from .identity import Identity
from .input_image import check_family_image, image_of
from .labels import labels_in_metadata
from .model import YOLO_PREPROCESSING, Network, NetworkInput, Preprocessing
from .naming import make_names_plain
from .normalising import normalise
from .onnx_file import digest_of, explained, load_onnx, opset_of
from .overrides import end_at, set_input_shape
from .parameters import check_parameters
from .plain_input import plain_input, raw_input
from .prepare import prepare
from .quantized import without_quantization
from .unranked import UNRANKED, unranked


class ClassNamesError(InputError):
    """The model would be accepted with other class names; `network` describes it without any."""

    def __init__(self, message: str, hint: str, network: Network) -> None:
        super().__init__(message, hint)
        self.network = network


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

    Raises InputError when the file is not a valid ONNX model or the number of given names is wrong,
    ClassNamesError when its own are missing or of another number, and UnsupportedModelError when
    the camera would not run it.
    """
    if preprocessing != YOLO_PREPROCESSING:
        raise InputError(
            "the camera's families have a fixed preprocessing: RGB, mean 0, scale 1/255, "
            "letterboxed to the size of the input",
            "Leave --mean, --scale, --pixel-format, resize_dims and keep_aspect_ratio out, or "
            "convert with --family raw.",
        )
    loaded = _load(path, output_names, input_shape, plain_input, check=check_family_image)
    network, model = _understood(loaded, identify, preprocessing)
    if labels:
        refuse_other_count(labels, network.classes, _own_names(model), path.name)
    names = labels or labels_in_metadata(model)
    if not names:
        raise ClassNamesError(
            f"{path} holds no class names",
            f"Give {network.classes} names with --labels FILE: the data set's data.yaml, or a text "
            "file with one a line, in class order.",
            network,
        )
    if len(names) != network.classes:
        raise ClassNamesError(
            f"{path.name} holds {len(names)} class names ({shown_names(names)}), and it has "
            f"{network.classes} classes",
            f"Give {network.classes} names with --labels FILE, in class order.",
            network,
        )
    return replace(network, labels=names), model


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
    loaded = _load(path, output_names, input_shape, lambda read: raw_input(read, preprocessing))
    network, model = _understood(loaded, identify_raw, preprocessing)
    return replace(network, labels=labels), model


def read_as_written(path: Path, input_shape: tuple[int, ...] = ()) -> onnx.ModelProto:
    """Read the model as its file has it, but for the names and sizes that `read_network` changes.

    Raises InputError as `load_onnx`.
    """
    model = load_onnx(path)
    make_names_plain(model)
    if input_shape:
        set_input_shape(model, input_shape)
    with explained(path):
        return onnx.shape_inference.infer_shapes(model)


@dataclass(frozen=True)
class _Loaded:
    """A model that was read, with its shapes inferred, and where it is to end, if not at its end.

    `file` is the model's own IR version and opset, `steps` what was done to it since.
    """

    path: Path
    model: onnx.ModelProto
    input: NetworkInput
    ends: tuple[str, ...]
    file: tuple[int, int]
    steps: tuple[str, ...]

    def folded(self) -> _Loaded:
        """Return the same with its constants folded."""
        with explained(self.path, _CONTRADICTION):
            model = fold(self.model)
        if model is self.model:
            return self
        return replace(self, model=model, steps=(*self.steps, "constants folded"))


_Change: TypeAlias = Callable[[onnx.ModelProto], tuple[onnx.ModelProto, tuple[str, ...]]]
_Identify: TypeAlias = Callable[[onnx.ModelProto, NetworkInput], Identity]
_CONTRADICTION = "has shapes that contradict each other"


def _own_names(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the names in the model's metadata; empty where there are none that can be read."""
    try:
        return labels_in_metadata(model)
    except InputError:
        return ()


def _load(
    path: Path,
    output_names: tuple[str, ...],
    input_shape: tuple[int, ...],
    ready: _Change,
    check: Callable[[NetworkInput], None] = lambda image: None,
) -> _Loaded:
    """Load the model, bring it to one form, infer its shapes and apply the overrides.

    Tensors are renamed where the compiler needs that; `output_names` are the file's own names.
    `ready` takes preprocessing out of the graph. `check` gets the input before the shapes are
    inferred: a wrong input size explains more than shapes that contradict each other.
    """
    model = load_onnx(path)
    file = model.ir_version, opset_of(model)
    check_parameters(model.graph)
    if input_shape:
        set_input_shape(model, input_shape)
    check_parameters(model.graph)
    steps: tuple[str, ...] = ()
    with explained(path):
        for change in (without_quantization, ready):
            model, done = change(model)
            steps += done
    image = image_of(model)
    check(image)
    with explained(path):
        model, done = normalise(model)
        steps += done
    plain = make_names_plain(model)
    image = replace(image, name=plain.get(image.name, image.name))
    with explained(path, _CONTRADICTION):
        shaped = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    ends = tuple(plain.get(name, name) for name in output_names)
    return _Loaded(path, shaped, image, ends, file, steps)


def _understood(
    loaded: _Loaded, identify: _Identify, preprocessing: Preprocessing
) -> tuple[Network, onnx.ModelProto]:
    """Identify a model as it is written or, where that fails, with its constants folded.

    So the compiler gets what it always got of a model that needs no folding. What was normalised is
    folded in any case: the bodies of functions compute constants. Raises InputError and
    UnsupportedModelError.
    """
    if loaded.steps:
        return _identified(loaded.folded(), identify, preprocessing)
    try:
        return _identified(loaded, identify, preprocessing)
    except InputError:
        if not needs_folding(loaded.model.graph):
            raise
    return _identified(loaded.folded(), identify, preprocessing)


def _identified(
    loaded: _Loaded, identify: _Identify, preprocessing: Preprocessing
) -> tuple[Network, onnx.ModelProto]:
    """Identify a model, and check that it can be prepared for the compiler."""
    whole, steps = loaded.model, loaded.steps
    if identify is not identify_raw:
        with explained(loaded.path, _CONTRADICTION):
            whole = unranked(whole, loaded.input, loaded.ends)
        steps = steps if whole is loaded.model else (*steps, UNRANKED)
    model = whole
    with explained(loaded.path, _CONTRADICTION):
        if loaded.ends:
            model = end_at(model, loaded.input.name, loaded.ends)
    _refuse_constant_outputs(model)
    found = identify(model, loaded.input)
    with explained(loaded.path, "cannot be decoded on a test picture"):
        decoding = check_decoding(whole, loaded.input, found)
    network = Network(
        path=loaded.path,
        sha256=digest_of(loaded.path),
        ir_version=loaded.file[0],
        opset=loaded.file[1],
        family=found.family,
        input=loaded.input,
        cut_at=found.cut_at,
        output_shapes=found.output_shapes,
        classes=found.classes,
        labels=(),
        heads=found.heads,
        float_tail=found.float_tail,
        preprocessing=preprocessing,
        normalised=steps,
        assignment=found.assignment,
        decoding=decoding,
    )
    with explained(loaded.path, "cannot be prepared for the compiler"):
        prepare(model, network)
    return network, model


def _refuse_constant_outputs(model: onnx.ModelProto) -> None:
    """Raise UnsupportedModelError for an output that no operator computes from the picture."""
    made = {name for node in model.graph.node for name in node.output if node.input}
    for value in model.graph.output:
        if value.name not in made:
            raise UnsupportedModelError(
                f"the output {value.name} does not depend on the picture: it is a constant, or the "
                "input itself",
                "Export the model without it, or name the outputs to keep with --output-names.",
            )
