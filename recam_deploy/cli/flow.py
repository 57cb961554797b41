"""`recam flow`: the flows of the camera's Node-RED, shown, saved, changed and put back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import FAILED, bounded
from .options.camera import CameraFlags, NodeRedCommand, NodeRedFlags, PlaceFlags
from .options.common import AsJson, DryRun
from .options.flow import BackupName, FlowFlags, Yes
from .options.groups import grouped

if TYPE_CHECKING:
    from ..flows.client import NodeRed
    from ..flows.push import Pushed, Target
    from ..settings import Settings
    from ..terminal import Terminal
    from .flow_actions import Connections

app = typer.Typer(
    no_args_is_help=True,
    help="Show, save, change and put back the flows of the camera's Node-RED.",
)


@app.command(cls=NodeRedCommand)
@bounded
@grouped
def show(camera: PlaceFlags, login: NodeRedFlags, as_json: AsJson = False) -> None:
    """Show what runs in the camera's Node-RED: its tabs, with the camera's own nodes on each.

    With --json: the whole document, {"rev", "flows"}.
    """
    from ..flows.document import CAMERA_TYPES, described
    from ..terminal import Terminal
    from .flow_actions import node_red

    terminal = Terminal(as_json=as_json)
    with node_red(login.over(camera.settings()), terminal, ask_token=login.nodered_token) as client:
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
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save the camera's flows in a file."""
    from ..errors import InputError
    from ..files import write_atomically
    from ..flows.backups import content
    from ..terminal import Terminal
    from .flow_actions import node_red

    terminal = Terminal(as_json=as_json)
    if output.exists() and not force:
        raise InputError(f"{output} is there already", "Choose another name, or add --force.")
    if not output.absolute().parent.is_dir():
        raise InputError(f"the folder {output.parent} does not exist", "Make it first.")
    with node_red(login.over(camera.settings()), terminal, ask_token=login.nodered_token) as client:
        document = client.read()
    write_atomically(output, content(document), 0o600)
    terminal.result(
        {"path": str(output), "rev": document.rev, "nodes": len(document.nodes)},
        [f"{output}: {len(document.nodes)} nodes"],
    )


@app.command(cls=NodeRedCommand)
@bounded
@grouped
def diff(
    wanted: FlowFlags,
    camera: CameraFlags,
    login: NodeRedFlags,
    backup: Annotated[
        str | None,
        typer.Option(help="Compare with this backup instead: what `restore` would change."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a push (or, with --backup, a restore) would change; nothing is sent."""
    from ..errors import FlowError
    from ..flows.backups import Backups
    from ..terminal import Terminal
    from .flow_actions import Connections, node_red

    if backup is not None and wanted != FlowFlags():
        raise FlowError(
            "--backup compares the backup alone", "Leave out what says what would be pushed."
        )
    terminal = Terminal(as_json=as_json)
    settings = login.over(camera.settings())
    connections = Connections(settings, terminal, accept_host_key=camera.accept_host_key)
    with connections, node_red(settings, terminal, ask_token=login.nodered_token) as client:
        if backup is None:
            _show_plan(terminal, client, _target(settings, connections, wanted))
        else:
            _, kept = Backups.from_settings(settings.camera).read(backup)
            _show_plan(terminal, client, lambda _: kept.nodes)


@app.command("push", cls=NodeRedCommand)
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

    The camera and model nodes that are there are used, and only the fields that must change are
    changed; all else stays. The flows before are kept: `recam flow restore` puts them back. Where
    nothing is to change, the flows are restarted, so that a new model is loaded.

    Example: recam flow push --template detections --to mqtt --host 192.168.42.1
    """
    from ..terminal import Terminal
    from .flow_actions import Connections, node_red, push_and_wait

    terminal = Terminal(as_json=as_json)
    settings = login.over(camera.settings())
    connections = Connections(settings, terminal, accept_host_key=camera.accept_host_key)
    with connections, node_red(settings, terminal, ask_token=login.nodered_token) as client:
        target = _target(settings, connections, wanted)
        if dry_run:
            _show_plan(terminal, client, target, check=True)
            return
        pushed = push_and_wait(
            settings, terminal, client, target, connections, yes=yes, restart=True
        )
    _print_pushed(terminal, pushed)


@app.command()
@bounded
@grouped
def backups(camera: PlaceFlags, as_json: AsJson = False) -> None:
    """List the flows of this camera that are kept on this machine, the newest first."""
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
        [f"in {store.folder}" if kept else "none are kept yet"],
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
    """Put back flows that were there before, exactly as they were.

    What is there now is kept first, so a second restore undoes the first.
    """
    from ..flows.backups import Backups
    from ..terminal import Terminal
    from .flow_actions import Connections, node_red, push_and_wait

    terminal = Terminal(as_json=as_json)
    settings = login.over(camera.settings())
    path, kept = Backups.from_settings(settings.camera).read(backup)
    terminal.say(f"Restoring {path}")
    connections = Connections(settings, terminal, accept_host_key=camera.accept_host_key)
    with connections, node_red(settings, terminal, ask_token=login.nodered_token) as client:
        if dry_run:
            _show_plan(terminal, client, lambda _: kept.nodes)
            return
        pushed = push_and_wait(
            settings,
            terminal,
            client,
            lambda _: kept.nodes,
            connections,
            yes=yes,
            restart=False,
            exact=True,
        )
    _print_pushed(terminal, pushed, {"restored": str(path)})


def _target(settings: Settings, connections: Connections, wanted: FlowFlags) -> Target:
    """The wanted flow, for the model that is in place on the camera."""
    from ..artifact import load_artifact
    from ..class_names import read_labels
    from ..flows.merge import merge
    from .flow_actions import choose_model

    choice = wanted.choice()
    names = read_labels(wanted.labels) if wanted.labels else ()
    artifact = load_artifact(wanted.model, names) if wanted.model else None
    model = choose_model(settings, artifact, connections.connection, wanted.tscore, wanted.tiou)
    if names:
        model = dataclasses.replace(model, labels=names)
    addition = choice.addition(model)
    return lambda nodes: merge(nodes, addition)


def _show_plan(terminal: Terminal, client: NodeRed, target: Target, *, check: bool = False) -> None:
    from ..flows.push import plan_push, preflight
    from .flow_actions import plan_lines

    plan = plan_push(client.read(), target)
    if check:
        preflight(plan.nodes, client.facts())
    terminal.result(plan.changes.as_json(), plan_lines(plan))


def _print_pushed(terminal: Terminal, pushed: Pushed, more: dict[str, str] | None = None) -> None:
    problem = pushed.problem
    wrong = {"error": problem.as_json()} if problem else {}
    terminal.result({**pushed.as_json(), **(more or {}), **wrong}, pushed_lines(pushed))
    if problem:
        if not terminal.as_json:
            terminal.error(problem)
        raise typer.Exit(FAILED)


def pushed_lines(pushed: Pushed) -> list[str]:
    """What was pushed, for people."""
    changes = pushed.changes
    if not changes:
        again = "; the flows were restarted" if pushed.restarted else ""
        return [f"the flow was there already{again}"]
    return [
        f"the flows are pushed: {_count(changes.changed)} changed, {len(changes.added)} added, "
        f"{len(changes.removed)} removed",
        f"the flows before: {pushed.backup} (`recam flow restore` puts them back)",
    ]


def _count(nodes: Sized) -> str:
    return "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
