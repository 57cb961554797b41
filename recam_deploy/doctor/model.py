"""Check the active model: its file, its chip, its family, and its class names."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import cvimodel
from ..camera.checks import decoded_family
from ..camera.facts import CameraFacts
from ..camera.firmware import FAMILY_SINCE, LAST_STRICT, numbers_of
from ..camera.paths import CameraPaths
from ..camera.web_api import ActiveInfo, CameraApi
from ..cvimodel.classes import class_count
from ..documents import parse_json
from ..errors import CameraError, RecamError
from ..flows.document import Node
from ..flows.labels import disagreements
from ..flows.merge import ACTIVE_MODEL, running
from ..progress import Step
from ..settings import CameraSettings
from ..ssh.connection import Connection
from .check import Check, fail, ok, warn

_MODEL_LIMIT = 64 << 20  # more than the TPU's memory holds
_DEPLOY = "Deploy one: recam deploy ARTIFACT; `recam convert` makes it."
_AGAIN = "Deploy it again: recam deploy ARTIFACT (`recam convert` makes one for this camera)."


@dataclass(frozen=True)
class ModelFacts:
    """The active model: its bytes, and the text `info` of `model.json`; None where missing.

    `error` says why they could not be read.
    """

    data: bytes | None = None
    info: str | None = None
    error: RecamError | None = None


def look_over_ssh(
    connection: Connection, paths: CameraPaths, facts: CameraFacts, step: Step
) -> ModelFacts:
    """Download the active model; the facts hold `model.json` already."""
    if facts.active_sha256 is None:
        return ModelFacts(None, facts.info)
    with tempfile.TemporaryDirectory(prefix="recam-doctor-") as folder:
        local = Path(folder) / "model.cvimodel"
        try:
            connection.download(paths.active_model, local, limit=_MODEL_LIMIT, step=step)
        except CameraError as error:
            return ModelFacts(None, facts.info, error)
        return ModelFacts(local.read_bytes(), facts.info)


def look_over_http(camera: CameraSettings) -> ModelFacts:
    """Download both files over the camera's web API, which needs no login."""
    try:
        with CameraApi(camera) as api:
            return ModelFacts(api.model_file(), api.model_info())
    except CameraError as error:
        return ModelFacts(error=error)


def judge(facts: ModelFacts | None, flow: Sequence[Node] | None, version: str = "") -> list[Check]:
    """Judge the active model, and compare its class names with those in the flow.

    `facts` is None when neither SSH nor the web API could be used; `flow`, Node-RED's nodes, when
    they could not be read. `version` is the firmware's, "" for an unknown one.
    """
    if facts is None:
        return [
            warn(
                "model.file",
                "not checked: neither SSH nor the web API gives access",
                "Fix the SSH login or network.http first.",
            )
        ]
    if facts.error:
        return [fail("model.file", facts.error.message, facts.error.hint or _AGAIN)]
    if facts.data is None:
        return [fail("model.file", "there is no active model on the camera", _DEPLOY)]
    digest = hashlib.sha256(facts.data).hexdigest()
    info = ActiveInfo.parse(facts.info) if facts.info is not None else None
    named = f", {info.name}" if info and info.name else ""
    first = ok("model.file", f"sha256 {digest[:12]}…, {len(facts.data)} bytes{named[:60]}")
    try:
        model = _read(facts.data)
    except RecamError as error:
        return [first, fail("model.header", error.message, _AGAIN)]
    return [first, *_model_checks(model, version), _info(facts, flow), _labels(model, info, flow)]


def _read(data: bytes) -> cvimodel.CviModel:
    with tempfile.TemporaryDirectory(prefix="recam-doctor-") as folder:
        path = Path(folder) / "model.cvimodel"
        path.write_bytes(data)
        try:
            return cvimodel.read_model(path)
        except RecamError as error:
            raise CameraError(error.message.replace(str(path), "the active model")) from error


def _model_checks(model: cvimodel.CviModel, version: str) -> list[Check]:
    header = ok("model.header", f"cvimodel {model.header.version}, and its checksum is right")
    if model.header.chip != cvimodel.CHIP:
        chip = fail(
            "model.chip",
            f"it was compiled for {model.header.chip[:20]!r}, and the camera has {cvimodel.CHIP}",
            _AGAIN,
        )
        return [header, chip]
    chip = ok("model.chip", cvimodel.CHIP)
    family = _family(model, version)
    if model.rows != "dense":
        return [header, chip, family]
    rows = warn(
        "model.rows",
        f"its rows of {model.inputs[0].row_bytes} bytes are not padded to {cvimodel.ROW_BYTES}, so "
        "its live picture is sheared",
        "Convert the model with `recam convert`, which builds with --aligned_input, and deploy it.",
    )
    return [header, chip, family, rows]


