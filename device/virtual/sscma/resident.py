"""A model that stays loaded: what ``sscma-node`` runs, where ``sscma-model`` loads anew."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .engine import EngineError, Run, check_end, die_with_parent
from .tensors import Model
from .tpu_server import MILLISECONDS

if TYPE_CHECKING:
    from .engine import Engine

SERVER = Path(__file__).with_name("tpu_server.py")
KEPT_ANSWERS = 16


@dataclass
class ResidentModel:
    """A loaded model and the process that holds it. One pass runs at a time.

    The simulator is exact, and a camera that shows a folder's pictures in turn asks it the same
    again and again: the last few answers are kept, and given after the time that they took, which
    spares the processor.
    """

    model: Model
    _process: asyncio.subprocess.Process
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
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise EngineError("the simulator has no pipes")
        async with self._turn:
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
        """End the process; a pass that runs is not waited for."""
        await _end(self._process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def load(engine: Engine, path: Path) -> ResidentModel:
    """Load a model in a process of its own. Raises EngineError."""
    with engine.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(SERVER), str(path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "LD_LIBRARY_PATH": engine.library_path},
            preexec_fn=die_with_parent,
        )
    try:
        line = await process.stdout.readline() if process.stdout else b""
        if not line:
            check_end(await process.wait())
            raise EngineError("the simulator ended before it had loaded the model")
        return ResidentModel(Model.from_json(json.loads(line)), process)
    except BaseException:
        await _end(process)
        raise
