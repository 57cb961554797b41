"""The active model: is it whole, for this chip, known to the camera, and are its names its own?"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import cvimodel
from ..camera.paths import CameraPaths
from ..camera.web_api import ActiveInfo, CameraApi
from ..cvimodel.classes import class_count
from ..errors import CameraError, RecamError
from ..flows.document import Node
from ..flows.labels import disagreements
from ..flows.merge import ACTIVE_MODEL
from ..progress import Step
from ..settings import CameraSettings
from ..ssh.connection import Connection
from .camera_facts import MODEL_LIMIT, CameraFacts
from .check import Check, fail, ok, warn

_DEPLOY = "Deploy one: recam deploy ARTIFACT; `recam convert` makes it."
_AGAIN = "Deploy it again: recam deploy ARTIFACT (`recam convert` makes one for this camera)."


@dataclass(frozen=True)
class ModelFacts:
    """What is in place. `data` is the model's file, None where there is none; `info` the text of
    `model.json`; `error` why they could not be read."""

    data: bytes | None = None
    info: str | None = None
    error: RecamError | None = None


def look_over_ssh(
    connection: Connection, paths: CameraPaths, facts: CameraFacts, step: Step
) -> ModelFacts:
    """Fetch the active model; what `model.json` says is among the facts already."""
    if facts.model is None:
        return ModelFacts(None, facts.info)
    with tempfile.TemporaryDirectory(prefix="recam-doctor-") as folder:
        local = Path(folder) / "model.cvimodel"
        try:
            connection.download(paths.active_model, local, limit=MODEL_LIMIT, step=step)
        except CameraError as error:
            return ModelFacts(None, facts.info, error)
        return ModelFacts(local.read_bytes(), facts.info)


def look_over_http(camera: CameraSettings) -> ModelFacts:
    """Fetch both over the camera's web API, where there is no login."""
    try:
        with CameraApi(camera) as api:
            return ModelFacts(api.model_file(), api.model_info())
    except CameraError as error:
        return ModelFacts(error=error)


def judge(facts: ModelFacts | None, flow: Sequence[Node] | None) -> list[Check]:
    """What to say of the model.

    `facts` are None where there is no way to it, and `flow`, Node-RED's nodes, where they cannot be
    read.
    """
    if facts is None:
        return [
            warn(
                "model.file",
                "not looked at: neither SSH nor the web API lets us",
                "Mend the SSH login or network.http first.",
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
    return [first, *_described(model), _info(facts), _labels(model, info, flow)]


def _read(data: bytes) -> cvimodel.CviModel:
    with tempfile.TemporaryDirectory(prefix="recam-doctor-") as folder:
        path = Path(folder) / "model.cvimodel"
        path.write_bytes(data)
        try:
            return cvimodel.read_model(path)
        except RecamError as error:
            raise CameraError(error.message.replace(str(path), "the active model")) from error


def _described(model: cvimodel.CviModel) -> list[Check]:
    header = ok("model.header", f"cvimodel {model.header.version}, and its checksum is right")
    if model.header.chip != cvimodel.CHIP:
        chip = fail(
            "model.chip",
            f"it was compiled for {model.header.chip[:20]!r}, and the camera has {cvimodel.CHIP}",
            _AGAIN,
        )
        return [header, chip]
    chip = ok("model.chip", cvimodel.CHIP)
    if model.family is None:
        shapes = ", ".join("×".join(map(str, tensor.shape)) for tensor in model.outputs)[:120]
        family = fail(
            "model.family",
            f"the camera does not know a model with these outputs: {shapes}",
            "Convert the network with `recam convert`, which cuts it where the camera wants it.",
        )
    else:
        family = ok("model.family", f"{model.family}, {model.ion_bytes / 1e6:.1f} MB when loaded")
    return [header, chip, family]


def _info(facts: ModelFacts) -> Check:
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
            return warn(
                name,
                "model.json belongs to another model: its checksum is not this file's",
                "Deploy the model with its own class names: recam deploy ARTIFACT.",
            )
    return ok(name, "model.json belongs to this model")


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
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
    # The node's own names count when model.json has none, and then should be as many.
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
        return warn(name, "nothing names the classes: results come with numbers", remedy)
    return ok(
        name, f"{len(names) or count} names" + (", the same in the flow" if any(texts) else "")
    )


def _classes(node: Node) -> str | None:
    """The class names of a model node that runs the active model; None of any other."""
    if node["type"] != "model" or node.get("uri") not in ("", None, ACTIVE_MODEL):
        return None
    text = node.get("classes", "")
    return text if isinstance(text, str) else None
