"""Translate a Caffe network to ONNX, in the compiler's own environment.

It has Caffe's message definitions, ONNX, and an OpenCV that still runs Caffe networks by code of
its own: that is what the translation is compared with. Caffe itself (the wheel's `_caffe.so`) needs
libraries of Ubuntu 22.04 that pip cannot bring.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import cv2
import onnx
from caffe_network import Translator
from exporting import ExportRefusedError, arguments, noise, run, write_proof
from google.protobuf import text_format
from google.protobuf.message import DecodeError

# The definitions by themselves: importing the packages around them would load Caffe.
_COMPILER = importlib.util.find_spec("tpu_mlir")
for _folder in (_COMPILER and _COMPILER.submodule_search_locations) or ():
    sys.path.append(str(Path(_folder, "python", "caffe", "proto")))
import caffe_pb2  # noqa: E402


def main() -> dict[str, str]:
    parser = arguments(str(__doc__))
    parser.add_argument("--weights", type=Path, required=True)
    options = parser.parse_args()
    network = read(options.model, options.weights)
    translator = Translator(network)
    model = translator.model()
    onnx.checker.check_model(model)
    onnx.save(model, options.output)
    prove(network, options.weights, translator)
    return {"opencv": cv2.__version__, "onnx": onnx.__version__}


def read(prototxt: Path, caffemodel: Path) -> Any:
    """The network of the .prototxt, each layer with its weights from the .caffemodel."""
    network, weights = caffe_pb2.NetParameter(), caffe_pb2.NetParameter()
    try:
        text_format.Parse(prototxt.read_text(encoding="utf-8"), network)
    except text_format.ParseError as error:
        raise ExportRefusedError(
            f"the .prototxt cannot be read: {error}", "Correct it there, or get it anew."
        ) from error
    try:
        weights.ParseFromString(caffemodel.read_bytes())
    except DecodeError as error:
        raise ExportRefusedError(
            "the .caffemodel is damaged or is none", "Copy it again."
        ) from error
    blobs = {layer.name: layer.blobs for layer in weights.layer}
    for layer in network.layer:
        if layer.name in blobs:
            del layer.blobs[:]
            layer.blobs.extend(blobs[layer.name])
    return network


def prove(network: Any, caffemodel: Path, translator: Translator) -> None:
    """Keep what OpenCV computes of the same network and the same file of weights."""
    picture = noise(*translator.image_size)
    try:
        other = cv2.dnn.readNetFromCaffe(description(network).encode(), caffemodel.read_bytes())
        other.setInput(picture)
        made = other.forwardAndRetrieve([layer for layer, _ in translator.ends])
    except cv2.error as error:
        reason = str(error).strip().splitlines()[-1]
        raise ExportRefusedError(
            f"OpenCV, which checks the translation, cannot run the network: {reason}",
            "Convert the network to ONNX yourself, and give that.",
        ) from error
    write_proof(picture, [made[i][index] for i, (_, index) in enumerate(translator.ends)])


def description(network: Any) -> str:
    """The .prototxt again, without weights, and with the sizes of both directions wherever one is
    named: OpenCV takes no notice of one alone."""
    plain = caffe_pb2.NetParameter()
    plain.CopyFrom(network)
    for layer in plain.layer:
        del layer.blobs[:]
        for settings in (layer.convolution_param, layer.pooling_param):
            for name in ("kernel", "pad", "stride"):
                one, other = f"{name}_h", f"{name}_w"
                if settings.HasField(one) != settings.HasField(other):
                    for side in (one, other):
                        setattr(settings, side, getattr(settings, side))
    return str(text_format.MessageToString(plain))


if __name__ == "__main__":
    run(main)
