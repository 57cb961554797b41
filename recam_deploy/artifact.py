"""Read and write artifacts: a cvimodel with the JSON manifest beside it.

The manifest names the cvimodel and says where it comes from. Deploying needs nothing else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .class_names import refuse_other_count
from .cvimodel import ModelFile, read_file
from .cvimodel.classes import class_count
from .documents import parse_json
from .errors import InputError
from .file_kinds import JSON, TEXT, refuse_foreign
from .files import read_text, write_atomically

MANIFEST_FORMAT = 1
_MOST_PIXELS = 65535  # of a side, as in a JPEG


@dataclass(frozen=True)
class TensorInfo:
    """One output of the cvimodel, as `convert --json` shows it."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Artifact:
    """A cvimodel ready to deploy. `labels[i]` is the name of class `i`.

    `family`, `quantization` and `input_size` (height, width in pixels) are empty for a cvimodel
    without a manifest. `provenance` holds the manifest's other keys, as they were written. `file`
    holds the cvimodel's bytes once they have been read.
    """

    cvimodel: Path
    manifest: Path | None
    name: str
    sha256: str
    size: int
    chip: str
    labels: tuple[str, ...] = ()
    family: str = ""
    quantization: str = ""
    input_size: tuple[int, int] = (0, 0)
    outputs: tuple[TensorInfo, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    file: ModelFile | None = field(default=None, repr=False, compare=False)

    def read(self) -> ModelFile:
        """Return the cvimodel's bytes with hash and layout; read the file only the first time.

        Raises InputError when the file cannot be read or its hash has changed.
        """
        if self.file:
            return self.file
        file = read_file(self.cvimodel)
        if file.sha256 != self.sha256:
            raise InputError(f"{self.cvimodel} has changed since it was read", "Deploy it again.")
        object.__setattr__(self, "file", file)
        return file

    @property
    def rejected(self) -> bool:
        """Whether the check of the conversion found it too far from the float model."""
        check = self.provenance.get("verification")
        failed = isinstance(check, dict) and check.get("passed") is False
        return failed or self.cvimodel.name.lower().endswith(".rejected.cvimodel")

    def label(self, class_id: int) -> str:
        """Return the name of a class; its number as text where no name is known."""
        return self.labels[class_id] if 0 <= class_id < len(self.labels) else str(class_id)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def write_manifest(artifact: Artifact, path: Path) -> Artifact:
    """Write the manifest to `path`, beside the cvimodel; return the artifact with that path."""
    document = {
        "format": MANIFEST_FORMAT,
        "name": artifact.name,
        "cvimodel": artifact.cvimodel.name,
        "sha256": artifact.sha256,
        "size": artifact.size,
        "chip": artifact.chip,
        "family": artifact.family,
        "labels": list(artifact.labels),
        "quantization": artifact.quantization,
        "input": {"height": artifact.input_size[0], "width": artifact.input_size[1]},
        "outputs": [dataclasses.asdict(output) for output in artifact.outputs],
        **artifact.provenance,
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # Bytes of names that are not UTF-8 are written as JSON's escapes: `\\udcff`.
    write_atomically(path, text.encode("utf-8", "backslashreplace"))
    return dataclasses.replace(artifact, manifest=path)


def load_artifact(path: Path, labels: tuple[str, ...] = ()) -> Artifact:
    """Read an artifact from a manifest, the folder that holds one, or a bare cvimodel.

    A cvimodel with a manifest beside it is read through that manifest. `labels`, when given,
    replace those of the manifest. The cvimodel's header is always checked.

    Raises InputError when `path` is none of these, is damaged, or does not match its manifest, and
    when `labels` are not as many as the model's classes.
    """
    if not path.exists():
        raise InputError(
            f"{path} does not exist",
            "Give a manifest (.json), the folder that holds it, or a .cvimodel file; "
            "`recam convert` makes one.",
        )
    if path.is_dir():
        path = _manifest_in(path)
    if path.suffix == ".json":
        artifact = _from_manifest(path)
    else:
        beside = path.with_suffix(".json")
        artifact = _from_manifest(beside) if _describes(beside, path) else _bare(path)
    return _renamed(artifact, labels) if labels else artifact


def _renamed(artifact: Artifact, labels: tuple[str, ...]) -> Artifact:
    """Replace the class names. Raises InputError when the model has another number of classes."""
    layout = artifact.read().layout
    count = None if artifact.family == "raw" else class_count(layout)
    # What looks like a pose model may be a detector: `camera.checks` explains that.
    if count is not None and "pose" not in str(layout.family):
        refuse_other_count(labels, count, artifact.labels, artifact.cvimodel.name)
    return dataclasses.replace(artifact, labels=labels)


def _manifest_in(folder: Path) -> Path:
    found = [p for p in sorted(folder.glob("*.json")) if is_manifest(p)]
    if len(found) == 1:
        return found[0]
    models = sorted(folder.glob("*.cvimodel"))
    if not found and len(models) == 1:
        return models[0]
    names = ", ".join(p.name for p in found or models) or "none"
    raise InputError(
        f"{folder} should hold exactly one artifact, and holds: {names}",
        "Name the manifest or the .cvimodel itself.",
    )


def _read_json(path: Path) -> Any:
    text = read_text(path, "a manifest")
    try:
        return parse_json(text)
    except ValueError as error:
        refuse_foreign(path, "a manifest", JSON, TEXT)
        raise InputError(
            f"{path} is not a readable manifest: {error}", "Run `recam convert` again."
        ) from error


def is_manifest(path: Path) -> bool:
    """Say whether a file looks like a manifest; its values may still be wrong."""
    try:
        document = _read_json(path)
    except InputError:
        return False
    return isinstance(document, dict) and "cvimodel" in document and "sha256" in document


def _describes(manifest: Path, model: Path) -> bool:
    return (
        manifest.is_file()
        and is_manifest(manifest)
        and _read_json(manifest)["cvimodel"] == model.name
    )


def _bare(path: Path) -> Artifact:
    file = read_file(path)
    return Artifact(
        cvimodel=path,
        manifest=None,
        name=path.stem,
        chip=file.header.chip,
        sha256=file.sha256,
        size=len(file.data),
        file=file,
    )


def _from_manifest(path: Path) -> Artifact:
    document = _read_json(path)
    _refuse_later(document, path)
    try:
        name = document["cvimodel"]
        if not isinstance(name, str) or not _is_file_name(name):
            raise ValueError("`cvimodel` must be the name of a file beside the manifest")
        if type(document.get("format", MANIFEST_FORMAT)) is not int:
            raise ValueError("`format` must be a whole number")
        known = _known_fields(document)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path} is not an artifact's manifest: {_reason(error)}", "Run `recam convert` again."
        ) from error
    bare = _bare(path.with_name(name))
    if bare.sha256 != document.get("sha256"):
        raise InputError(
            f"{bare.cvimodel} is not the file that {path.name} describes (sha256 differs)",
            "Run `recam convert` again, or give the .cvimodel with --labels.",
        )
    own = {"format", "cvimodel", "sha256", "size", "chip", "input", *known}
    provenance = {key: value for key, value in document.items() if key not in own}
    return dataclasses.replace(
        bare,
        manifest=path,
        provenance=provenance,
        input_size=(document["input"]["height"], document["input"]["width"]),
        **known,
    )


