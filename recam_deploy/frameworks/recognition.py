"""Recognise the framework of a model file by its suffix, then by its content."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from .caffe_files import CAFFEMODEL, PROTOTXT, read_caffe
from .model import FrameworkModel
from .tflite_file import read_tflite
from .torch_archive import PYTORCH, read_torch_file

_TORCH_SUFFIXES = frozenset({".pt", ".pth", ".torchscript", ".pt2", ".pts"})
_TFLITE_SUFFIXES = frozenset({".tflite", ".lite"})
_CAFFE_SUFFIXES = frozenset({PROTOTXT, CAFFEMODEL})

_TO_TFLITE = (
    "Convert it to TFLite (`tf.lite.TFLiteConverter`, without optimizations) or to ONNX (tf2onnx, "
    "opset 17), and give that."
)
_TO_ONNX = "Give the model that it was converted from, as ONNX (opset 17), .pt or .tflite."
_OTHERS = {
    ".keras": ("a Keras model", _TO_TFLITE),
    ".h5": ("a Keras model", _TO_TFLITE),
    ".pb": ("a TensorFlow graph", _TO_TFLITE),
    ".engine": ("a TensorRT engine, which is made for one GPU", _TO_ONNX),
    ".trt": ("a TensorRT engine, which is made for one GPU", _TO_ONNX),
    ".mlmodel": ("a Core ML model", _TO_ONNX),
    ".mlpackage": ("a Core ML model", _TO_ONNX),
    ".rknn": ("a model for Rockchip's NPU", _TO_ONNX),
    ".hef": ("a model for Hailo's chips", _TO_ONNX),
    ".bmodel": ("a model for another of Sophgo's chips", _TO_ONNX),
    ".safetensors": ("a file of weights, without the network they belong to", _TO_ONNX),
    ".cvimodel": ("a cvimodel, which is converted already", "Deploy it with `recam deploy`."),
}


def recognise(path: Path, weights: Path | None = None) -> FrameworkModel | None:
    """Recognise the model of another framework at `path`; return None when it can only be ONNX.

    `weights` names the .caffemodel of a .prototxt. No code in the file is run, and no object built
    from it. An undamaged file that cannot be exported has a `refusal`.

    Raises InputError when the file is missing, damaged, or of an unsupported framework.
    """
    suffix = path.suffix.lower()
    if weights is not None and suffix != PROTOTXT:
        raise InputError(
            f"--weights belongs to a .prototxt, which {path.name} is not",
            "Give the .prototxt as the model, or leave --weights out.",
        )
    if suffix in _OTHERS:
        kind, hint = _OTHERS[suffix]
        raise InputError(f"{path} is {kind}", hint)
    if suffix not in _TORCH_SUFFIXES | _TFLITE_SUFFIXES | _CAFFE_SUFFIXES:
        return None
    if not path.is_file():
        raise InputError(f"{path} does not exist", "Give the path of a model file.")
    if suffix in _TFLITE_SUFFIXES:
        return read_tflite(path)
    if suffix in _CAFFE_SUFFIXES:
        return read_caffe(path, weights)
    found = read_torch_file(path)
    return FrameworkModel(
        path=path,
        kind=found.kind,
        files=(path,),
        facts=found.facts,
        refusal=found.refusal,
        runs_code=found.kind != PYTORCH,
    )
