"""The only door to onnxruntime: loading and running float models, its failures told plainly."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

# Newer releases keep usage data in the user's cache folder and send it, unless told not to
# before they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from ..errors import InputError

Array: TypeAlias = npt.NDArray[np.float32]

_FATAL_ONLY = 4
# onnxruntime's exceptions have no base of their own.
_FAILURES = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NotImplemented,
    failures.RuntimeException,
)


class Runtime:
    """A model loaded by onnxruntime. It may be run from several threads at once."""

    def __init__(
        self,
        model: Path | bytes,
        threads: int = 0,
        *,
        as_written: bool = False,
        lean: bool = False,
    ) -> None:
        """Load an ONNX file or a serialized model; `threads` share one run, 0 means all cores.

        `as_written` keeps onnxruntime from joining or dropping operators, which roundings would not
        survive, and to the thread that calls it. A `lean` one gives memory back as soon as a tensor
        is done with: a third less for a network that is looked into, at no cost in time.

        Raises InputError when onnxruntime cannot run it.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        options.intra_op_num_threads = 1 if as_written else threads
        options.enable_cpu_mem_arena = options.enable_mem_pattern = not lean
        if as_written:
            level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.graph_optimization_level = level
        source = str(model) if isinstance(model, Path) else model
        try:
            self._session: Any = onnxruntime.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
        except _FAILURES as error:
            raise InputError(
                f"onnxruntime cannot load the model: {str(error).strip().splitlines()[-1]}",
                "Export it again, with opset=17.",
            ) from error
        self.inputs: tuple[str, ...] = tuple(value.name for value in self._session.get_inputs())

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs for the inputs by name.

        Raises InputError when the model cannot be computed.
        """
        try:
            outputs: list[Array] = self._session.run(None, dict(inputs))
        except _FAILURES as error:
            raise InputError(
                f"onnxruntime cannot run the model: {str(error).strip().splitlines()[-1]}",
                "Try the model in onnxruntime by itself, and export it again.",
            ) from error
        return outputs
