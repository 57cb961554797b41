"""Find and read the two models of a comparison: a cvimodel, and the ONNX model of its origin."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import onnx
from pydantic import TypeAdapter, ValidationError

from ..artifact import Artifact
from ..conversion.layout_check import check_layout
from ..errors import InputError, VerificationError
from ..network.model import RAW, Network, Preprocessing
from ..network.onnx_file import digest_of
from ..network.reading import read_network, read_raw_network


@dataclass(frozen=True)
class Subject:
    """A cvimodel and its float model.

    `graph` has the shape of every tensor inferred; `ion_bytes` is the camera's memory that the
    cvimodel takes.
    """

    artifact: Artifact
    network: Network
    graph: onnx.ModelProto
    ion_bytes: int


def find_float_model(artifact: Artifact, given: Path | None, folders: Sequence[Path]) -> Path:
    """Find the ONNX file that the artifact was converted from.

    It is `given`, else the file that the manifest names, in one of `folders`. Raises InputError
    when there is none, or when its sha256 is not the manifest's: the comparison would be of two
    different models. Without a sha256 in the manifest, any file is accepted.
    """
    recorded = _mapping(_mapping(artifact.provenance.get("sources")).get("model"))
    digest = recorded.get("sha256")
    candidates = [given] if given else _named(artifact, recorded.get("file"), folders)
    for path in candidates:
        if not path.is_file():
            raise InputError(f"{path} does not exist", "Give the path of the ONNX file.")
        if not digest or digest_of(path) == digest:
            return path
    raise InputError(
        f"{candidates[0]} is not the model that {artifact.cvimodel.name} was converted from "
        "(sha256 differs)",
        "Give the right model with --model, or convert this one again.",
    )


def _named(artifact: Artifact, name: Any, folders: Sequence[Path]) -> list[Path]:
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise InputError(
            f"no manifest names the ONNX model that {artifact.cvimodel.name} was converted from",
            "Give it with --model.",
        )
    found = [folder / name for folder in folders if (folder / name).is_file()]
    if not found:
        raise InputError(
            f"{name}, from which {artifact.cvimodel.name} was converted, is neither beside it nor "
            "in this folder",
            _lost_export(artifact) or "Give its path with --model.",
        )
    return found


def _lost_export(artifact: Artifact) -> str:
    """Return the hint for a model that recam exported and whose export has left the cache."""
    original = _mapping(_mapping(artifact.provenance.get("sources")).get("original"))
    files = original.get("files")
    first = _mapping(files[0]) if isinstance(files, list) and files else {}
    name = first.get("file")
    return f"It was exported from {name}: run `recam convert` on that again." if name else ""


def read_subject(artifact: Artifact, model: Path) -> Subject:
    """Read both models, and check that family and layout agree.

    Raises InputError when they do not, and UnsupportedModelError for an ONNX model that recam
    cannot convert.
    """
    overrides = _recorded_overrides(artifact)
    if artifact.family == RAW:
        preprocessing = _preprocessing(artifact)
        network, graph = read_raw_network(model, artifact.labels, preprocessing, **overrides)
    else:
        network, graph = read_network(model, artifact.labels, **overrides)
    if artifact.family and artifact.family != network.family:
        raise InputError(
            f"{artifact.cvimodel.name} is of the family {artifact.family}, and {model} of "
            f"{network.family}",
            "Give the ONNX model that it was converted from.",
        )
    layout = artifact.read().layout
    try:
        check_layout(layout, network, int8_outputs=layout.has_int8_maps)
    except VerificationError as error:
        raise InputError(
            f"{artifact.cvimodel.name} cannot be compared with {model}: "
            f"{error.message.partition(';')[0]}",
            "Give the ONNX model that it was converted from. The layout of cvimodels from other "
            "tools may differ.",
        ) from error
    return Subject(artifact, network, graph, layout.ion_bytes)


class _Overrides(TypedDict, total=False):
    """The user's overrides of a model: the last arguments of `read_network`."""

    output_names: tuple[str, ...]
    input_shape: tuple[int, ...]


def _recorded_overrides(artifact: Artifact) -> _Overrides:
    """Read the output cut and the input shape from the manifest; users can override both."""
    recorded = _mapping(_mapping(artifact.provenance.get("sources")).get("model"))
    names, shape = recorded.get("cut_at"), recorded.get("input_shape")
    overrides: _Overrides = {}
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        overrides["output_names"] = tuple(names)
    if isinstance(shape, list) and all(isinstance(side, int) for side in shape):
        overrides["input_shape"] = tuple(shape)
    return overrides


def _preprocessing(artifact: Artifact) -> Preprocessing:
    """Read the preprocessing of a raw network from its manifest.

    Raises InputError when it is not there.
    """
    recorded = _mapping(artifact.provenance.get("preprocessing"))
    try:
        if recorded.keys() == {field.name for field in dataclasses.fields(Preprocessing)}:
            return TypeAdapter(Preprocessing).validate_python(recorded)
    except ValidationError:
        pass
    raise InputError(
        f"the manifest of {artifact.cvimodel.name} does not say which preprocessing is fused into "
        "it",
        "Run `recam convert` again, and keep the manifest beside the cvimodel.",
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
