"""Caffe's layers as ONNX operators.

What each layer computes is defined by BVLC/caffe `src/caffe/layers/*.cpp` and `caffe.proto`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from exporting import ExportRefusedError


class Net(Protocol):
    """The ONNX graph that is being made, see caffe_network.Translator."""

    def add(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **more: Any
    ) -> None: ...

    def weight(self, name: str, values: Any, kind: Any = ...) -> str: ...

    def shape(self, name: str) -> list[int]: ...


def unsupported(layer: Any, reason: str) -> ExportRefusedError:
    return ExportRefusedError(
        f"the layer {layer.name} ({layer.type}) cannot be translated: it {reason}",
        "Remove it and what follows from the .prototxt, or give the network as ONNX.",
    )


def _blob(layer: Any, index: int) -> Any:
    """One of a layer's weights in its own shape; the first format had always four dimensions."""
    if index >= len(layer.blobs):
        raise ExportRefusedError(
            f"the .caffemodel has no weights for the layer {layer.name} ({layer.type})",
            "Give the .caffemodel that belongs to this .prototxt.",
        )
    blob = layer.blobs[index]
    old = (blob.num, blob.channels, blob.height, blob.width)
    shape = tuple(blob.shape.dim) or old
    values = np.asarray(blob.data or blob.double_data, np.float32)
    if values.size != math.prod(shape):
        raise unsupported(layer, "has weights whose number does not fit their shape")
    return values.reshape(shape)


def _pair(layer: Any, settings: Any, name: str, default: int) -> tuple[int, int]:
    """A size for both directions: `kernel_size`, or `kernel_h` and `kernel_w`."""
    short = name.removesuffix("_size")
    if settings.HasField(f"{short}_h") or settings.HasField(f"{short}_w"):
        return int(getattr(settings, f"{short}_h")), int(getattr(settings, f"{short}_w"))
    value = getattr(settings, name)
    if isinstance(value, int):
        return (value, value) if settings.HasField(name) else (default, default)
    sizes = [int(size) for size in value] or [default]
    if len(sizes) > 2:
        raise unsupported(layer, "has more than two directions")
    return sizes[0], sizes[-1]


