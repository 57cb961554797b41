"""A model that stays loaded: what ``sscma-node`` runs, where ``sscma-model`` loads anew."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .emulated import EmulatedNetwork, load_emulated
from .engine import EngineError, Run, check_end, die_with_parent
from .tensors import Model
from .tpu_server import MILLISECONDS

if TYPE_CHECKING:
    from .engine import Engine

SERVER = Path(__file__).with_name("tpu_server.py")
KEPT_ANSWERS = 16

log = logging.getLogger("virtual")


class Tpu(Protocol):
    """What plays the TPU for one loaded model."""

    async def run(self, data: bytes) -> Run:
        """Run one inference on the bytes of the first input. Raises EngineError."""

    async def close(self) -> None:
        """Give everything back; a pass that runs is not waited for."""


@dataclass
class ResidentModel:
    """A loaded model and what runs it. One pass runs at a time.

    The simulator is exact, and a camera that shows a folder's pictures in turn asks it the same
    again and again: the last few answers are kept, and given after the time that they took, which
    spares the processor.
    """

    model: Model
    tpu: Tpu
    _kept: OrderedDict[bytes, Run] = field(default_factory=OrderedDict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, data: bytes) -> Run:
        """Run one inference on the bytes of the first input. Raises EngineError."""
        key = hashlib.sha256(data).digest()
        answer = self._kept.get(key)
        if answer:
            await asyncio.sleep(answer.milliseconds / 1000)
        else:
            answer = await self._run(data)
        self._kept[key] = answer
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_ANSWERS:
            self._kept.popitem(last=False)
        return answer

    async def _run(self, data: bytes) -> Run:
        # A pass begun is finished even if nobody waits for it any more: else its outputs
        # would be taken for those of the next one.
        passing = asyncio.ensure_future(self._pass(data))
        passing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(passing)

    async def _pass(self, data: bytes) -> Run:
        async with self._turn:
            return await self.tpu.run(data)

    async def close(self) -> None:
        """End it; a pass that runs is not waited for."""
        await self.tpu.close()


@dataclass
class Simulator:
    """The compiler's simulator, in a process of its own."""

    model: Model
    process: asyncio.subprocess.Process

    async def run(self, data: bytes) -> Run:
        process = self.process
        if process.stdin is None or process.stdout is None:
            raise EngineError("the simulator has no pipes")
        try:
            process.stdin.write(data)
            await process.stdin.drain()
            head = await process.stdout.readexactly(MILLISECONDS.size)
            arrays = [
                tensor.array(await process.stdout.readexactly(tensor.size))
                for tensor in self.model.outputs
            ]
        except (OSError, asyncio.IncompleteReadError) as error:
            check_end(await process.wait())
            raise EngineError("the simulator ended during a pass") from error
        (milliseconds,) = MILLISECONDS.unpack(head)
        return Run(arrays, milliseconds)

    async def close(self) -> None:
        await _end(self.process)


@dataclass
class Emulator:
    """The model's emulated network, in a thread of this process."""

    network: EmulatedNetwork

    async def run(self, data: bytes) -> Run:
        return await asyncio.to_thread(self.network.run, data)

    async def close(self) -> None:
        """Do nothing: its memory goes with the object."""


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def load(engine: Engine, path: Path) -> ResidentModel:
    """Load a model in the simulator, or its emulated network where there is one.

    The simulator describes the model in any case. Raises EngineError.
    """
    model, simulator = await _load_simulator(engine, path)
    try:
        network = await asyncio.to_thread(load_emulated, engine.emulated, path, model)
    except BaseException:
        await simulator.close()
        raise
    if network is None:
        return ResidentModel(model, simulator)
    await simulator.close()
    log.info("%s runs in onnxruntime, which was proved to give the simulator's results", path.name)
    return ResidentModel(model, Emulator(network))


async def _load_simulator(engine: Engine, path: Path) -> tuple[Model, Simulator]:
    with engine.log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(SERVER), str(path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            env={**os.environ, "LD_LIBRARY_PATH": engine.library_path},
            preexec_fn=die_with_parent,
        )
    try:
        line = await process.stdout.readline() if process.stdout else b""
        if not line:
            check_end(await process.wait())
            raise EngineError("the simulator ended before it had loaded the model")
        model = Model.from_json(json.loads(line))
        return model, Simulator(model, process)
    except BaseException:
        await _end(process)
        raise
