"""Run `recam flow`: show, save, change and restore the flows of the camera's Node-RED."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .error_handler import FAILED, bounded
from .options.camera import CameraFlags, NodeRedCommand, NodeRedFlags, PlaceFlags
from .options.common import AsJson, DryRun
from .options.effects import FLOW, refuse_useless
from .options.flow import BackupName, FlowCommand, FlowFlags, Yes
from .options.groups import grouped

if TYPE_CHECKING:
    from ..flows.client import NodeRed
    from ..flows.push import PushPlan, PushResult, Target
    from ..settings import Settings
    from ..terminal import Terminal
    from ..workflows.flows import LazyConnection

app = typer.Typer(
    no_args_is_help=True,
    help="Show, save, change and restore the flows of the camera's Node-RED.",
)


@app.command(cls=NodeRedCommand)
@bounded
@grouped
def show(camera: PlaceFlags, login: NodeRedFlags, as_json: AsJson = False) -> None:
    """Show the tabs of the camera's Node-RED, with the camera's own nodes on each.

    --json prints the whole document, {"rev", "flows"}.
    """
    from ..flows.document import CAMERA_TYPES, described
    from ..terminal import Terminal
    from ..workflows.flows import node_red

    terminal = Terminal(as_json=as_json)
    with node_red(camera.settings(login), terminal, ask_token=login.nodered_token) as client:
        document = client.read()
    lines = []
    for home in [n for n in document.nodes if n["type"] in ("tab", "subflow")]:
        inside = [node for node in document.nodes if node.get("z") == home["id"]]
        lines.append(f"{described(home)}: {len(inside)} nodes")
        shown = [n for n in inside if n["type"] in CAMERA_TYPES or n["type"] == "preview"]
        lines += [f"    {described(node)}" for node in shown]
    lines.append(f"{len(document.nodes)} nodes in all, revision {document.rev[:12]}")
    terminal.result(document.as_json(), lines)


@app.command(cls=NodeRedCommand)
@bounded
@grouped
def pull(
    camera: PlaceFlags,
    login: NodeRedFlags,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The file to write; the editor can import it."),
    ] = Path("flows.json"),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save the camera's flows to a file."""
    from ..errors import InputError
    from ..files import write_atomically
    from ..flows.backups import content
    from ..terminal import Terminal
    from ..workflows.flows import node_red

    terminal = Terminal(as_json=as_json)
    if output.exists() and not force:
        raise InputError(f"{output} exists already", "Choose another name, or add --force.")
    if not output.absolute().parent.is_dir():
        raise InputError(f"the folder {output.parent} does not exist", "Create it first.")
    with node_red(camera.settings(login), terminal, ask_token=login.nodered_token) as client:
        document = client.read()
    write_atomically(output, content(document), 0o600)
    terminal.result(
        {"path": str(output), "rev": document.rev, "nodes": len(document.nodes)},
        [f"{output}: {len(document.nodes)} nodes"],
    )


