"""Export trained weights to ONNX with the whole decoding in the graph.

Run `python -m training.export FAMILY WEIGHTS.pt MODEL.onnx`. The file has one input, `images`
[1,3,s,s] RGB 0..1, and the outputs of Ultralytics' exports of its family. So is its metadata.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import onnx
import torch

from .blocks import fold_normalisation
from .dataset import EXTREMES
from .decoding import Decoded
from .families import FAMILIES, POINT_VALUES, Family, Network

OPSET = 17
IR_VERSION = 8


def metadata(family: Family) -> dict[str, str]:
    """Return the file's metadata, by the keys that Ultralytics' exports carry."""
    entries = {
        "description": f"{family.title}, trained on generated pictures of shapes",
        "author": "recam-deploy",
        "license": "Apache-2.0",
        "version": "1.0.0",
        "task": family.task,
        "stride": "32",
        "batch": "1",
        "imgsz": str([family.size, family.size]),
        "names": str(dict(enumerate(family.classes))),
    }
    return entries | ({"kpt_shape": str([EXTREMES, POINT_VALUES])} if family.task == "pose" else {})


def export(family: Family, weights: Path, target: Path) -> None:
    """Write `target` from the weights saved by training, and check it."""
    network = Network(family)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.eval()
    fold_normalisation(network)
    outputs = ["output0", "output1"] if family.task == "segment" else ["output0"]
    with warnings.catch_warnings():
        # The shapes that tracing holds for constant are constant: the batch is one picture.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python")
        torch.onnx.export(
            Decoded(network).eval(),
            (torch.zeros(1, 3, family.size, family.size),),
            str(target),
            input_names=["images"],
            output_names=outputs,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(target)
    model.ir_version = IR_VERSION
    onnx.helper.set_model_props(model, metadata(family))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def main() -> None:
    """Export and print the file's size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("weights", type=Path)
    parser.add_argument("onnx", type=Path)
    options = parser.parse_args()
    export(FAMILIES[options.family], options.weights, options.onnx)
    print(f"{options.onnx}: {options.onnx.stat().st_size} bytes")


if __name__ == "__main__":
    main()
