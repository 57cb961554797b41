"""Small models of other frameworks, made where those frameworks are installed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from recam_deploy.frameworks.environments import exporter_environment

_TORCHSCRIPT = """
import sys, torch
class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3, 2, 1)
        self.norm = torch.nn.BatchNorm2d(8)
        self.last = torch.nn.Linear(8, 4)
    def forward(self, x):
        x = torch.nn.functional.silu(self.norm(self.first(x)))
        return torch.softmax(self.last(x.mean((2, 3))), 1)
torch.manual_seed(0)
torch.jit.script(Network().eval()).save(sys.argv[1])
"""

_ULTRALYTICS = """
import sys, torch
from ultralytics import YOLO
torch.manual_seed(0)
model = YOLO("yolo11n.yaml")
model.model.names = {index: f"thing {index}" for index in range(80)}
model.save(sys.argv[1])
"""

_TFLITE = """
import sys
import tensorflow as tf
tf.random.set_seed(0)
image = tf.keras.Input((64, 64, 3), batch_size=1)
x = tf.keras.layers.Conv2D(8, 3, 2, "same", activation="relu6")(image)
x = tf.keras.layers.DepthwiseConv2D(3, 1, "same")(x)
x = tf.keras.layers.Conv2D(16, 3, 2, "same", activation="relu")(tf.keras.layers.LeakyReLU()(x))
classes = tf.keras.layers.Dense(4, activation="softmax")(
    tf.keras.layers.GlobalAveragePooling2D()(x)
)
grid = tf.keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
converter = tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(image, [classes, grid]))
if sys.argv[2] != "float32":
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
if sys.argv[2] == "float16":
    converter.target_spec.supported_types = [tf.float16]
open(sys.argv[1], "wb").write(converter.convert())
"""

_CAFFE = """
import importlib.util, json, os, sys
import numpy as np
package = importlib.util.find_spec("tpu_mlir").submodule_search_locations[0]
sys.path.append(os.path.join(package, "python", "caffe", "proto"))
import caffe_pb2
from google.protobuf import text_format
prototxt, shapes = sys.argv[1], json.loads(sys.argv[2])
network = text_format.Parse(open(prototxt).read(), caffe_pb2.NetParameter())
random = np.random.default_rng(0)
for layer in network.layer:
    for shape in shapes.get(layer.name, ()):
        blob = layer.blobs.add()
        blob.shape.dim.extend(shape)
        values = random.normal(0, 0.4, shape)
        if layer.type == "BatchNorm":
            values = np.abs(values) + 0.5
        blob.data.extend(values.ravel().tolist())
open(prototxt.replace(".prototxt", ".caffemodel"), "wb").write(network.SerializeToString())
"""


def make_torchscript(python: Path, path: Path) -> Path:
    return _make(python, _TORCHSCRIPT, path)


def make_ultralytics(python: Path, path: Path) -> Path:
    return _make(python, _ULTRALYTICS, path)


def make_tflite(python: Path, path: Path, precision: str = "float32") -> Path:
    """`precision` is "float32", "float16" (weights only) or "int8"."""
    return _make(python, _TFLITE, path, precision)


def make_caffe(python: Path, path: Path, text: str, shapes: dict[str, list[list[int]]]) -> Path:
    """Write `text` to `path` and, beside it, random weights of the given `shapes` by layer;
    `python` is the compiler's, which has Caffe's message definitions."""
    path.write_text(text)
    return _make(python, _CAFFE, path, json.dumps(shapes))


def _make(python: Path, script: str, path: Path, *more: str) -> Path:
    environment = exporter_environment(path.parent, os.environ)
    # In a file: torch.jit.script reads the source of what it is given.
    program = path.parent / "make_model.py"
    program.write_text(script)
    words = [str(python), str(program), str(path), *more]
    done = subprocess.run(
        words, env=environment, cwd=path.parent, capture_output=True, text=True, check=False
    )
    program.unlink()
    assert done.returncode == 0, done.stderr[-2000:]
    return path


PLAIN_CAFFE = """
name: "plain"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 10 dim: 3 dim: 64 dim: 64 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 1 bias_term: false } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "depthwise" type: "Convolution" bottom: "conv" top: "depthwise"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 group: 8 } }
layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "depthwise" top: "sum" }
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "mean" type: "Pooling" bottom: "pool" top: "mean"
  pooling_param { pool: AVE global_pooling: true } }
