"""Play the model node. Source: ``solutions/sscma-node/main/node/model.cpp``."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sscma import factory
from ..sscma.engine import EngineAbortedError, EngineError
from ..sscma.families import DECODERS
from ..sscma.families.boxes import STANDARD, Thresholds
from ..sscma.input_image import InputImage, frame_bytes, image_of
from ..sscma.resident import ResidentModel, load
from ..sscma.results import Box, Result
from ..sscma.tensors import Model, UnsupportedTypeError
from .camera import CameraNode, camera_of
from .counter import Counter, place_of
from .events import View, label_of, target_of
from .messages import Code, Json, Kind, NodeError, decode_first, encode
from .model_settings import (
    AUTO,
    ModelSettings,
    algorithm_of,
    card_of,
    labels_of,
    single,
    splitter_of,
    uri_of,
)
from .node import Node, ServiceEndedError
from .tracker import Tracker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..pictures import Frame
    from ..sscma.engine import Run
    from .node import Surroundings

log = logging.getLogger("virtual")

CLASSIFIER_SCORE = 0.5
FRAME_SECONDS = 0.1  # at least, while pictures are sent along
LARGEST_SIDE = 8192
"""Of a preview, for this machine's sake. The camera takes any size; its scaler's header says 2880 x
4096, and what comes of more is not known."""


def read_card(card: Path) -> Json:
    """Read the ``.json`` beside a model; None when there is none. Raises NodeError."""
    if not os.access(card, os.R_OK):
        return None
    try:
        return decode_first(card.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
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
        self._pictures_come = False
        self._counter = Counter()
        self._tracker = Tracker(around.track_numbers)

    async def create(self, config: dict[str, Json]) -> None:
        uri = uri_of(config)
        path = self.around.host_path(uri)
        if not os.access(path, os.R_OK) or path.is_dir():
            raise NodeError(Code.NO_ENTITY, f"Model file not found {uri}")
        card_uri = card_of(uri)
        card = read_card(self.around.host_path(card_uri)) if card_uri else None
        self._labels = labels_of(card, config)
        try:
            self._model = await load(self.around.engine, path)
        except EngineAbortedError as error:
            raise ServiceEndedError(str(error)) from error
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
        """Choose the decoder and read the settings that need it. Raises NodeError."""
        family = factory.choose(model, self.around.release, algorithm_of(config))
        if family is None:
            raise NodeError(Code.NOT_SUPPORTED, "Model not supported")
        self._decode = DECODERS[family.name]
        self._crashes = family.int8_asks_picture and model.outputs[0].dtype == "int8"
        self._image = image_of(model, family)
        self._output = family.output
        usual = CLASSIFIER_SCORE if self._output == "classes" else STANDARD.score
        settings = ModelSettings.read(config, Thresholds(usual, STANDARD.iou))
        self._thresholds = settings.thresholds
        self._sends_image = settings.debug
        self._websocket = settings.websocket
        self._debug = settings.websocket or settings.debug
        self._trace = settings.trace
        self._counting = settings.counting
        if settings.splitter is not None:
            self._counter.split(settings.splitter)
        self._preview_size = settings.preview_size

    async def start(self) -> None:
        if self.started:
            return
        camera = camera_of(self)
        self._pictures_come = self._debug and self._ask_for_pictures(camera)
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
        if name != "config":
            await super().control(name, data)
            return
        if isinstance(data, dict):
            self._change(data)
        self.respond(name, data)

    def _change(self, data: dict[str, Json]) -> None:
        """Change settings while the node runs; values of another type change nothing.

        Raises NodeError.
        """
        # Only numbers with a fraction are taken: 1 is not, 1.5 is.
        score, iou = data.get("tscore"), data.get("tiou")
        self._thresholds = Thresholds(
            single(score) if isinstance(score, float) else self._thresholds.score,
            single(iou) if isinstance(iou, float) else self._thresholds.iou,
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
        splitter = splitter_of(data)
        if splitter is not None:
            self._counter.split(splitter)

    def _ask_for_pictures(self, camera: CameraNode) -> bool:
        """Set the size of the camera's JPEGs; a side that is none stays as it was.

        Returns False when it is larger than can be made here.
        """
        if AUTO in self._preview_size:
            self._preview_size = self._image.width, self._image.height
        pairs = zip(self._preview_size, camera.jpeg_size, strict=True)
        width, height = (side if side > 0 else before for side, before in pairs)
        if max(width, height) > LARGEST_SIDE:
            log.warning("node %s: no pictures of %d x %d can be made", self.id, width, height)
            return False
        camera.jpeg_size = width, height
        return True

    async def _work(self, camera: CameraNode) -> None:
        last = -1
        while True:
            frame = await camera.next_frame(last)
            last = frame.number
            if self._debug and not self._pictures_come:
                continue  # it waits for pictures that it has not asked the camera for
            if not self.enabled:
                continue
            began = time.monotonic()
            try:
                await self._invoke(frame, camera.jpeg_size)
            except (EngineAbortedError, ServiceEndedError) as error:
                self.around.end_service(str(error))
                return
            except EngineError as error:
                log.warning("the model of node %s: %s", self.id, error)
                self.respond("invoke", f"{error}; see simulator.log", Code.IO)
                return
            if self._debug:
                await asyncio.sleep(max(0.0, FRAME_SECONDS - (time.monotonic() - began)))

    async def _invoke(self, frame: Frame, jpeg_size: tuple[int, int]) -> None:
        """Run one frame through the model, and send the event about it. Raises EngineError."""
        if self._model is None:
            raise EngineError("the model is gone")
        model = self._model.model
        debug = self._debug
        began = time.monotonic()
        pixels, data = await asyncio.to_thread(_prepare, model, self._image, frame)
        prepared = time.monotonic()
        run = await self._model.run(data)
        if self._crashes:
            raise ServiceEndedError("the decoder asked for the size of a picture that it has not")
        ran = time.monotonic()
        results = await asyncio.to_thread(self._results, model, run)
        perf = [_ms(prepared - began), int(run.milliseconds), _ms(time.monotonic() - ran)]

        size = jpeg_size if debug else (pixels.shape[1], pixels.shape[0])
        self._count += 1
        event: dict[str, Json] = {"count": self._count, "resolution": list(size), "perf": [perf]}
        side = _side(model, frame, jpeg_size) if debug else None
        view = View(size[0], size[1], side)
        event |= await asyncio.to_thread(self._finds, view, results)
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
        """Return the results, their labels, and what tracking and counting say of them."""
        more: dict[str, Json] = {}
        if self._output == "boxes" and self._trace:
            tracks = self._tracker.update([r for r in results if isinstance(r, Box)])
            more["tracks"] = [track for track, _ in tracks]
            results = [box for _, box in tracks]
            if self._counting:
                for track, box in tracks:
                    self._counter.update(track, *place_of(box))
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


def _prepare(model: Model, image: InputImage, frame: Frame) -> tuple[NDArray[Any], bytes]:
    """Return the model's view of a frame, and the bytes that the scaler puts into the input.

    Unlike ``sscma-model``, the camera's scaler takes nothing off for a signed one.
    """
    pixels = frame.fitted(image.width, image.height)
    return pixels, frame_bytes(model, image, pixels)


def _side(model: Model, frame: Frame, size: tuple[int, int]) -> int | None:
    """Return the square that the model saw, in a JPEG of this size.

    It is None where the camera's way fits.
    """
    side = frame.square_in(*size)
    return side if model.width == model.height and side != max(size) else None


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
