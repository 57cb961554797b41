"""Export a TorchScript archive to ONNX."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from exporting import ExportRefusedError, add_size, arguments, noise, run, write_proof

_METADATA = ("task", "names", "stride", "imgsz")


def main() -> dict[str, str]:
    parser = arguments(str(__doc__))
    add_size(parser)
    options = parser.parse_args()
    # Its operators must be known before a network that uses them can be loaded.
    with contextlib.suppress(ImportError, RuntimeError):
        import torchvision  # noqa: F401
    extra = {"config.txt": ""}
    network = torch.jit.load(options.model, map_location="cpu", _extra_files=extra)
    config = json.loads(extra["config.txt"] or "{}")
    height, width = options.imgsz or size_in(config)
    picture = noise(height, width)
    network = network.float().eval()
    with torch.no_grad():
        try:
            computed = list(tensors(network(torch.from_numpy(picture))))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ExportRefusedError(
                f"the network does not run on a picture of {width}×{height}: {reason}",
                "Give the size that it was made for with --imgsz.",
            ) from error
        torch.onnx.export(
            network,
            (torch.from_numpy(picture),),
            options.output,
            opset_version=17,
            input_names=["images"],
            dynamo=False,
        )
    keep_metadata(options.output, config)
    write_proof(picture, [array.numpy() for array in computed])
    return {"torch": torch.__version__, "onnx": onnx.__version__}


def size_in(config: dict[str, Any]) -> tuple[int, int]:
    """Height and width as Ultralytics writes them beside its TorchScript."""
    size = config.get("imgsz")
    if isinstance(size, list) and len(size) == 2:
        return int(size[0]), int(size[1])
    raise ExportRefusedError(
        "the file does not say how large the network's input is",
        "Give it with --imgsz, for instance --imgsz 320, or --imgsz 240,320 (height, width).",
    )


def keep_metadata(path: Path, config: dict[str, Any]) -> None:
    """Task and class names go where Ultralytics' ONNX files have them."""
    model = onnx.load(path)
    names = config.get("names")
    if isinstance(names, dict):
        config["names"] = {int(number): name for number, name in names.items()}
    for key in _METADATA:
        if key in config:
            model.metadata_props.add(key=key, value=str(config[key]))
    onnx.save(model, path)


def tensors(value: Any) -> Iterator[Any]:
    """All tensors of nested tuples, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)
    else:
        raise ExportRefusedError(
            f"the network returns a {type(value).__name__}",
            "Let it return a tensor, or a tuple of tensors.",
        )


if __name__ == "__main__":
    run(main)