@app.command(cls=FlowCommand)
@bounded
@grouped
def diff(
    wanted: FlowFlags,
    camera: CameraFlags,
    login: NodeRedFlags,
    backup: Annotated[
        str | None,
        typer.Option(help="Compare with this backup: show what `restore` would change."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a push (or, with --backup, a restore) would change; nothing is sent."""
    from ..terminal import Terminal
    from ..workflows.flows import LazyConnection, choose_backup, node_red, plan_flow

    terminal = Terminal(as_json=as_json)
    settings = camera.settings(login)
    connection = LazyConnection(settings, terminal, accept_host_key=camera.accept_host_key)
    with connection, node_red(settings, terminal, ask_token=login.nodered_token) as client:
        if backup is None:
            plan = plan_flow(client, _target(settings, connection, client, wanted))
        else:
            _, kept = choose_backup(settings, backup)
            plan = plan_flow(client, lambda _: kept.nodes)
    _print_plan(terminal, plan)


@app.command("push", cls=FlowCommand)
@bounded
@grouped
def push_flow(
    wanted: FlowFlags,
    camera: CameraFlags,
    login: NodeRedFlags,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Add a flow to the camera's Node-RED and start it.

    Reuses the camera and model nodes that are there, changes only the fields that must change, and
    leaves all else alone. Keeps a backup of the flows: `recam flow restore` puts it back. Where
    nothing is to change, the flows are restarted, so that a new model is loaded.

    Example: recam flow push --template detections --to mqtt --host 192.168.42.1
    """
    from ..terminal import Terminal
    from ..workflows.flows import LazyConnection, node_red, plan_flow, push_and_wait
    from .flow_lines import approval

    terminal = Terminal(as_json=as_json)
    settings = camera.settings(login)
    connection = LazyConnection(settings, terminal, accept_host_key=camera.accept_host_key)
    with connection, node_red(settings, terminal, ask_token=login.nodered_token) as client:
        target = _target(settings, connection, client, wanted)
        if dry_run:
            _print_plan(terminal, plan_flow(client, target, check=True))
            return
        pushed = push_and_wait(
            settings,
            terminal,
            client,
            target,
            connection,
            approve=approval(terminal, yes=yes),
            restart=True,
        )
    _print_pushed(terminal, pushed)


@app.command()
@bounded
@grouped
def backups(camera: PlaceFlags, as_json: AsJson = False) -> None:
    """List the backups of this camera's flows on this machine, the newest first."""
    from ..flows.backups import Backups
    from ..terminal import Terminal

    terminal = Terminal(as_json=as_json)
    store = Backups.from_settings(camera.settings().camera)
    kept = store.all()
    if kept:
        rows = [(one.name, one.written, str(one.nodes)) for one in kept]
        terminal.table("", ("backup", "kept at", "nodes"), rows)
    terminal.result(
        {"folder": str(store.folder), "backups": [one.as_json() for one in kept]},
        [f"in {store.folder}" if kept else "there are no backups yet"],
    )


@app.command(cls=NodeRedCommand)
@bounded
@grouped
def restore(
    camera: CameraFlags,
    login: NodeRedFlags,
    backup: BackupName = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Restore flows from a backup, exactly as they were.

    The present flows are backed up first, so a second restore undoes the first. By default the
    newest backup with nodes is taken. Passwords in nodes are not in a backup: nodes that have lost
    theirs are named.
    """
    from ..terminal import Terminal
    from ..workflows.flows import (
        LazyConnection,
        choose_backup,
        missing_credentials,
        node_red,
        plan_flow,
        push_and_wait,
    )
    from .flow_lines import approval

    terminal = Terminal(as_json=as_json)
    settings = camera.settings(login)
    path, kept = choose_backup(settings, backup)
    terminal.say(f"Restoring {path}")
    connection = LazyConnection(settings, terminal, accept_host_key=camera.accept_host_key)
    with connection, node_red(settings, terminal, ask_token=login.nodered_token) as client:
        if dry_run:
            _print_plan(terminal, plan_flow(client, lambda _: kept.nodes))
            return
        pushed = push_and_wait(
            settings,
            terminal,
            client,
            lambda _: kept.nodes,
            connection,
            approve=approval(terminal, yes=yes),
            restart=False,
            exact=True,
        )
        lost = missing_credentials(client, kept, pushed)
    for one in lost:
        terminal.warn(one.line)
    missing = [one.as_json() for one in lost]
    _print_pushed(terminal, pushed, {"restored": str(path), "credentials_missing": missing})


def _target(
    settings: Settings, connection: LazyConnection, client: NodeRed, wanted: FlowFlags
) -> Target:
    """Read the template or file that the flags name, and merge it for the active model."""
    from ..artifact import load_artifact
    from ..class_names import read_labels
    from ..workflows.flows import wanted_flow

    choice = wanted.choice()
    refuse_useless(FLOW, {"model_node": choice.has_model_node})
    labels = read_labels(wanted.labels) if wanted.labels else ()
    return wanted_flow(
        settings,
        choice,
        connection,
        client,
        artifact=load_artifact(wanted.model, labels) if wanted.model else None,
        labels=labels,
        tscore=wanted.tscore,
        tiou=wanted.tiou,
    )


def _print_plan(terminal: Terminal, plan: PushPlan) -> None:
    from .flow_lines import plan_lines

    terminal.result(plan.as_json(), plan_lines(plan))


def _print_pushed(
    terminal: Terminal, pushed: PushResult, more: dict[str, Any] | None = None
) -> None:
    from .flow_lines import pushed_lines

    problem = pushed.problem
    wrong = {"error": problem.as_json()} if problem else {}
    terminal.result({**pushed.as_json(), **(more or {}), **wrong}, pushed_lines(pushed))
    if problem:
        if not terminal.as_json:
            terminal.error(problem)
        raise typer.Exit(FAILED)
