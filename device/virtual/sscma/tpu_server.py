"""The TPU simulator kept alive: one load of a model, any number of passes.

    python3 -I tpu_server.py MODEL.cvimodel

A process of its own, since the simulator blocks and a damaged model can make it abort.
Standard output carries first one line of JSON, the model as ``tpu_run.py --info`` tells
it, then for every input read from standard input (raw bytes of all input tensors) eight
bytes with the pass's milliseconds (little-endian double) and the raw bytes of all output
tensors. Standard error is the library's log. It ends when standard input does.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from pathlib import Path

if __name__ == "__main__":  # started with -I: the folder `device` is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from on_camera import tpu_run

MILLISECONDS = struct.Struct("<d")


def serve(path: Path) -> None:
    """Answer until standard input ends. Raises tpu_run.RunError."""
    sys.stdout.flush()
    # The library prints to descriptor 1 from C.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tpu_run.check_header(path, whole=False)
    model = tpu_run.Model(tpu_run.load_library(tpu_run.LIBRARY), path)
    description = {
        "inputs": [tpu_run.describe(tensor) for tensor in model.inputs],
        "outputs": [tpu_run.describe(tensor) for tensor in model.outputs],
    }
    answers.write(json.dumps(description).encode() + b"\n")
    answers.flush()
    while True:
        for tensor in model.inputs:
            data = sys.stdin.buffer.read(tensor.mem_size)
            if len(data) < tensor.mem_size:
                model.close()
                return
            ctypes.memmove(model.pointer(tensor), data, len(data))
        answers.write(MILLISECONDS.pack(model.forward()))
        for tensor in model.outputs:
            answers.write(ctypes.string_at(model.pointer(tensor), tensor.mem_size))
        answers.flush()


if __name__ == "__main__":
    try:
        serve(Path(sys.argv[1]))
    except (tpu_run.RunError, OSError) as error:
        sys.exit(f"tpu_server: {error}")
