"""Bringing the camera's flows from what they are to what they shall be, or not at all.

Every write carries the revision that was read, so that another editor's work is never overwritten
unseen: when that has changed, the flows are read and planned again. A document is kept before it
is replaced, and read back and compared after.
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
    ConnectionFailedError,
    FlowConflictError,
    InterruptedExchangeError,
    NodeRedError,
)
from ..progress import Progress
from .client import DeploymentType, NodeRed, NodeRedFacts, RevisionConflictError
from .diff import Changes, compare
from .document import CAMERA_TYPES, CONTAINERS, FlowDocument, Node, same

_RETRIES = 3
_STARTED_SECONDS = 10.0  # a Node-RED that answers may still be starting
_SETTLE_SECONDS = 3.0
_POLL_SECONDS = 0.25
_OLDEST = (1, 0)

Target = Callable[[Sequence[Node]], tuple[Node, ...]]
"""What the flows shall be, given what they are: a merge, or a kept document."""


@dataclass(frozen=True)
class PushPlan:
    """What a push would do to a document."""

    document: FlowDocument
    nodes: tuple[Node, ...]
    changes: Changes

    @property
    def kind(self) -> DeploymentType:
        """`nodes` leaves all running that is not changed. It does not suffice for nodes of the
        camera's service: those keep pointers to each other there, which are made and mended only
        when all of them are made anew (sscma-example-sg200x, solutions/sscma-node/main/node/
        node.cpp, `NodeFactory::create` and `destroy`)."""
        return "full" if self.changes.touches_camera else "nodes"


@dataclass(frozen=True)
class Pushed:
    """What was done: `nodes` are there now.

    `before` are the nodes that were replaced, kept in `backup`; both are None where none were.
    `restarted` says that the flows were started anew though they did not change.
    """

    rev: str
    nodes: tuple[Node, ...]
    changes: Changes
    before: tuple[Node, ...] | None = field(default=None, repr=False)
    backup: Path | None = None
    kind: DeploymentType | None = None
    restarted: bool = False
    nodes_ready: bool = False

    @property
    def camera_restarted(self) -> bool:
        """Whether the nodes of the camera's service were made anew."""
        return self.kind == "full" or self.restarted

    @property
    def problem(self) -> NodeRedError | None:
        """What is wrong though it was pushed: its nodes are not up."""
        if self.nodes_ready:
            return None
        return NodeRedError(
            "the flow is pushed, but its nodes are not up yet",
            "Look at it in the editor; `recam watch` shows its results when there are any.",
        )

    def as_json(self) -> dict[str, Any]:
        """As `flow push --json` shows it."""
        return {
            **self.changes.as_json(),
            "rev": self.rev,
            "backup": str(self.backup) if self.backup else None,
            "deployment_type": self.kind,
            "restarted": self.restarted,
            "nodes_ready": self.nodes_ready,
        }


def plan_push(document: FlowDocument, target: Target) -> PushPlan:
    """What has to change. Raises FlowError when the target cannot be joined with the document."""
    nodes = target(document.nodes)
    return PushPlan(document, nodes, compare(document.nodes, nodes))


def preflight(nodes: Sequence[Node], facts: NodeRedFacts) -> None:
    """Refuse what this Node-RED could not run: it starts no node at all while a type is missing.

    Raises NodeRedError.
    """
    numbers = re.match(r"(\d+)\.(\d+)", facts.version)
    if numbers and tuple(map(int, numbers.groups())) < _OLDEST:
        raise NodeRedError(
            f"the camera's Node-RED is version {facts.version}; recam needs 1.0 or newer",
            "Update the camera's firmware.",
        )
    missing = missing_types(nodes, facts.types)
    if not missing:
        return
    if CAMERA_TYPES & set(missing) or "preview" in missing:
        hint = "Install node-red-contrib-sscma there (the camera's firmware brings it), try again."
    else:
        hint = "Install them in Node-RED's editor (menu, Manage palette), or delete those nodes."
    raise NodeRedError(f"Node-RED on the camera lacks node types: {', '.join(missing)}", hint)


def missing_types(nodes: Sequence[Node], installed: frozenset[str]) -> list[str]:
    """The types that nodes have and Node-RED does not; subflows are types of their own."""
    subflows = {f"subflow:{node['id']}" for node in nodes if node["type"] == "subflow"}
    return sorted({node["type"] for node in nodes} - {*CONTAINERS} - subflows - installed)


def service_nodes(nodes: Sequence[Node]) -> set[str]:
    """The ids under which the camera's service knows the camera and model nodes that run.

    Those in subflows have ids made at run time, so they are not among them.
    """
    tabs = {node["id"] for node in nodes if node["type"] == "tab" and not node.get("disabled")}
    return {
        node["id"]
        for node in nodes
        if node["type"] in ("camera", "model") and not node.get("d") and node.get("z") in tabs
    }


