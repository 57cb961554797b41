"""Ways in which a camera can be set up wrongly, made on a virtual one and mended again.

Each is a context manager: within it the camera is broken, and what it gives are the variables of
the environment that go with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Variables = dict[str, str]
Breakage = Callable[["Patient"], AbstractContextManager[Variables]]

_CHIP_AT = 30  # magic 8, body size 4, version 2, md5 16


@dataclass(frozen=True)
class Patient:
    """A virtual camera: its folder, and what `virtual up` told of it."""

    folder: Path
    told: dict[str, Any]

    @property
    def models(self) -> Path:
        return self.folder / "root" / "userdata" / "Models"

    @property
    def programs(self) -> Path:
        return self.folder / "root" / "usr" / "bin"

    def node_red(self, method: str, path: str, document: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the virtual camera's own address
            self.told["node_red_url"] + path,
            method=method,
            data=None if document is None else json.dumps(document).encode(),
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "Node-RED-API-Version": "v2",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            return json.loads(reply.read() or b"null")


@contextlib.contextmanager
def replaced(path: Path, data: bytes | None) -> Iterator[Variables]:
    """A file with other content, or none."""
    before = path.read_bytes() if path.exists() else None
    mode = path.stat().st_mode if path.exists() else 0o755
    try:
        _put(path, data, mode)
        yield {}
    finally:
        _put(path, before, mode)


def _put(path: Path, data: bytes | None, mode: int) -> None:
    path.unlink(missing_ok=True)
    if data is not None:
        path.write_bytes(data)
        path.chmod(mode)


@contextlib.contextmanager
def variables(**values: str) -> Iterator[Variables]:
    yield values


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def wrong_chip(patient: Patient) -> AbstractContextManager[Variables]:
    model = patient.models / "model.cvimodel"
    data = bytearray(model.read_bytes())
    data[_CHIP_AT : _CHIP_AT + 16] = b"cv186x".ljust(16, b"\0")
    return replaced(model, bytes(data))


def damaged_model(patient: Patient) -> AbstractContextManager[Variables]:
    model = patient.models / "model.cvimodel"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    return replaced(model, bytes(data))


def no_model(patient: Patient) -> AbstractContextManager[Variables]:
    return replaced(patient.models / "model.cvimodel", None)


def changed_info(change: Callable[[dict[str, Any]], None]) -> Breakage:
    def breakage(patient: Patient) -> AbstractContextManager[Variables]:
        info = patient.models / "model.json"
        document = json.loads(info.read_text(encoding="utf-8"))
        change(document)
        return replaced(info, json.dumps(document).encode())

    return breakage


def no_info(patient: Patient) -> AbstractContextManager[Variables]:
    return replaced(patient.models / "model.json", None)


def no_runner(patient: Patient) -> AbstractContextManager[Variables]:
    return replaced(patient.folder / "root" / "home" / "recamera" / "sscma-model", None)


def program(name: str, script: str) -> Breakage:
    """A program of the camera's that behaves otherwise."""

    def breakage(patient: Patient) -> AbstractContextManager[Variables]:
        return replaced(patient.programs / name, f"#!/bin/sh\n{script}\n".encode())

    return breakage


def setting(**values: str) -> Breakage:
    """Settings that do not fit the camera."""
    return lambda _: variables(**values)


def closed(*names: str) -> Breakage:
    """Services that do not listen, by the variables of their ports."""
    return lambda _: variables(**{name: closed_port() for name in names})


def known_hosts(text: Callable[[Patient], str]) -> Breakage:
    """Another file of known hosts."""

    @contextlib.contextmanager
    def breakage(patient: Patient) -> Iterator[Variables]:
        path = patient.folder / "other_known_hosts"
        path.write_text(text(patient), encoding="utf-8")
        yield {"RECAM_KNOWN_HOSTS": str(path)}
        path.unlink()

    return breakage


def another_key(patient: Patient) -> str:
    """The camera's line with a key in it that is not the camera's."""
    place, kind, key = (patient.folder / "known_hosts").read_text().split()[:3]
    other = key[:-8] + ("AAAAAAAA" if not key.endswith("AAAAAAAA") else "BBBBBBBB")
    return f"{place} {kind} {other}\n"


@contextlib.contextmanager
def stopped_flows(patient: Patient) -> Iterator[Variables]:
    patient.node_red("POST", "/flows/state", {"state": "stop"})
    try:
        yield {}
    finally:
        patient.node_red("POST", "/flows/state", {"state": "start"})


def changed_flow(change: Callable[[list[dict[str, Any]]], None]) -> Breakage:
    @contextlib.contextmanager
    def breakage(patient: Patient) -> Iterator[Variables]:
        before = patient.node_red("GET", "/flows")["flows"]
        after = json.loads(json.dumps(before))
        change(after)
        patient.node_red("POST", "/flows", {"flows": after})
        try:
            yield {}
        finally:
            patient.node_red("POST", "/flows", {"flows": before})

    return breakage


def add_unknown_type(nodes: list[dict[str, Any]]) -> None:
    tab = next(node["id"] for node in nodes if node["type"] == "tab")
    nodes.append({"id": "f00d", "type": "no-such-type", "z": tab, "x": 1, "y": 1, "wires": []})


def name_a_zebra(nodes: list[dict[str, Any]]) -> None:
    model = next(node for node in nodes if node["type"] == "model")
    model["classes"] = "zebra,one,two,three,four"


def run_a_preset(nodes: list[dict[str, Any]]) -> None:
    model = next(node for node in nodes if node["type"] == "model")
    model["uri"] = "/usr/share/supervisor/models/other.cvimodel"


def tree(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file below a folder, with what would change if it were touched."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            status = path.lstat()
            found[str(path)] = (status.st_size, status.st_mtime_ns, status.st_mode)
    return found
