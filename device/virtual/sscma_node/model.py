"""The model node. Source: ``solutions/sscma-node/main/node/model.cpp``."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sscma import factory
from ..sscma.engine import EngineError
from ..sscma.families import DECODERS
from ..sscma.families.boxes import STANDARD, Thresholds
from ..sscma.letterbox import frame_bytes
from ..sscma.resident import ResidentModel, load
from ..sscma.results import Box, Result
from ..sscma.tensors import Model, UnsupportedTypeError
from .camera import CameraNode, camera_of
from .counter import Counter
from .events import OUTPUT_OF, View, label_of, target_of
from .messages import (
    Code,
    Json,
    Kind,
    NodeError,
    encode,
    flag,
    number,
    numbers,
    strings,
    text,
)
from .node import Node
from .tracker import Tracker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..pictures import Frame
    from ..sscma.engine import Run
    from .node import Surroundings

log = logging.getLogger("virtual")

DEFAULT_MODEL = "/userdata/Models/model.cvimodel"
PREVIEW_SIZE = (640, 640)
LARGEST_SIDE = 4096
CLASSIFIER_SCORE = 0.5
FRAME_SECONDS = 0.1  # at least, while pictures are sent along


def read_card(model: Path) -> Json:
    """The ``.json`` beside a model; None when there is none. Raises NodeError."""
    card = model.with_suffix(".json")
    try:
        return json.loads(card.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise NodeError(Code.INVALID, f"{card.name}: {error}") from error


class ModelNode(Node):
    """Runs the model on the camera's frames and sends what it finds."""

    kind = "model"
    singleton = True

    def __init__(self, id_: str, around: Surroundings) -> None:
        super().__init__(id_, around)
        self._model: ResidentModel | None = None
        self._labels: list[str] = []
        self._working: asyncio.Task[None] | None = None
        self._count = 0
        self._counter = Counter()
        self._tracker = Tracker()

    async def create(self, config: dict[str, Json]) -> None:
        uri = text(config, "uri", "") or DEFAULT_MODEL
        path = self.around.host_path(uri)
        if not os.access(path, os.R_OK) or path.is_dir():
            raise NodeError(Code.NO_ENTITY, f"Model file not found {uri}")
        card = read_card(path)
        if isinstance(card, dict) and isinstance(card.get("classes"), list):
            self._labels = strings(card["classes"])
        if not self._labels and config.get("labels"):
            self._labels = strings(config["labels"])
        try:
            self._model = await load(self.around.engine, path)
        except EngineError as error:
            raise NodeError(Code.INVALID, "Engine load failed") from error
        try:
            self._take(self._model.model, config)
            if self._websocket:
                await self.around.preview.open()
        except BaseException:
            await self._model.close()
            raise
        self.respond("create", card)

    def _take(self, model: Model, config: dict[str, Json]) -> None:
        """Everything of the settings that needs the model. Raises NodeError."""
        family = factory.choose(model)
        if family is None:
            raise NodeError(Code.NOT_SUPPORTED, "Model not supported")
        if family.name not in DECODERS:
            said = f"the virtual camera does not decode {family.name} models yet"
            raise NodeError(Code.NOT_SUPPORTED, said)
        self._decode = DECODERS[family.name]
        self._output = OUTPUT_OF[family.name]
        usual = CLASSIFIER_SCORE if self._output == "classes" else STANDARD.score
        self._thresholds = Thresholds(
            number(config, "tscore", usual), number(config, "tiou", STANDARD.iou)
        )
        self._sends_image = flag(config, "debug", False)
        self._websocket = config.get("websocket") is not False
        self._debug = self._websocket or self._sends_image
        self._trace = flag(config, "trace", False)
        self._counting = flag(config, "counting", False)
        if isinstance(config.get("splitter"), list):
            self._counter.split(numbers(config["splitter"]))
        self._preview_size = _preview_size(config.get("previewResolution"), model)

    async def start(self) -> None:
        if self.started:
            return
        camera = camera_of(self)
        if self._debug:
            camera.jpeg_size = self._preview_size
        self.started = True
        self.respond("enabled", self.enabled)
        self._working = asyncio.ensure_future(self._work(camera))

    async def stop(self) -> None:
        self.started = False
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait({self._working})
            self._working = None

    async def destroy(self) -> None:
        await self.stop()
        if self._model is not None:
            await self._model.close()
            self._model = None
        await self.around.preview.close()

    async def control(self, name: str, data: Json) -> None:
        if name != "config" or not isinstance(data, dict):
            await super().control(name, data)
            return
        # Only numbers with a fraction are taken: 1 is not, 1.5 is.
        score, iou = data.get("tscore"), data.get("tiou")
        self._thresholds = Thresholds(
            score if isinstance(score, float) else self._thresholds.score,
            iou if isinstance(iou, float) else self._thresholds.iou,
        )
        # Whether pictures are sent over MQTT stays as it was when the node was created.
        if isinstance(data.get("debug"), bool):
            self._debug = data["debug"]
        if isinstance(data.get("trace"), bool):
            self._trace = data["trace"]
            self._tracker.clear()
        if isinstance(data.get("counting"), bool):
            self._counting = data["counting"]
            self._counter.clear()
        if isinstance(data.get("splitter"), list):
            self._counter.split(numbers(data["splitter"]))
        self.respond(name, data)

    async def _work(self, camera: CameraNode) -> None:
        last = -1
        while True:
            frame = await camera.next_frame(last)
            last = frame.number
            if not self.enabled:
                continue
            began = time.monotonic()
            try:
                await self._invoke(frame, camera.jpeg_size)
            except EngineError as error:
                log.warning("the model of node %s: %s", self.id, error)
                self.respond("invoke", f"{error}; see simulator.log", Code.IO)
                return
            if self._debug:
                await asyncio.sleep(max(0.0, FRAME_SECONDS - (time.monotonic() - began)))

    async def _invoke(self, frame: Frame, jpeg_size: tuple[int, int]) -> None:
        """One frame through the model, and the event about it. Raises EngineError."""
        if self._model is None:
            raise EngineError("the model is gone")
        model = self._model.model
        debug = self._debug
        began = time.monotonic()
        pixels, data = await asyncio.to_thread(_prepare, model, frame)
        prepared = time.monotonic()
        run = await self._model.run(data)
        ran = time.monotonic()
        results = await asyncio.to_thread(self._results, model, run)
        perf = [_ms(prepared - began), int(run.milliseconds), _ms(time.monotonic() - ran)]

        size = jpeg_size if debug else (pixels.shape[1], pixels.shape[0])
        self._count += 1
        event: dict[str, Json] = {"count": self._count, "resolution": list(size), "perf": [perf]}
        event |= await asyncio.to_thread(self._finds, View(*size), results)
        image = ""
        if debug:
            jpeg = await asyncio.to_thread(frame.jpeg, *size)
            image = base64.b64encode(jpeg).decode("ascii")
        message = encode(Kind.EVENT, "invoke", event | {"image": image})
        if self._websocket:
            self.around.preview.send(message)
        if not self._sends_image and image:
            message = encode(Kind.EVENT, "invoke", event | {"image": ""})
        self.around.publish(self.id, message)

    def _results(self, model: Model, run: Run) -> list[Result]:
        try:
            found = self._decode(model, run.arrays, self.around.mended, self._thresholds)
        except UnsupportedTypeError:
            return []
        return list(found)

    def _finds(self, view: View, results: list[Result]) -> dict[str, Json]:
        """The results, their labels, and what tracking and counting say of them."""
        more: dict[str, Json] = {}
        if self._output == "boxes" and self._trace:
            tracks = self._tracker.update([r for r in results if isinstance(r, Box)])
            more["tracks"] = [track for track, _ in tracks]
            results = [box for _, box in tracks]
            if self._counting:
                for track, box in tracks:
                    self._counter.update(track, int(box.x * 100), int(box.y * 100))
                if not tracks:
                    self._counter.update(None, 0, 0)
        if self._output == "boxes" and self._counting:
            more["counts"] = self._counter.counts()
            more["lines"] = [self._counter.splitter]
        return {
            self._output: [view.result(result) for result in results],
            "labels": [label_of(target_of(result), self._labels) for result in results],
            **more,
        }


def _prepare(model: Model, frame: Frame) -> tuple[NDArray[Any], bytes]:
    """The model's view of a frame, and the bytes that the camera's scaler puts into the input:
    unlike ``sscma-model`` it takes nothing off for a signed one."""
    pixels = frame.fitted(model.width, model.height)
    return pixels, frame_bytes(model, pixels)


def _preview_size(resolution: Json, model: Model) -> tuple[int, int]:
    if resolution == "auto":
        return model.width, model.height
    if isinstance(resolution, str):
        width, cross, height = resolution.partition("x")
        if cross and _is_side(width) and _is_side(height):
            return int(width), int(height)
    return PREVIEW_SIZE


def _is_side(text_: str) -> bool:
    """A length in pixels that the camera's scaler can make."""
    return text_.isdecimal() and len(text_) <= 4 and 1 <= int(text_) <= LARGEST_SIDE


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
