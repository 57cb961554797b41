"""Export trained weights to ONNX with the whole decoding in the graph.

Run `python -m training.export WEIGHTS.pt shapes.onnx`. The file has one input, `images`
[1,3,320,320] RGB 0..1, and one output, `output0` [1,4+classes,2100]: centre, width and height in
input pixels, then class scores. Metadata follows the keys Ultralytics' exports carry.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx
import onnxsim
import torch
from torch import Tensor, nn

from .dataset import INPUT_SIZE
from .network import BINS, Detector, anchor_centres, fold_normalisation
from .shapes import CLASSES

OPSET = 17
IR_VERSION = 8
METADATA = {
    "description": "Shapes detector with YOLO11's head layout, trained on generated pictures",
    "author": "recam-deploy",
    "license": "Apache-2.0",
    "version": "1.0.0",
    "task": "detect",
    "stride": "32",
    "batch": "1",
    "imgsz": str([INPUT_SIZE, INPUT_SIZE]),
    "names": str(dict(enumerate(CLASSES))),
}


class Distances(nn.Module):
    """Expected side distances of [n,64,N] bin logits, as a fixed 1x1 convolution: [n,4,N]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(BINS, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data[:] = torch.arange(BINS, dtype=torch.float32).view(1, BINS, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        bins = x.view(1, 4, BINS, -1).transpose(2, 1).softmax(1)
        result: Tensor = self.conv(bins)
        return result.view(1, 4, -1)


class DecodedDetector(nn.Module):
    """The detector followed by the decoding of boxes and scores, batch of one."""

    centres: Tensor
    strides: Tensor

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        self.distances = Distances()
        centres, strides = anchor_centres(INPUT_SIZE)
        self.register_buffer("centres", centres.T.unsqueeze(0).contiguous())
        self.register_buffer("strides", strides.T.unsqueeze(0).contiguous())

    def forward(self, images: Tensor) -> Tensor:
        channels = 4 * BINS + self.detector.classes
        maps = self.detector(images)
        flat = torch.cat([level.view(1, channels, -1) for level in maps], 2)
        bins, logits = torch.split(flat, [4 * BINS, self.detector.classes], 1)
        left_top, right_bottom = self.distances(bins).chunk(2, 1)
        low, high = self.centres - left_top, self.centres + right_bottom
        boxes = torch.cat(((low + high) / 2, high - low), 1) * self.strides
        return torch.cat((boxes, logits.sigmoid()), 1)


def export(weights: Path, target: Path) -> None:
    """Write `target` from the weights saved by training; the graph is simplified and checked."""
    detector = Detector()
    detector.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    detector.eval()
    fold_normalisation(detector)
    network = DecodedDetector(detector).eval()
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, INPUT_SIZE, INPUT_SIZE),),
        str(target),
        input_names=["images"],
        output_names=["output0"],
        opset_version=OPSET,
        dynamo=False,
    )
    model, same = onnxsim.simplify(onnx.load(target))
    if not same:
        raise SystemExit("the simplified graph does not compute what the network does")
    model.ir_version = IR_VERSION
    onnx.helper.set_model_props(model, METADATA)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def main() -> None:
    """Export and print the file's size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("onnx", type=Path)
    options = parser.parse_args()
    export(options.weights, options.onnx)
    print(f"{options.onnx}: {options.onnx.stat().st_size} bytes")


if __name__ == "__main__":
    main()