def _family(model: cvimodel.CviModel, version: str) -> Check:
    name, family, numbers = "model.family", decoded_family(model), numbers_of(version)
    if family is None:
        shapes = ", ".join("×".join(map(str, tensor.shape)) for tensor in model.outputs)[:120]
        return fail(
            name,
            f"the camera does not know a model with these outputs: {shapes}",
            "Convert it with `recam convert`, which cuts it where the camera can decode it.",
        )
    newer = model.family is None and numbers <= LAST_STRICT
    if numbers and (newer or numbers < FAMILY_SINCE.get(family, ())):
        return fail(
            name,
            f"{family} needs newer firmware than {version}, which the camera has",
            "Update it on the camera's web page, Settings > System, or deploy another model.",
        )
    return ok(name, f"{family}, {model.ion_bytes / 1e6:.1f} MB when loaded")


def _info(facts: ModelFacts, flow: Sequence[Node] | None) -> Check:
    name = "model.info"
    if facts.info is None:
        return warn(
            name,
            "the camera has no model.json, which names the classes",
            "Deploy the model with its class names: recam deploy ARTIFACT.",
        )
    document = _json_object(facts.info)
    if document is None:
        return fail(name, "model.json is not JSON", _AGAIN)
    wanted = document.get("checksum")
    if isinstance(wanted, str) and wanted and facts.data is not None:
        md5 = hashlib.md5(facts.data, usedforsecurity=False).hexdigest()
        if wanted.lower() != md5:
            return _other_info(flow)
    return ok(name, "model.json belongs to this model")


def _other_info(flow: Sequence[Node] | None) -> Check:
    """Describe a `model.json` of another model, and name its cause where the flow shows it.

    Choosing a preset in the editor's model node replaces `model.json` and the node's `uri`, but not
    the model's file (sscma-example-sg200x, supervisor `uploadModel` of firmware 0.2.2 and newer).
    """
    fact = "model.json belongs to another model: its checksum is not this file's"
    remedy = "Deploy the model with its own class names: recam deploy ARTIFACT."
    presets = [
        str(node["uri"])
        for node in running(flow or (), "model")
        if node.get("uri") not in ("", None, ACTIVE_MODEL)
    ]
    if presets:
        fact += f"; a preset was chosen in the editor, and the flow runs {presets[0][:80]}"
        remedy += " Then let the flow run it: recam flow push."
    return warn("model.info", fact, remedy)


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = parse_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _labels(
    model: cvimodel.CviModel, info: ActiveInfo | None, flow: Sequence[Node] | None
) -> Check:
    name = "model.labels"
    names = list(info.classes or ()) if info else []
    count = class_count(model)
    remedy = "Deploy with the right names (recam deploy ARTIFACT --labels FILE), then recam flow "
    remedy += "push."
    if names and count is not None and len(names) != count:
        return fail(
            name, f"model.json has {len(names)} names, and the model {count} classes", remedy
        )
    texts = [text for text in (_classes(node) for node in flow or ()) if text is not None]
    # The node's own names count only when model.json has none.
    for text in texts:
        given = [part for part in text.split(",") if part.strip()]
        if not names and given and count is not None and len(given) != count:
            return fail(
                name,
                f"the model node has {len(given)} names, and the model {count} classes",
                remedy,
            )
        problems = disagreements(names, names, text) if names else ()
        if problems:
            fact = problems[0].replace("and the model", "and model.json", 1)[:200]
            return warn(name, fact, "Give the flow the same names: recam flow push.")
    if not names and not any(texts):
        return warn(name, "the classes have no names, so results show numbers", remedy)
    return ok(
        name, f"{len(names) or count} names" + (", the same in the flow" if any(texts) else "")
    )


def _classes(node: Node) -> str | None:
    """Return the class names of a model node that runs the active model; None for other nodes."""
    if node["type"] != "model" or node.get("uri") not in ("", None, ACTIVE_MODEL):
        return None
    text = node.get("classes", "")
    return text if isinstance(text, str) else None