layer { name: "drop" type: "Dropout" bottom: "mean" top: "mean" }
layer { name: "fc" type: "InnerProduct" bottom: "mean" top: "fc"
  inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
PLAIN_WEIGHTS = {
    "conv": [[8, 3, 3, 3]],
    "bn": [[8], [8], [1]],
    "scale": [[8], [8]],
    "depthwise": [[8, 1, 3, 3], [8]],
    "fc": [[4, 8], [4]],
}

# Every layer that is translated and not in the plain network, and odd settings of those that are.
ODD_CAFFE = """
name: "odd"
input: "data"
input_shape { dim: 1 dim: 3 dim: 45 dim: 61 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_h: 3 kernel_w: 5 stride_h: 1 stride_w: 2 pad_w: 2
    dilation: 1 } }
layer { name: "lrn" type: "LRN" bottom: "conv" top: "lrn" lrn_param { local_size: 5 alpha: 0.1 } }
layer { name: "max" type: "Pooling" bottom: "lrn" top: "max"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 pad: 1 } }
layer { name: "average" type: "Pooling" bottom: "max" top: "average"
  pooling_param { pool: AVE kernel_size: 3 stride: 1 pad: 1 } }
layer { name: "ragged" type: "Pooling" bottom: "average" top: "ragged"
  pooling_param { pool: AVE kernel_size: 2 stride: 3 } }
layer { name: "prelu" type: "PReLU" bottom: "ragged" top: "ragged" }
layer { name: "dilated" type: "Convolution" bottom: "ragged" top: "dilated"
  convolution_param { num_output: 8 kernel_size: 3 pad: 2 dilation: 2 } }
layer { name: "split" type: "Split" bottom: "dilated" top: "left" top: "right" }
layer { name: "leaky" type: "ReLU" bottom: "left" top: "leaky" relu_param { negative_slope: 0.1 } }
layer { name: "relu6" type: "ReLU6" bottom: "right" top: "relu6" }
layer { name: "weighed" type: "Eltwise" bottom: "leaky" bottom: "relu6" bottom: "dilated"
  top: "weighed" eltwise_param { operation: SUM coeff: 0.5 coeff: -1 coeff: 1 } }
layer { name: "product" type: "Eltwise" bottom: "weighed" bottom: "relu6" top: "product"
  eltwise_param { operation: PROD } }
layer { name: "largest" type: "Eltwise" bottom: "product" bottom: "leaky" top: "largest"
  eltwise_param { operation: MAX } }
layer { name: "slice" type: "Slice" bottom: "largest" top: "few" top: "many"
  slice_param { slice_point: 3 } }
layer { name: "tanh" type: "TanH" bottom: "few" top: "tanh" }
layer { name: "sigmoid" type: "Sigmoid" bottom: "many" top: "sigmoid" }
layer { name: "abs" type: "AbsVal" bottom: "sigmoid" top: "abs" }
layer { name: "power" type: "Power" bottom: "abs" top: "power"
  power_param { power: 2 scale: 0.5 shift: 1 } }
layer { name: "cat" type: "Concat" bottom: "tanh" bottom: "power" top: "cat" }
layer { name: "up" type: "Deconvolution" bottom: "cat" top: "up"
  convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 } }
layer { name: "permute" type: "Permute" bottom: "up" top: "permute"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "flatten" type: "Flatten" bottom: "permute" top: "flatten" }
layer { name: "reshape" type: "Reshape" bottom: "flatten" top: "reshape"
  reshape_param { shape { dim: 0 dim: -1 dim: 4 } } }
layer { name: "softmax" type: "Softmax" bottom: "reshape" top: "softmax"
  softmax_param { axis: 2 } }
"""
ODD_WEIGHTS = {
    "conv": [[8, 3, 3, 5], [8]],
    "prelu": [[8]],
    "dilated": [[8, 8, 3, 3], [8]],
    "up": [[8, 4, 4, 4], [4]],
}
