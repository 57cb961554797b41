"""Push flows to Node-RED: plan, back up, write, read back and compare.

Each write names the revision that was read, so that another editor's changes are not overwritten:
when the revision has changed, the flows are read and planned again.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import (
    CameraError,
    ConnectionFailedError,
    FlowConflictError,
    InterruptedExchangeError,
    NodeRedError,
)
from ..progress import Progress
from .client import DeploymentType, NodeRed, NodeRedFacts, RevisionConflictError
from .credentials import with_credentials
from .diff import Changes, compare
from .document import FlowDocument, Node, same
from .missing import check_types
from .missing import missing_types as missing_types
from .target import MergeTarget, Overwritten

_RETRIES = 3
_STARTING_SECONDS = 10.0  # a Node-RED that answers may still be starting
_SETTLE_SECONDS = 3.0
_POLL_SECONDS = 0.25
_OLDEST = (1, 0)

Target = Callable[[Sequence[Node]], tuple[Node, ...]]
"""Computes the wanted flows from the present ones: a merge, or a backup."""


@dataclass(frozen=True)
class PushPlan:
    """The changes that a push makes to a document; `overwritten` are changes made on the camera."""

    document: FlowDocument
    nodes: tuple[Node, ...]
    changes: Changes
    overwritten: tuple[Overwritten, ...] = ()

    @property
    def kind(self) -> DeploymentType:
        """The deployment type: `nodes` restarts only changed nodes, `full` all.

        Nodes of the camera's service need `full`: they point to each other there, and the pointers
        are set only when all are created (sscma-example-sg200x, solutions/sscma-node/main/node/
        node.cpp, `NodeFactory::create` and `destroy`).
        """
        return "full" if self.changes.touches_camera else "nodes"

    def as_json(self) -> dict[str, Any]:
        """Return the document of `flow diff --json`."""
        overwritten = [one.as_json() for one in self.overwritten]
        return {**self.changes.as_json(), "overwritten": overwritten}


@dataclass(frozen=True)
class PushResult:
    """The result of a push: the present `nodes` and their revision.

    `before` are the replaced nodes, which are in the file `backup`; both are None where nothing
    changed. `overwritten` are changes made on the camera; `credentials_before` the ids of the
    nodes that had some. `restarted`: unchanged flows were restarted. `nodes_ready`: the flows run.
    """

    rev: str
    nodes: tuple[Node, ...]
    changes: Changes
    before: tuple[Node, ...] | None = field(default=None, repr=False)
    backup: Path | None = None
    kind: DeploymentType | None = None
    restarted: bool = False
    nodes_ready: bool = False
    overwritten: tuple[Overwritten, ...] = ()
    credentials_before: frozenset[str] | None = field(default=None, repr=False)

    @property
    def camera_restarted(self) -> bool:
        """Whether the nodes of the camera's service were created anew."""
        return self.kind == "full" or self.restarted

    @property
    def problem(self) -> NodeRedError | None:
        """The error for pushed flows that do not run yet; None when they run."""
        if self.nodes_ready:
            return None
        return NodeRedError(
            "the flow is pushed, but its nodes do not run yet",
            "Look at it in the editor. `recam watch` shows its results when there are any.",
        )

    def as_json(self) -> dict[str, Any]:
        """Return the document of `flow push --json`."""
        return {
            **self.changes.as_json(),
            "rev": self.rev,
            "backup": str(self.backup) if self.backup else None,
            "nodes_before": None if self.before is None else len(self.before),
            "deployment_type": self.kind,
            "restarted": self.restarted,
            "nodes_ready": self.nodes_ready,
            "overwritten": [one.as_json() for one in self.overwritten],
        }


def plan_push(document: FlowDocument, target: Target) -> PushPlan:
    """Compute the changes. Raises FlowError when the document does not allow the target."""
    nodes = target(document.nodes)
    changes = compare(document.nodes, nodes)
    overwritten: tuple[Overwritten, ...] = ()
    if isinstance(target, MergeTarget):
        overwritten = target.overwritten(document.nodes, changes)
    return PushPlan(document, nodes, changes, overwritten)


