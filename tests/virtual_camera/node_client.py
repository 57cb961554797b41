"""A client of the camera's nodes, as Node-RED is one."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiomqtt
import numpy as np
from numpy.typing import NDArray
from PIL import Image

TOPICS = "sscma/v0/recamera/node"
SECONDS = 30.0

CAMERA: dict[str, Any] = {"option": 0, "preview": False, "audio": 80}
MODEL: dict[str, Any] = {
    "uri": "",
    "tiou": 0.25,
    "tscore": 0.45,
    "trace": False,
    "debug": False,
    "counting": False,
    "splitter": [0, 0, 0, 0],
    "labels": [],
}


class NodeClient:
    """Sends requests and reads what comes from all nodes, in order."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._messages = aiter(client.messages)
        self.abandoned = False

    async def send(self, id_: str, name: str, data: Any) -> None:
        await self.send_raw(id_, json.dumps({"type": 3, "name": name, "data": data}).encode())

    async def send_raw(self, id_: str, payload: bytes) -> None:
        await self._client.publish(f"{TOPICS}/in/{id_}", payload)

    async def create(
        self,
        id_: str,
        kind: str,
        config: dict[str, Any],
        dependencies: tuple[str, ...] = (),
        dependents: tuple[str, ...] = (),
    ) -> None:
        data = {
            "type": kind,
            "config": config,
            "dependencies": list(dependencies),
            "dependents": list(dependents),
        }
        await self.send(id_, "create", data)

    async def receive(self) -> tuple[str, dict[str, Any]]:
        """The next message: the id of its node and what it says."""
        message = await asyncio.wait_for(anext(self._messages), SECONDS)
        assert isinstance(message.payload, bytes)
        return message.topic.value.rpartition("/")[2], json.loads(message.payload)

    async def until(self, wanted: Callable[[str, dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message for which ``wanted`` holds; those before it are dropped."""
        while True:
            id_, message = await self.receive()
            if wanted(id_, message):
                return message

    async def answer(self, id_: str, name: str) -> dict[str, Any]:
        """The first answer of that name from that node."""
        return await self.until(lambda i, m: (i, m["name"], m["type"]) == (id_, name, 0))

    async def event(self, id_: str, name: str = "invoke") -> dict[str, Any]:
        """The data of the node's next event."""
        message = await self.until(lambda i, m: (i, m["name"], m["type"]) == (id_, name, 1))
        assert message["code"] == 0
        data: dict[str, Any] = message["data"]
        return data

    def abandon(self) -> None:
        """The camera is gone, and nothing is left to be cleared."""
        self.abandoned = True

    async def clear(self) -> None:
        await self.send("", "clear", "")
        await self.answer("", "clear")

    async def preview_flow(self, **model: Any) -> dict[str, Any]:
        """Camera → model as Node-RED makes them; the model's answer to its creation."""
        await self.clear()
        await self.create("camera", "camera", CAMERA, dependents=("model",))
        await self.create("model", "model", MODEL | model, dependencies=("camera",))
        return await self.answer("model", "create")


@contextlib.asynccontextmanager
async def nodes(state: dict[str, Any]) -> AsyncIterator[NodeClient]:
    """A connected client; the camera has no nodes when it begins and ends."""
    async with contextlib.AsyncExitStack() as stack:
        client = aiomqtt.Client(state["host"], state["mqtt_port"], timeout=SECONDS)
        await stack.enter_async_context(client)
        await client.subscribe(f"{TOPICS}/out/+")
        connected = NodeClient(client)
        await connected.clear()
        yield connected
        if connected.abandoned:
            stack.pop_all()  # a farewell to nobody would wait for its time to run out
        else:
            await connected.clear()


def picture_of(data: dict[str, Any]) -> NDArray[np.uint8]:
    """The picture of an event, [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image"]))).convert("RGB"))
