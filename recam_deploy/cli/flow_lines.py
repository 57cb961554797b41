"""Format changes of flows for `recam flow` and `recam up`, and ask before a push."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import TYPE_CHECKING

from ..errors import FlowError
from ..flows.push import duplicates

if TYPE_CHECKING:
    from ..flows.push import PushPlan, PushResult
    from ..terminal import Terminal


def plan_lines(plan: PushPlan) -> list[str]:
    """List what a push would change."""
    if not plan.changes:
        return ["nothing to change: the flow is in place already"]
    repeated = duplicates(plan.document.nodes)
    notes = (
        [f"  ({len(repeated)} ids occur twice in these flows; they stay as they are)"]
        if repeated
        else []
    )
    lost = [f"! {one.line}" for one in plan.overwritten]
    return [*plan.changes.lines(), *lost, *notes]


def approval(terminal: Terminal, *, yes: bool) -> Callable[[PushPlan], None]:
    """Return a function that shows a plan and, unless `yes`, asks whether to push it.

    The function raises FlowError when the answer is no, or nobody can answer.
    """

    def approve(plan: PushPlan) -> None:
        if not plan.changes:
            return
        lines = ["changes to the flows of the camera's Node-RED:", *plan_lines(plan)]
        if terminal.as_json:
            for line in lines:
                terminal.say(line)
        else:
            terminal.result({}, lines)
        if yes:
            return
        if not terminal.may_ask:
            raise FlowError(
                "the flows on the camera would change, and nobody can confirm that",
                "Add --yes to change them, or --dry-run to see the changes.",
            )
        if not terminal.confirm("Change the flows on the camera like this?"):
            raise FlowError("the flows on the camera were not changed")

    return approve


def pushed_lines(pushed: PushResult) -> list[str]:
    """Summarize a push: the numbers of nodes, and the backup."""
    changes = pushed.changes
    if not changes:
        again = "; the flows were restarted" if pushed.restarted else ""
        return [f"the flow was in place already{again}"]
    kept = f"backup of the flows before: {pushed.backup} (`recam flow restore` puts it back)"
    if not pushed.before:
        kept = f"there were no flows before: the backup {pushed.backup} is empty"
    return [
        f"the flows are pushed: {_count(changes.changed)} changed, {len(changes.added)} added, "
        f"{len(changes.removed)} removed",
        kept,
    ]


def _count(nodes: Sized) -> str:
    return "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