def preflight(nodes: Sequence[Node], facts: NodeRedFacts) -> None:
    """Raise NodeRedError when this Node-RED is too old, or lacks a type that the nodes need.

    Node-RED starts no node at all while a type is missing.
    """
    numbers = re.match(r"(\d+)\.(\d+)", facts.version)
    if numbers and tuple(map(int, numbers.groups())) < _OLDEST:
        raise NodeRedError(
            f"the camera's Node-RED is version {facts.version}; recam needs 1.0 or newer",
            "Update the camera's firmware.",
        )
    check_types(nodes, facts.types)


def service_nodes(nodes: Sequence[Node]) -> set[str]:
    """Return the ids of the camera and model nodes that run in the camera's service.

    Nodes in subflows are left out, for their ids are made at run time.
    """
    tabs = {node["id"] for node in nodes if node["type"] == "tab" and not node.get("disabled")}
    return {
        node["id"]
        for node in nodes
        if node["type"] in ("camera", "model") and not node.get("d") and node.get("z") in tabs
    }


def duplicates(nodes: Sequence[Node]) -> list[str]:
    """Return the ids that occur more than once."""
    return [node_id for node_id, count in Counter(n["id"] for n in nodes).items() if count > 1]


def push(
    node_red: NodeRed,
    target: Target,
    progress: Progress,
    *,
    approve: Callable[[PushPlan], None],
    keep: Callable[[FlowDocument], Path],
    restart: bool = False,
    exact: bool = False,
) -> PushResult:
    """Change the flows to the target.

    `approve` gets each plan before it is executed, and raises to refuse it; equal changes are
    passed once. `keep` backs up a document before it is replaced. With `restart`, unchanged flows
    are restarted. With `exact`, the target is a backup, which is pushed even when node types are
    missing or the flows are stopped.

    Raises FlowConflictError when the flows change again and again meanwhile, FlowError, or what
    `NodeRed` raises. The flows are then unchanged, or changed as planned; the message says which.
    """
    facts = None if exact else node_red.facts()
    document = node_red.read()
    unreadable = document.unreadable
    if unreadable:
        progress.say("Node-RED has no flows: its flows.json holds none that it can read.")
    elif facts:
        _check_running(node_red, progress)
    approved, uncertain = b"", None
    for _ in range(1 + _RETRIES):
        plan = plan_push(document, target)
        if facts:
            preflight(plan.nodes, facts)
        if (key := plan.changes.key) != approved:
            approve(plan)
            approved = key
        if not plan.changes and uncertain:
            # The write whose answer was lost has succeeded.
            pushed = dataclasses.replace(uncertain, rev=document.rev, nodes=document.nodes)
            return _recorded(node_red, target, pushed, progress)
        if not plan.changes:
            pushed = _unchanged(node_red, plan, progress, restart=restart)
            return _recorded(node_red, target, pushed, progress)
        had = with_credentials(document.nodes, node_red.credentials)
        backup = keep(dataclasses.replace(document, credentials=had))
        with progress.step("Pushing the flow"):
            rev = _write(node_red, plan)
            if unreadable and rev is not None:
                node_red.start()
        pushed = PushResult(
            rev or "",
            plan.nodes,
            plan.changes,
            document.nodes,
            backup,
            plan.kind,
            overwritten=plan.overwritten,
            credentials_before=had,
        )
        if rev is None:
            progress.say("The flows may have changed meanwhile; reading them again.")
            document, uncertain = node_red.read_when_back(), pushed
            continue
        _check(node_red.read_when_back(), plan, target, rev)
        return _recorded(node_red, target, pushed, progress)
    raise FlowConflictError(
        f"the flows on the camera changed {1 + _RETRIES} times before they could be written",
        "Someone else deploys there. Nothing was overwritten; run the command again later.",
    )


