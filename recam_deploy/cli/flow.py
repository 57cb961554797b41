"""`recam flow`: the flows of the camera's Node-RED, shown, saved, changed and put back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .boundary import FAILED, bounded
from .flow_options import (
    BackupName,
    FlowFile,
    HttpUrl,
    IouThreshold,
    Line,
    ModelArtifact,
    MqttTopic,
    NoderedToken,
    NoderedUser,
    ScoreThreshold,
    SendTo,
    Template,
    Yes,
)
from .options import AcceptHostKey, AsJson, DryRun, Host, Key, Labels, Port, User

if TYPE_CHECKING:
    from ..console import Terminal
    from ..flows.client import NodeRed
    from ..flows.push import Pushed, Target
    from ..settings import Settings
    from .flow_actions import Connections, FlowChoice

app = typer.Typer(
    no_args_is_help=True,
    help="Show, save, change and put back the flows of the camera's Node-RED.",
)


@app.command()
@bounded
def show(
    host: Host = None,
    nodered_user: NoderedUser = None,
    nodered_token: NoderedToken = False,
    as_json: AsJson = False,
) -> None:
    """Show what runs in the camera's Node-RED: its tabs, with the nodes on each.

    With --json: the whole document, {"rev", "flows"}.
    """
    from ..console import Terminal
    from ..flows.document import described
    from .flow_actions import node_red

    terminal = Terminal(as_json=as_json)
    with node_red(_settings(host, nodered_user), terminal, ask_token=nodered_token) as client:
        document = client.read()
    lines = []
    for home in [n for n in document.nodes if n["type"] in ("tab", "subflow")]:
        inside = [node for node in document.nodes if node.get("z") == home["id"]]
        lines.append(f"{described(home)}: {len(inside)} nodes")
        ours = ("camera", "model", "preview", "stream", "save")
        lines += [f"    {described(node)}" for node in inside if node["type"] in ours]
    lines.append(f"{len(document.nodes)} nodes in all, revision {document.rev[:12]}")
    terminal.result(document.as_json(), lines)


@app.command()
@bounded
def pull(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The file to write; the editor can import it."),
    ] = Path("flows.json"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    host: Host = None,
    nodered_user: NoderedUser = None,
    nodered_token: NoderedToken = False,
    as_json: AsJson = False,
) -> None:
    """Save the camera's flows in a file."""
    from ..console import Terminal
    from ..errors import InputError
    from ..files import write_atomically
    from ..flows.backups import content
    from .flow_actions import node_red

    terminal = Terminal(as_json=as_json)
    if output.exists() and not force:
        raise InputError(f"{output} is there already", "Choose another name, or add --force.")
    if not output.absolute().parent.is_dir():
        raise InputError(f"the folder {output.parent} does not exist", "Make it first.")
    with node_red(_settings(host, nodered_user), terminal, ask_token=nodered_token) as client:
        document = client.read()
    write_atomically(output, content(document), 0o600)
    terminal.result(
        {"path": str(output), "rev": document.rev, "nodes": len(document.nodes)},
        [f"{output}: {len(document.nodes)} nodes"],
    )


