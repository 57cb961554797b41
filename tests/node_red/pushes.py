"""Pushing to a Node-RED as the commands do, and keeping what a command would show and keep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from node_red_runs import Runtime

from recam_deploy.flows.backups import Backups
from recam_deploy.flows.client import NodeRed
from recam_deploy.flows.document import FlowDocument, Node
from recam_deploy.flows.merge import merge
from recam_deploy.flows.push import PushPlan, PushResult, Target, push
from recam_deploy.flows.templates import Addition, ModelChoice, fill, load_template
from recam_deploy.progress import SilentProgress

SHAPES = ModelChoice(name="shapes", labels=("circle", "square"))


class Editor:
    """Keeps documents as a command would; may change the flows meanwhile, as another person."""

    def __init__(self, folder: Path, meanwhile: Callable[[int], None] = lambda _: None) -> None:
        self.backups = Backups("camera", 1880, folder)
        self.kept: list[FlowDocument] = []
        self.approved: list[PushPlan] = []
        self._meanwhile = meanwhile

    def keep(self, found: FlowDocument) -> Path:
        self.kept.append(found)
        path = self.backups.keep(found)
        self._meanwhile(len(self.kept))
        return path


def adding(template: str = "preview") -> Target:
    return merging(fill(template, load_template(template), SHAPES))


def merging(addition: Addition) -> Target:
    return lambda nodes: merge(nodes, addition)


def do_push(client: NodeRed, target: Target, editor: Editor, **options: Any) -> PushResult:
    return push(
        client,
        target,
        SilentProgress(),
        approve=editor.approved.append,
        keep=editor.keep,
        **options,
    )


def flows_of(runtime: Runtime) -> list[Node]:
    with runtime.client() as client:
        return list(client.read().nodes)