def _recorded(
    node_red: NodeRed, target: Target, pushed: PushResult, progress: Progress
) -> PushResult:
    """Record what was pushed in Node-RED's library; say so when that is not possible."""
    if isinstance(target, MergeTarget):
        before = pushed.nodes if pushed.before is None else pushed.before
        record = target.record_after(before, pushed.nodes)
        if record != target.record:
            try:
                node_red.record(record)
            except CameraError as error:
                progress.say(
                    f"What was pushed could not be recorded in Node-RED's library "
                    f"({error.message}). The next push cannot tell what was changed on the camera."
                )
    return pushed


def _check_running(node_red: NodeRed, progress: Progress) -> None:
    """Raise NodeRedError when Node-RED's flows are stopped."""
    if not wait_until_up(node_red, progress, _STARTING_SECONDS):
        raise NodeRedError(
            "the flows of the camera's Node-RED are stopped",
            "Start them in the editor (the menu beside Deploy), then push again.",
        )


def wait_until_up(node_red: NodeRed, progress: Progress, seconds: float = 60.0) -> bool:
    """Wait until the flows run; False after `seconds`.

    A Node-RED that does not report the state counts as running once it answers.
    """
    until = time.monotonic() + seconds
    with progress.step("Waiting for Node-RED to run its flows"):
        while time.monotonic() < until:
            try:
                runs = node_red.runs()
            except ConnectionFailedError:
                runs = False
            if runs is not False:
                return True
            time.sleep(_POLL_SECONDS)
    return False


def _unchanged(
    node_red: NodeRed, plan: PushPlan, progress: Progress, *, restart: bool
) -> PushResult:
    if restart:
        with progress.step("Restarting the flows"):
            node_red.restart()
    return PushResult(plan.document.rev, plan.nodes, plan.changes, restarted=restart)


def _write(node_red: NodeRed, plan: PushPlan) -> str | None:
    """Write the plan's nodes; return the new revision, None to read and plan again.

    When the connection is lost, read the flows again to see whether the write succeeded. Raises
    InterruptedExchangeError when that is not possible.
    """
    try:
        return node_red.write(plan.nodes, plan.document.rev, plan.kind)
    except RevisionConflictError:
        return None
    except InterruptedExchangeError as error:
        try:
            document = _settled(node_red, plan)
        except ConnectionFailedError:
            raise InterruptedExchangeError(
                f"{error.message}; whether the flow was pushed is not known",
                "Run the command again once Node-RED answers; it starts from the present flows.",
            ) from error
        return document.rev if _equal(document.nodes, plan.nodes) else None


def _settled(node_red: NodeRed, plan: PushPlan) -> FlowDocument:
    """Read the flows after a write whose answer was lost; wait a while for the write to end."""
    until = time.monotonic() + _SETTLE_SECONDS
    while True:
        document = node_red.read_when_back()
        if document.rev != plan.document.rev or time.monotonic() > until:
            return document
        time.sleep(_POLL_SECONDS)


def _check(document: FlowDocument, plan: PushPlan, target: Target, rev: str) -> None:
    """Raise NodeRedError unless the flows are the written ones, or still hold the target."""
    if _equal(document.nodes, plan.nodes):
        return
    if document.rev != rev and not compare(document.nodes, target(document.nodes)):
        return
    raise NodeRedError(
        "Node-RED accepted the flow, but now shows another one"
        + ("" if document.rev == rev else ": someone else has deployed since"),
        "Look at it in the editor. `recam flow restore` restores the one before.",
    )


def _equal(present: Sequence[Node], sent: Sequence[Node]) -> bool:
    """Return whether two lists of nodes are equal, without credentials.

    Node-RED stores credentials elsewhere.
    """
    bare = [
        [{key: node[key] for key in node if key != "credentials"} for node in nodes]
        for nodes in (present, sent)
    ]
    return same(bare[0], bare[1])