def _refuse_later(document: Any, path: Path) -> None:
    """Raise InputError for the format of a later version; unknown keys alone are tolerated."""
    found = document.get("format", MANIFEST_FORMAT) if isinstance(document, dict) else None
    if type(found) is int and found > MANIFEST_FORMAT:
        raise InputError(
            f"{path} is a manifest of format {found}, which a later version of recam wrote; this "
            f"one reads format {MANIFEST_FORMAT}",
            "Update recam: pip install -U recam-deploy.",
        )


def _is_file_name(name: str) -> bool:
    """Say whether `name` is a printable file name without a folder."""
    return bool(name) and name.isprintable() and Path(name).name == name


def _known_fields(document: Any) -> dict[str, Any]:
    labels = document["labels"]
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError("`labels` must be a list of names")
    for side in ("height", "width"):
        pixels = document["input"][side]
        if type(pixels) is not int or not 0 <= pixels <= _MOST_PIXELS:
            raise ValueError(f"`input.{side}` must be a number of pixels")
    return {
        "name": str(document["name"]),
        "labels": tuple(labels),
        "family": str(document["family"]),
        "quantization": str(document["quantization"]),
        "outputs": tuple(
            TensorInfo(str(o["name"]), tuple(int(n) for n in o["shape"]), str(o["dtype"]))
            for o in document["outputs"]
        ),
    }


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
