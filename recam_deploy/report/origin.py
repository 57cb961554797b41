"""Render the report's last section: the origin of the cvimodel, from its manifest."""

from __future__ import annotations

from typing import Any

from .subject import Subject
from .text import counted, escaped, sizes


def origin(subject: Subject) -> str:
    """Render files, hashes, tools and the compiler's command lines.

    A manifest may hold anything: values of an unexpected type are left out.
    """
    artifact, network = subject.artifact, subject.network
    facts = [
        ("cvimodel", artifact.cvimodel.name),
        ("sha256", artifact.sha256),
        ("manifest", artifact.manifest.name if artifact.manifest else "none"),
        ("float model", network.path.name),
        ("sha256", network.sha256),
        ("ONNX", f"IR {network.ir_version}, opset {network.opset}"),
        ("input", sizes((1, 3, network.input.height, network.input.width))),
        ("classes", _classes(network.labels)),
    ]
    provenance = artifact.provenance
    sources = provenance.get("sources")
    calibration = sources.get("calibration") if isinstance(sources, dict) else None
    if isinstance(calibration, list):
        facts.append(("calibrated on", counted(len(calibration), "picture")))
    tools = provenance.get("tools")
    if isinstance(tools, dict):
        facts.append(("made with", ", ".join(f"{tool} {tools[tool]}" for tool in tools)))
    listed = "".join(f"<dt>{what}</dt><dd>{escaped(value)}</dd>" for what, value in facts if value)
    return (
        '<section><h2>Where it comes from</h2><div class="card"><dl>'
        f"{listed}</dl></div>{_commands(provenance.get('commands'))}</section>"
    )


def _classes(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels[:20])
    return f"{shown} and {len(labels) - 20} more" if len(labels) > 20 else shown


def _commands(commands: Any) -> str:
    if not isinstance(commands, list) or not commands:
        return ""
    lines = "".join(f"<pre>{escaped(str(command))}</pre>" for command in commands)
    return f'<h3 class="spaced">Command lines of the compiler</h3><div class="card">{lines}</div>'
