"""The model node with a simulator that only says what the model looks like."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from virtual.pictures import DEFAULT, Frame, Pictures
from virtual.sscma.engine import Engine, Run
from virtual.sscma.families import DECODERS
from virtual.sscma.results import Box
from virtual.sscma.tensors import Model, Tensor
from virtual.sscma_node import model as node_module
from virtual.sscma_node.factory import Nodes
from virtual.sscma_node.messages import Json
from virtual.sscma_node.node import Surroundings
from virtual.sscma_node.preview import Preview

SIDE = 64
CLASSIFIER = Tensor("out", (1, 3, 1, 1), "float32", 12)
CLASS_SCORES = np.array([0.3, 0.6, 0.1], np.float32).reshape(CLASSIFIER.shape)


@dataclass
class Loaded:
    """A model that answers every picture alike, and remembers what it was given."""

    model: Model
    answer: list[NDArray[np.float32]] = field(default_factory=lambda: [CLASS_SCORES])
    closed: bool = False
    given: list[bytes] = field(default_factory=list)

    async def run(self, data: bytes) -> Run:
        self.given.append(data)
        return Run(self.answer, 5.0)

    async def close(self) -> None:
        self.closed = True


def loaded(*outputs: Tensor, kind: str = "uint8", side: int = SIDE) -> Loaded:
    image = Tensor("in", (1, side, side, 3), kind, side * side * 3)
    return Loaded(Model((image,), outputs))


def detector(
    monkeypatch: pytest.MonkeyPatch, pictures: Sequence[Sequence[Box]], side: int = SIDE
) -> Loaded:
    """A YOLO11 of three classes in whose pictures these boxes are found, one after the other."""
    found = iter(pictures)
    monkeypatch.setitem(DECODERS, "YOLO11", lambda *_: next(found))
    grids = [side // stride for stride in (8, 16, 32)]
    maps = [(channels, grid) for grid in grids for channels in (64, 3)]
    shapes = [(1, channels, grid, grid) for channels, grid in maps]
    return loaded(*(Tensor("out", shape, "float32", 0) for shape in shapes), side=side)


@dataclass
class Service:
    """Nodes without a broker: ``sent`` is what they published."""

    nodes: Nodes
    sent: list[tuple[str, dict[str, Any]]]

    async def create(
        self,
        monkeypatch: pytest.MonkeyPatch,
        model: Loaded,
        dependencies: Json = None,
        **config: Any,
    ) -> None:
        """A model node named "m"; no websocket unless asked for. Raises NodeError."""

        async def load(_engine: Engine, _path: Path) -> Loaded:
            return model

        monkeypatch.setattr(node_module, "load", load)
        settings = {"websocket": False} | config
        data = {"type": "model", "config": settings, "dependencies": dependencies or []}
        await self.nodes.create("m", data)

    async def frame(self) -> dict[str, Any]:
        """The data of the event about one grey frame."""
        node = self.nodes.find("m")
        assert isinstance(node, node_module.ModelNode)
        grey = np.full((SIDE, SIDE, 3), 100, np.uint8)
        await node._invoke(Frame(1, grey), (SIDE, SIDE))
        data: dict[str, Any] = self.sent[-1][1]["data"]
        return data


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Service]:
    """Nodes whose files are all in one folder; the usual model is there, and empty."""
    sent: list[tuple[str, dict[str, Any]]] = []
    (folder / "model.cvimodel").touch()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        around = Surroundings(
            publish=lambda id_, message: sent.append((id_, json.loads(message))),
            host_path=lambda name: folder / (PurePosixPath(name).name or "none"),
            pictures=Pictures(DEFAULT, 1.0),
            engine=Engine("", folder / "log", folder),
            preview=Preview(bound),
            video=Preview(bound),
            mended=False,
        )
        yield Service(Nodes(around), sent)
