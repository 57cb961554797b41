"""Check Node-RED: its version, the node types that the flows need, and whether they run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import AuthenticationError, CameraError, InterruptedExchangeError, RecamError
from ..flows.backups import Backup, Backups
from ..flows.client import NodeRed, NodeRedFacts
from ..flows.document import Node, described
from ..flows.merge import ACTIVE_MODEL, running
from ..flows.missing import listed, missing_nodes, remedy
from ..flows.push import wait_until_up
from ..progress import SilentProgress
from ..settings import CameraSettings
from .check import Check, fail, ok, warn

_OLDEST = (3, 0)  # its API reports whether the flows run; the camera has 4.1 from 0.2.1 on
_NEEDED = ("sscma", "camera", "model", "preview")
_MOST_NAMED = 6
_STUCK = (
    " If it never comes up after an update, its old flows may be why: move flows.json away in the "
    "camera's folder .node-red, restart the camera, then run `recam flow restore`."
)
_AGAIN_SECONDS = 8.0  # the watchdog looks every six


@dataclass(frozen=True)
class FlowFacts:
    """Node-RED's answers; `runs` is None when it does not report it.

    `error` says why answers are missing. `unreadable`: Node-RED cannot read its own flows.
    `backup` is the newest backup on this machine that holds nodes.
    """

    server: NodeRedFacts | None = None
    nodes: tuple[Node, ...] | None = None
    runs: bool | None = None
    error: RecamError | None = None
    unreadable: bool = False
    backup: Backup | None = None


def look(camera: CameraSettings) -> FlowFacts:
    """Ask Node-RED's API; a login in the settings is used once.

    A port that says nothing is given up after `camera.timeout`: its silence is the finding.
    """
    server = nodes = None
    backup = Backups.from_settings(camera).newest()
    try:
        with NodeRed.from_settings(camera, silence=camera.timeout) as client:
            server = client.facts()
            document = client.read()
            nodes = document.nodes
            runs = client.runs()
            if runs is False and not document.unreadable:
                # The camera's watchdog may just be stopping and starting them.
                runs = wait_until_up(client, SilentProgress(), _AGAIN_SECONDS)
            return FlowFacts(server, nodes, runs, None, document.unreadable, backup)
    except CameraError as error:
        return FlowFacts(server, nodes, error=error, backup=backup)


def judge(facts: FlowFacts, *, reachable: bool) -> list[Check]:
    """Judge Node-RED; `reachable` says whether its port is open."""
    if not reachable:
        return [
            warn(
                "node_red.api",
                "not checked: Node-RED's port does not answer",
                "Fix network.node_red first.",
            )
        ]
    checks = []
    if facts.error:
        name = "node_red.login" if isinstance(facts.error, AuthenticationError) else "node_red.api"
        hint = facts.error.hint
        if isinstance(facts.error, InterruptedExchangeError):
            hint += _STUCK
        checks.append(fail(name, facts.error.message, hint))
    if facts.server:
        checks.append(_version(facts.server))
        checks.append(_types(facts.server, facts.nodes or ()))
    if facts.nodes is not None:
        if facts.error is None:
            checks.append(_state(facts))
        checks.append(_model_node(facts.nodes, _restoring(facts)))
    return checks


def _restoring(facts: FlowFacts) -> str:
    """Return how the flows of before come back; "" where there are flows, or no backup."""
    if facts.nodes or not facts.backup:
        return ""
    return (
        f"`recam flow restore` brings back those of {facts.backup.written} "
        f"({facts.backup.nodes} nodes)."
    )


def _version(server: NodeRedFacts) -> Check:
    numbers = tuple(int(part) for part in re.findall(r"\d{1,4}", server.version)[:3])
    if not numbers:
        return warn(
            "node_red.version",
            "it does not report its version",
            "Check that camera.node_red_port is Node-RED's.",
        )
    fact = f"Node-RED {server.version[:40]}"
    if numbers < _OLDEST:
        return warn("node_red.version", fact, "Update the camera's firmware.")
    return ok("node_red.version", fact)


def _types(server: NodeRedFacts, nodes: Sequence[Node]) -> Check:
    needed = [kind for kind in _NEEDED if kind not in server.types]
    holders = missing_nodes(nodes, server.types)
    missing = list(dict.fromkeys([*needed, *(holder.node["type"] for holder in holders)]))
    if missing:
        shown = ", ".join(kind[:40] for kind in missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        where = f"; they are needed by {listed(holders)}" if holders else ""
        hint = remedy(holders) if holders else "Update the camera's firmware."
        return fail(
            "node_red.types",
            f"node types are missing: {shown}{more}{where}",
            f"{hint} Node-RED does not start flows without them.",
        )
    return ok("node_red.types", "all node types that the flows need are installed")


def _state(facts: FlowFacts) -> Check:
    if facts.unreadable:
        return fail(
            "node_red.state",
            "Node-RED cannot read its flows, so it runs none: its flows.json is damaged",
            _restoring(facts) or "`recam flow push` writes new ones.",
        )
    if facts.runs is None:
        return ok("node_red.state", "this Node-RED does not report whether the flows run")
    if facts.runs:
        return ok("node_red.state", f"the flows run ({len(facts.nodes or ())} nodes)")
    return fail(
        "node_red.state",
        "the flows are stopped",
        "Start them in the editor: the arrow beside Deploy, Start. Missing node types stop them "
        "too.",
    )


def _model_node(nodes: Sequence[Node], restoring: str) -> Check:
    name = "node_red.model"
    models = running(nodes, "model")
    if not models:
        if restoring:
            return warn(name, "Node-RED has no flows, as after a reset", restoring)
        return warn(name, "no flow runs a model", "Add one with `recam flow push`.")
    if len(models) > 1:
        return fail(
            name,
            f"there are {len(models)} model nodes, and a camera can run one",
            "Remove all but one of them in the editor.",
        )
    uri = models[0].get("uri")
    if uri in ("", None, ACTIVE_MODEL):
        return ok(name, f"{described(models[0])[:60]} runs the active model")
    return warn(
        name,
        f"{described(models[0])[:60]} runs {str(uri)[:80]}, not the active model",
        "Change that with `recam flow push`.",
    )