@app.command()
@bounded
def diff(
    template: Template = None,
    flow: FlowFile = None,
    backup: Annotated[
        str | None,
        typer.Option(help="Compare with this backup instead: what `restore` would change."),
    ] = None,
    model: ModelArtifact = None,
    labels: Labels = None,
    tscore: ScoreThreshold = None,
    tiou: IouThreshold = None,
    line: Line = None,
    to: SendTo = None,
    mqtt_topic: MqttTopic = None,
    http_url: HttpUrl = None,
    host: Host = None,
    port: Port = None,
    user: User = None,
    key: Key = None,
    accept_host_key: AcceptHostKey = False,
    nodered_user: NoderedUser = None,
    nodered_token: NoderedToken = False,
    as_json: AsJson = False,
) -> None:
    """Show what a push (or, with --backup, a restore) would change; nothing is sent."""
    from ..console import Terminal
    from ..flows.backups import Backups
    from .flow_actions import Connections, node_red

    terminal = Terminal(as_json=as_json)
    settings = _settings(host, nodered_user, port, user, key)
    if backup is not None:
        camera = settings.camera
        _, kept = Backups(str(camera.host), camera.node_red_port).read(backup)
        with node_red(settings, terminal, ask_token=nodered_token) as client:
            _show_plan(terminal, client, lambda _: kept.nodes)
        return
    choice = _choice(template, flow, line, to, mqtt_topic, http_url)
    connections = Connections(settings, terminal, accept_host_key=accept_host_key)
    with connections, node_red(settings, terminal, ask_token=nodered_token) as client:
        target = _target(settings, connections, choice, model, labels, tscore, tiou)
        _show_plan(terminal, client, target)


@app.command("push")
@bounded
def push_flow(
    template: Template = None,
    flow: FlowFile = None,
    model: ModelArtifact = None,
    labels: Labels = None,
    tscore: ScoreThreshold = None,
    tiou: IouThreshold = None,
    line: Line = None,
    to: SendTo = None,
    mqtt_topic: MqttTopic = None,
    http_url: HttpUrl = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    host: Host = None,
    port: Port = None,
    user: User = None,
    key: Key = None,
    accept_host_key: AcceptHostKey = False,
    nodered_user: NoderedUser = None,
    nodered_token: NoderedToken = False,
    as_json: AsJson = False,
) -> None:
    """Add a flow to the camera's Node-RED and start it.

    The camera and model nodes that are there are used, and only the fields that must change are
    changed; all else stays. The flows before are kept: `recam flow restore` puts them back. Where
    nothing is to change, the flows are restarted, so that a new model is loaded.

    Example: recam flow push --template detections --to mqtt --host 192.168.42.1
    """
    from ..console import Terminal
    from .flow_actions import Connections, node_red, push_and_wait

    terminal = Terminal(as_json=as_json)
    settings = _settings(host, nodered_user, port, user, key)
    choice = _choice(template, flow, line, to, mqtt_topic, http_url)
    connections = Connections(settings, terminal, accept_host_key=accept_host_key)
    with connections, node_red(settings, terminal, ask_token=nodered_token) as client:
        target = _target(settings, connections, choice, model, labels, tscore, tiou)
        if dry_run:
            _show_plan(terminal, client, target, check=True)
            return
        pushed, source = push_and_wait(
            settings, terminal, client, target, connections, yes=yes, restart=True
        )
        if source:
            source.close()
    _print_pushed(terminal, pushed)


@app.command()
@bounded
def backups(host: Host = None, as_json: AsJson = False) -> None:
    """List the flows of this camera that are kept on this machine, the newest first."""
    from ..console import Terminal
    from ..flows.backups import Backups

    terminal = Terminal(as_json=as_json)
    camera = _settings(host, None).camera
    store = Backups(str(camera.host), camera.node_red_port)
    kept = store.all()
    if not kept:
        terminal.result({"folder": str(store.folder), "backups": []}, ["none are kept yet"])
        return
    terminal.table(
        "",
        ("backup", "kept at", "nodes"),
        [(one.name, one.written, str(one.nodes)) for one in kept],
    )
    terminal.result(
        {"folder": str(store.folder), "backups": [one.as_json() for one in kept]},
        [f"in {store.folder}"],
    )