def _convolution(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    settings = layer.convolution_param
    if settings.axis != 1:
        raise unsupported(layer, "does not work on the channels")
    pad, kernel = _pair(layer, settings, "pad", 0), _pair(layer, settings, "kernel_size", 1)
    weights = _blob(layer, 0)
    # ConvolutionDepthwise says by its type that each channel is a group.
    group = weights.shape[0] if layer.type == "ConvolutionDepthwise" else settings.group
    constants = [net.weight(f"{layer.name}/weight", weights)]
    if settings.bias_term:
        constants.append(net.weight(f"{layer.name}/bias", _blob(layer, 1).ravel()))
    dilation = [int(size) for size in settings.dilation] or [1]
    net.add(
        "ConvTranspose" if layer.type == "Deconvolution" else "Conv",
        [inputs[0], *constants],
        names,
        kernel_shape=kernel,
        pads=[*pad, *pad],
        strides=_pair(layer, settings, "stride", 1),
        dilations=[dilation[0], dilation[-1]],
        group=int(group),
    )


def _pooling(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    """Caffe lets the last window hang over the edge, unless it would lie in the padding wholly."""
    settings = layer.pooling_param
    if settings.pool not in (0, 1):
        raise unsupported(layer, "pools at random")
    largest = settings.pool == 0
    if settings.global_pooling:
        net.add("GlobalMaxPool" if largest else "GlobalAveragePool", inputs, names)
        return
    kernel = _pair(layer, settings, "kernel_size", 1)
    stride, pad = _pair(layer, settings, "stride", 1), _pair(layer, settings, "pad", 0)
    ends = [
        _overhang(layer, side, *of, average=not largest)
        for side, *of in zip(net.shape(inputs[0])[2:], kernel, stride, pad, strict=True)
    ]
    more: dict[str, Any] = {} if largest else {"count_include_pad": int(any(pad))}
    net.add(
        "MaxPool" if largest else "AveragePool",
        inputs,
        names,
        kernel_shape=kernel,
        strides=stride,
        pads=[*pad, *ends],
        **more,
    )


def _overhang(layer: Any, side: int, kernel: int, stride: int, pad: int, *, average: bool) -> int:
    """The padding at the end that gives as many windows as Caffe's rounding up does."""
    count = math.ceil((side + 2 * pad - kernel) / stride) + 1
    if pad and (count - 1) * stride >= side + pad:
        count -= 1
    if (count - 1) * stride >= side + pad:
        raise unsupported(layer, "has a window that lies outside of its input")
    needed = (count - 1) * stride + kernel - side - pad
    if average and pad and needed > pad:
        raise unsupported(layer, "averages windows that hang over the padded edge")
    enough = (side + 2 * pad - kernel) // stride + 1 == count
    return pad if enough else max(0, needed)


def _inner_product(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    settings = layer.inner_product_param
    if settings.axis != 1:
        raise unsupported(layer, "keeps more than the first dimension")
    weights = _blob(layer, 0)
    weights = weights.reshape(weights.shape[-2:])
    flat = f"{layer.name}/flat"
    net.add("Flatten", inputs, [flat], axis=1)
    constants = [net.weight(f"{layer.name}/weight", weights)]
    if settings.bias_term:
        constants.append(net.weight(f"{layer.name}/bias", _blob(layer, 1).ravel()))
    net.add("Gemm", [flat, *constants], names, transB=int(not settings.transpose))


def _batch_norm(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    factor = float(_blob(layer, 2).ravel()[0])
    factor = 1 / factor if factor else 0.0
    mean, variance = (_blob(layer, index).ravel() * factor for index in (0, 1))
    constants = {"scale": np.ones_like(mean), "shift": np.zeros_like(mean)}
    constants |= {"mean": mean, "variance": variance}
    net.add(
        "BatchNormalization",
        [*inputs, *(net.weight(f"{layer.name}/{name}", v) for name, v in constants.items())],
        names,
        epsilon=float(layer.batch_norm_param.eps),
    )


def _scale(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    settings = layer.scale_param
    if len(inputs) != 1 or settings.axis != 1 or settings.num_axes != 1:
        raise unsupported(layer, "does not scale channels by constants")
    scaled = f"{layer.name}/scaled" if settings.bias_term else names[0]
    tail = (1,) * (len(net.shape(inputs[0])) - 2)
    factors = net.weight(f"{layer.name}/scale", _blob(layer, 0).reshape(1, -1, *tail))
    net.add("Mul", [inputs[0], factors], [scaled])
    if settings.bias_term:
        shift = net.weight(f"{layer.name}/bias", _blob(layer, 1).reshape(1, -1, *tail))
        net.add("Add", [scaled, shift], names)


def _relu(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    slope = float(layer.relu_param.negative_slope)
    if slope:
        net.add("LeakyRelu", inputs, names, alpha=slope)
    else:
        net.add("Relu", inputs, names)


def _relu6(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    low, high = (net.weight(f"{layer.name}/{limit}", float(limit)) for limit in (0, 6))
    net.add("Clip", [*inputs, low, high], names)


def _prelu(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    tail = (1,) * (len(net.shape(inputs[0])) - 2)
    slope = net.weight(f"{layer.name}/slope", _blob(layer, 0).reshape(-1, *tail))
    net.add("PRelu", [*inputs, slope], names)


def _power(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    """(shift + scale * x) ** power"""
    settings = layer.power_param
    current = inputs[0]
    for operator, value, nothing in (
        ("Mul", settings.scale, 1.0),
        ("Add", settings.shift, 0.0),
        ("Pow", settings.power, 1.0),
    ):
        if float(value) != nothing:
            number = net.weight(f"{layer.name}/{operator}_value", float(value))
            net.add(operator, [current, number], [f"{layer.name}/{operator}"])
            current = f"{layer.name}/{operator}"
    net.add("Identity", [current], names)


def _eltwise(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    settings = layer.eltwise_param
    operator = {0: "Mul", 1: "Add", 2: "Max"}[settings.operation]
    terms = list(inputs)
    for index, factor in enumerate(settings.coeff if operator == "Add" else ()):
        if float(factor) != 1:
            number = net.weight(f"{layer.name}/factor_{index}", float(factor))
            net.add("Mul", [terms[index], number], [f"{layer.name}/term_{index}"])
            terms[index] = f"{layer.name}/term_{index}"
    current = terms[0]
    for index, term in enumerate(terms[1:], 1):
        name = names[0] if index == len(terms) - 1 else f"{layer.name}/{operator}_{index}"
        net.add(operator, [current, term], [name])
        current = name


def _concat(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    settings = layer.concat_param
    axis = settings.concat_dim if settings.HasField("concat_dim") else settings.axis
    net.add("Concat", inputs, names, axis=int(axis))


def _slice(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    settings = layer.slice_param
    axis = int(settings.slice_dim if settings.HasField("slice_dim") else settings.axis)
    side = net.shape(inputs[0])[axis]
    equal = [side * index // len(names) for index in range(1, len(names))]
    points = [0, *(settings.slice_point or equal), side]
    sizes = net.weight(f"{layer.name}/sizes", np.diff(points), np.int64)
    net.add("Split", [*inputs, sizes], names, axis=axis)


def _softmax(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    net.add("Softmax", inputs, names, axis=int(layer.softmax_param.axis))


def _flatten(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    settings = layer.flatten_param
    if settings.axis != 1 or settings.end_axis != -1:
        raise unsupported(layer, "flattens only some dimensions")
    net.add("Flatten", inputs, names, axis=1)


def _reshape(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    settings = layer.reshape_param
    if settings.axis != 0 or settings.num_axes != -1:
        raise unsupported(layer, "reshapes only some dimensions")
    sizes = [int(side) for side in settings.shape.dim]
    net.add("Reshape", [*inputs, net.weight(f"{layer.name}/sizes", sizes, np.int64)], names)


def _permute(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    order = [int(axis) for axis in layer.permute_param.order]
    rest = [axis for axis in range(len(net.shape(inputs[0]))) if axis not in order]
    net.add("Transpose", inputs, names, perm=[*order, *rest])


def _lrn(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
    settings = layer.lrn_param
    if settings.norm_region != 0:
        raise unsupported(layer, "normalizes within channels")
    net.add(
        "LRN",
        inputs,
        names,
        size=int(settings.local_size),
        alpha=float(settings.alpha),
        beta=float(settings.beta),
        bias=float(settings.k),
    )


def _plain(operator: str) -> Callable[[Net, Any, list[str], list[str]], None]:
    def translate(net: Net, layer: Any, inputs: list[str], names: list[str]) -> None:
        net.add(operator, inputs, names)

    return translate


LAYERS: dict[str, Callable[[Net, Any, list[str], list[str]], None]] = {
    "AbsVal": _plain("Abs"),
    "BatchNorm": _batch_norm,
    "Concat": _concat,
    "Convolution": _convolution,
    "ConvolutionDepthwise": _convolution,
    "Deconvolution": _convolution,
    "Eltwise": _eltwise,
    "Flatten": _flatten,
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "Permute": _permute,
    "Pooling": _pooling,
    "Power": _power,
    "PReLU": _prelu,
    "ReLU": _relu,
    "ReLU6": _relu6,
    "Reshape": _reshape,
    "Scale": _scale,
    "Sigmoid": _plain("Sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "TanH": _plain("Tanh"),
}