def duplicates(nodes: Sequence[Node]) -> list[str]:
    """The ids that occur more than once."""
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
) -> Pushed:
    """Bring the flows to the target.

    `approve` is shown every plan before it is carried out, and raises when it is not to be; a plan
    with the same changes is shown once. `keep` stores a document before it is replaced. With
    `restart`, flows that need no change are started anew. With `exact`, the target is a document
    that was there before: node types that are missing now do not keep it from being put back.

    Raises FlowConflictError when others change the flows faster than we can, FlowError, or what
    `NodeRed` raises; the flows then are as they were, or wholly as planned, which the message says.
    """
    facts = None if exact else _facts_of_running(node_red, progress)
    document = node_red.read()
    approved, tried = b"", None
    for _ in range(1 + _RETRIES):
        plan = plan_push(document, target)
        if facts:
            preflight(plan.nodes, facts)
        if plan.changes.key != approved:
            approve(plan)
            approved = plan.changes.key
        if not plan.changes and tried:
            # A write whose answer was lost was done after all.
            return dataclasses.replace(tried, rev=document.rev, nodes=document.nodes)
        if not plan.changes:
            return _unchanged(node_red, plan, progress, restart=restart)
        backup = keep(document)
        with progress.step("Pushing the flow"):
            rev = _write(node_red, plan)
        pushed = Pushed(rev or "", plan.nodes, plan.changes, document.nodes, backup, plan.kind)
        if rev is None:
            progress.say("The flows may have changed meanwhile; looking at them again.")
            document, tried = node_red.read_when_back(), pushed
            continue
        _check(node_red.read_when_back(), plan, target, rev)
        return pushed
    raise FlowConflictError(
        f"the flows on the camera changed {1 + _RETRIES} times before they could be written",
        "Someone else is deploying there; nothing was overwritten. Try again later.",
    )


def _facts_of_running(node_red: NodeRed, progress: Progress) -> NodeRedFacts:
    """Raises NodeRedError when its flows are stopped: nothing of ours would run."""
    facts = node_red.facts()
    if not wait_until_up(node_red, progress, _STARTED_SECONDS):
        raise NodeRedError(
            "the flows of the camera's Node-RED are stopped",
            "Start them in the editor (the menu beside Deploy), and push again.",
        )
    return facts


def wait_until_up(node_red: NodeRed, progress: Progress, seconds: float = 60.0) -> bool:
    """Whether the flows run, after at most `seconds`. Where Node-RED does not tell, an answer is
    all that can be had."""
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


def _unchanged(node_red: NodeRed, plan: PushPlan, progress: Progress, *, restart: bool) -> Pushed:
    if restart:
        with progress.step("Restarting the flows"):
            node_red.restart()
    return Pushed(plan.document.rev, plan.nodes, plan.changes, restarted=restart)


def _write(node_red: NodeRed, plan: PushPlan) -> str | None:
    """The new revision; None when others were first, or it is to be tried again.

    When the connection is lost, what is there a little later tells whether the write was done.
    """
    try:
        return node_red.write(plan.nodes, plan.document.rev, plan.kind)
    except RevisionConflictError:
        return None
    except InterruptedExchangeError as error:
        try:
            there = _settled(node_red, plan)
        except ConnectionFailedError:
            raise InterruptedExchangeError(
                f"{error.message}; whether the flow was pushed cannot be told",
                "Run the command again once Node-RED answers: it looks at what is there first.",
            ) from error
        return there.rev if _equal(there.nodes, plan.nodes) else None


def _settled(node_red: NodeRed, plan: PushPlan) -> FlowDocument:
    """The flows after a write whose answer was lost: it may be under way for a while yet."""
    until = time.monotonic() + _SETTLE_SECONDS
    while True:
        there = node_red.read_when_back()
        if there.rev != plan.document.rev or time.monotonic() > until:
            return there
        time.sleep(_POLL_SECONDS)


def _check(there: FlowDocument, plan: PushPlan, target: Target, rev: str) -> None:
    """Whether what was written is there, or what others have made of it since has it still."""
    if _equal(there.nodes, plan.nodes):
        return
    if there.rev != rev and not compare(there.nodes, target(there.nodes)):
        return
    raise NodeRedError(
        "Node-RED took the flow, and now shows another one"
        + ("" if there.rev == rev else ": someone else has deployed since"),
        "Look at it in the editor; `recam flow restore` gives back the one before.",
    )


def _equal(there: Sequence[Node], sent: Sequence[Node]) -> bool:
    """Whether two lists of nodes are the same; Node-RED keeps credentials elsewhere."""
    bare = [
        [{key: node[key] for key in node if key != "credentials"} for node in nodes]
        for nodes in (there, sent)
    ]
    return same(bare[0], bare[1])