@app.command()
@bounded
def restore(
    backup: BackupName = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    host: Host = None,
    port: Port = None,
    user: User = None,
    key: Key = None,
    accept_host_key: AcceptHostKey = False,
    nodered_user: NoderedUser = None,
    nodered_token: NoderedToken = False,
    as_json: AsJson = False,
) -> None:
    """Put back flows that were there before, exactly as they were.

    What is there now is kept first, so a second restore undoes the first.
    """
    from ..console import Terminal
    from ..flows.backups import Backups
    from .flow_actions import Connections, node_red, push_and_wait

    terminal = Terminal(as_json=as_json)
    settings = _settings(host, nodered_user, port, user, key)
    camera = settings.camera
    path, kept = Backups(str(camera.host), camera.node_red_port).read(backup)
    terminal.say(f"Restoring {path}")
    connections = Connections(settings, terminal, accept_host_key=accept_host_key)
    with connections, node_red(settings, terminal, ask_token=nodered_token) as client:
        if dry_run:
            _show_plan(terminal, client, lambda _: kept.nodes)
            return
        pushed, source = push_and_wait(
            settings,
            terminal,
            client,
            lambda _: kept.nodes,
            connections,
            yes=yes,
            restart=False,
            exact=True,
        )
        if source:
            source.close()
    _print_pushed(terminal, pushed, {"restored": str(path)})


def _settings(
    host: str | None,
    nodered_user: str | None,
    port: int | None = None,
    user: str | None = None,
    key: Path | None = None,
) -> Settings:
    from .login import camera_settings

    settings = camera_settings(host, port, user, key)
    return settings.with_flags(camera={"node_red_user": nodered_user})


def _choice(
    template: Template,
    flow: FlowFile,
    line: Line,
    to: SendTo,
    mqtt_topic: MqttTopic,
    http_url: HttpUrl,
) -> FlowChoice:
    """What is to be pushed, read and checked before anything is asked of the camera."""
    from ..errors import FlowError
    from ..flows.templates import Parameters
    from .flow_actions import FlowChoice

    if template and flow:
        raise FlowError("--template and --flow exclude each other", "Give one of them.")
    parameters = Parameters(
        line=line,
        send_to=tuple(sender.value for sender in to or ()),
        mqtt_topic=mqtt_topic,
        http_url=http_url,
    )
    choice = FlowChoice(template.value if template else "preview", flow, parameters)
    choice.check()
    return choice


def _target(
    settings: Settings,
    connections: Connections,
    choice: FlowChoice,
    model: ModelArtifact,
    labels: Labels,
    tscore: ScoreThreshold,
    tiou: IouThreshold,
) -> Target:
    from ..artifact import load_artifact
    from ..flows.merge import merge
    from ..network.labels import read_labels
    from .flow_actions import choose_model

    names = read_labels(labels) if labels else ()
    artifact = load_artifact(model, names) if model else None
    chosen = choose_model(settings, artifact, connections.remote, tscore, tiou)
    if names:
        chosen = dataclasses.replace(chosen, labels=names)
    addition = choice.addition(chosen)
    return lambda nodes: merge(nodes, addition)


def _show_plan(terminal: Terminal, client: NodeRed, target: Target, *, check: bool = False) -> None:
    from ..flows.push import plan_push, preflight
    from .flow_actions import plan_lines

    plan = plan_push(client.read(), target)
    if check:
        preflight(plan.nodes, client.facts())
    terminal.result(plan.changes.as_json(), plan_lines(plan))


def _print_pushed(terminal: Terminal, pushed: Pushed, more: dict[str, str] | None = None) -> None:
    lines = pushed_lines(pushed)
    if not pushed.nodes_ready:
        terminal.warn("the nodes are not up yet; look at the flow in Node-RED's editor")
    terminal.result({**pushed.as_json(), **(more or {})}, lines)
    if not pushed.nodes_ready:
        raise typer.Exit(FAILED)


def pushed_lines(pushed: Pushed) -> list[str]:
    """What was pushed, for people."""
    changes = pushed.changes
    if not changes:
        return [
            "the flow was there already"
            + ("; the flows were restarted" if pushed.restarted else "")
        ]
    return [
        f"the flows are pushed: {len(changes.changed)} nodes changed, {len(changes.added)} added, "
        f"{len(changes.removed)} removed",
        f"the flows before: {pushed.backup} (`recam flow restore` puts them back)",
    ]
