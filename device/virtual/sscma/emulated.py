"""A cvimodel's network as an ONNX file that computes the same numbers, many times faster.

``recam convert`` makes it, and proves it on one picture in the simulator. Its folder of finished
steps holds ``emulate-*/<sha256 of the cvimodel>.onnx``; beside it ``proof.json`` has the largest
difference as a share of the output's largest value, ``step.json`` the files' hashes. It takes a
picture, uint8 in the shape of the cvimodel's input, and gives the outputs in the cvimodel's order
and types.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import EngineError, Run
from .input_image import ROW_ALIGNMENT
from .tensors import DTYPES, Model, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

log = logging.getLogger("virtual")

# A sum of BF16 values in another order may round to another value, some steps of 2**-8 away. recam
# takes a proof for one up to here too.
_CLOSE = 2.0**-6
_MOST_THREADS = 4
_FATAL_ONLY = 4


class NotEmulatedError(Exception):
    """The file cannot stand for the model, which the simulator then runs."""


@dataclass(frozen=True)
class EmulatedNetwork:
    """The network of ``model`` in onnxruntime, in this process. One pass runs at a time."""

    model: Model
    _session: Any

    def run(self, data: bytes) -> Run:
        """Run one inference on the bytes of the first input. Raises EngineError."""
        try:
            picture = dense_picture(self.model.inputs[0], data)
            began = time.perf_counter()
            found = self._compute(picture)
            milliseconds = (time.perf_counter() - began) * 1000
            return Run(_in_shape(self.model, found), milliseconds)
        except NotEmulatedError as error:
            raise EngineError(str(error)) from error

    def _compute(self, picture: NDArray[np.uint8]) -> list[NDArray[Any]]:
        name = self._session.get_inputs()[0].name
        try:
            found: list[NDArray[Any]] = self._session.run(None, {name: picture})
        except Exception as error:  # they have no common base class
            raise NotEmulatedError(f"onnxruntime cannot run it: {error}") from error
        return found

    def check(self) -> None:
        """Run a black picture, which also warms it up. Raises NotEmulatedError."""
        size = self.model.inputs[0].size
        _in_shape(self.model, self._compute(dense_picture(self.model.inputs[0], bytes(size))))


def load_emulated(folder: Path | None, path: Path, model: Model) -> EmulatedNetwork | None:
    """Load the emulated network of a cvimodel from ``folder``; None where there is none to use.

    ``model`` is what the simulator says of the cvimodel in ``path``.
    """
    found = folder and find(folder, path)
    if not found:
        return None
    try:
        network = EmulatedNetwork(model, _session(found))
        network.check()
    except NotEmulatedError as error:
        log.warning("%s is run by the simulator: %s: %s", path.name, found, error)
        return None
    return network


def find(folder: Path, path: Path) -> Path | None:
    """Return the newest whole file whose proof holds for a cvimodel; None when there is none."""
    try:
        name = f"{_sha256(path)}.onnx"
        files = [file for file in folder.glob(f"emulate-*/{name}") if _is_proved(file)]
        return max(files, key=lambda file: file.stat().st_mtime, default=None)
    except OSError:  # removed at this moment
        return None


def _is_proved(file: Path) -> bool:
    proof = file.with_name("proof.json")
    try:
        digests = json.loads(file.with_name("step.json").read_bytes())["files"]
        if any(digests[each.name] != _sha256(each) for each in (file, proof)):
            return False
        return bool(json.loads(proof.read_bytes())["largest"] <= _CLOSE)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _session(path: Path) -> Any:
    """Load a file in onnxruntime. Raises NotEmulatedError.

    It leaves a core to the camera's servers, and its threads sleep between two passes. One thread
    is the caller's own.
    """
    # Newer releases store usage data in the user's cache folder and send it, unless this is set
    # before they are imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise NotEmulatedError(f"onnxruntime is missing: {error}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = max(1, min(_MOST_THREADS, len(os.sched_getaffinity(0)) - 1))
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # It gives the memory of one pass back before the next.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # they have no common base class
        raise NotEmulatedError(f"onnxruntime cannot load it: {error}") from error


def dense_picture(tensor: Tensor, data: bytes) -> NDArray[np.uint8]:
    """Take what the chip reads of an input's bytes, in the input's shape: no padding of rows.

    The bytes are read as the model was built, whatever was written there: of padded rows, in a
    model for dense ones, the padding is read too and the end is not. Raises NotEmulatedError for
    an input of another type or layout.
    """
    shape = tensor.shape
    if tensor.dtype != "uint8" or len(shape) != 4 or len(data) != tensor.size:
        raise NotEmulatedError(f"its input is {tensor.dtype} {shape} in {len(data)} bytes")
    row = shape[2] * shape[3] if shape[3] in (1, 3) else shape[3]
    rows = math.prod(shape) // row if row else 0
    stride = next((s for s in (row, row + -row % ROW_ALIGNMENT) if s * rows == len(data)), 0)
    if not stride:
        raise NotEmulatedError(f"its input of {shape} takes {len(data)} bytes")
    lines = np.frombuffer(data, np.uint8).reshape(rows, stride)
    return np.ascontiguousarray(lines[:, :row]).reshape(shape)


def _in_shape(model: Model, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the outputs in the cvimodel's shapes. Raises NotEmulatedError for other outputs."""
    found = [(array.dtype, array.size) for array in arrays]
    wanted = [(np.dtype(DTYPES[one.dtype]), math.prod(one.shape)) for one in model.outputs]
    if found != wanted:
        raise NotEmulatedError(f"its outputs are {found}, and the model's {wanted}")
    pairs = zip(arrays, model.outputs, strict=True)
    return [array.reshape(tensor.shape) for array, tensor in pairs]
