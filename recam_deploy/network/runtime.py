"""Load and run float models in onnxruntime, and explain its failures.

Only this module imports onnxruntime.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

# Newer releases store usage data in the user's cache folder and send it, unless this is set before
# they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from ..errors import InputError

Array: TypeAlias = npt.NDArray[np.float32]

_FATAL_ONLY = 4


class Runtime:
    """A model loaded by onnxruntime, which several threads may run at once."""

    def __init__(
        self,
        model: Path | bytes,
        threads: int = 0,
        *,
        as_written: bool = False,
        lean: bool = False,
    ) -> None:
        """Load an ONNX file or a serialized model; `threads` share one run, 0 means all cores.

        With `as_written`, onnxruntime neither fuses nor removes operators, which would remove
        roundings, and runs in the calling thread alone. With `lean`, it frees the memory of each
        tensor after its last use: a third less for a network with many outputs, at the same speed.

        Raises InputError when onnxruntime cannot load the model.
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
        except Exception as error:  # They have no common base class, and none is documented.
            name = source if isinstance(source, str) else "the model"
            raise InputError(
                f"onnxruntime cannot load {name}: {_last_line(error)}",
                "Export it again, with opset=17.",
            ) from error
        self.inputs: tuple[str, ...] = tuple(value.name for value in self._session.get_inputs())

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> list[Array]:
        """Return the outputs, in the model's order, for `inputs` by name.

        Raises InputError when onnxruntime fails.
        """
        try:
            outputs: list[Array] = self._session.run(None, dict(inputs))
        except Exception as error:
            raise InputError(
                f"onnxruntime cannot run the model: {_last_line(error)}",
                "Run the model in onnxruntime alone to see why, and export it again.",
            ) from error
        return outputs


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
