"""Find the detection heads of a model by its structure.

The heads are the last convolutions before the outputs on the three grids (strides 8, 16 and 32);
the nodes after them only decode. Tensor names differ between exporters; this structure does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ..errors import UnsupportedModelError
from .graph import Graph
from .model import Head, NetworkInput

STRIDES = (8, 16, 32)
ALL_STRIDES = (4, *STRIDES, 64, 128)
"""Those at which detectors have heads at all."""
BOX_CHANNELS = 64
"""The four sides of a box, each a distribution over 16 distances (DFL)."""
PLAIN_BOX_CHANNELS = 4
"""The four sides of a box, each one distance (YOLO26)."""

SUPPORTED = (
    "This release converts YOLO11, YOLOv8 and YOLO26 models for detection, pose (one class), "
    "segmentation and classification, and YOLOv5 and YOLOv6 for detection, as their authors export "
    "them. Convert others with --family raw; the camera's Node-RED does not show their results."
)


def find_heads(graph: Graph, by_stride: Mapping[int, list[str]]) -> tuple[Head, ...]:
    """Return the three heads of a YOLO11, YOLOv8 or YOLO26 detector, from stride 8 to 32.

    `by_stride` are its last convolutions. Raises UnsupportedModelError unless each stride has one
    box and one class tensor, with the same number of classes.
    """
    heads = tuple(
        _pair(graph, stride, by_stride.get(stride, [])) for stride in STRIDES if by_stride
    )
    classes = {graph.shapes[head.logits][1] for head in heads}
    if len(heads) != len(STRIDES) or len(classes) != 1:
        raise UnsupportedModelError(
            "no detection heads were found at strides 8, 16 and 32"
            + describe_structure(graph, by_stride),
            SUPPORTED,
        )
    return heads


def last_by_stride(graph: Graph, image: NetworkInput) -> dict[int, list[str]]:
    """Find the last convolutions on the three grids, by stride."""
    grids = frozenset((image.height // stride, image.width // stride) for stride in STRIDES)
    found = defaultdict(list)
    for tensor in graph.last_convolutions(grids):
        found[image.width // graph.shapes[tensor][2]].append(tensor)
    return dict(found)


def refuse_other_strides(graph: Graph, image: NetworkInput) -> None:
    """Raise UnsupportedModelError for a detector whose heads are at other strides than 8, 16, 32.

    Such are the variants P2 and P6 of YOLO (four heads), and tiny ones (two).
    """
    sides = {stride: image.width // stride for stride in ALL_STRIDES if image.width % stride == 0}
    grids = frozenset((image.height // stride, side) for stride, side in sides.items())
    found: dict[int, list[int]] = defaultdict(list)
    for tensor in graph.last_convolutions(grids):
        channels, _, width = graph.shapes[tensor][1:]
        found[image.width // width].append(channels)
    widths = {tuple(sorted(channels)) for channels in found.values()}
    alike = len(widths) == 1 and len(found) > 1 and widths != {()}
    if alike and len(min(widths)) in (1, 2, 3) and sorted(found) != list(STRIDES):
        given = ", ".join(map(str, sorted(found)))
        raise UnsupportedModelError(
            f"the model has {len(found)} heads, at the strides {given}; the camera decodes three, "
            "at strides 8, 16 and 32",
            "Train a model with three heads, such as yolo11n; the variants p2, p6 and tiny have "
            "others. Or convert with --family raw; the camera's Node-RED does not show its "
            "results.",
        )


def refuse_oriented(graph: Graph, by_stride: Mapping[int, Iterable[str]], task: str) -> None:
    """Raise UnsupportedModelError for oriented boxes: the task, or a head of angles says so."""
    angles = [
        name
        for found in by_stride.values()
        for name in found
        if graph.shapes[name][1] == 1 and graph.leads_to(name, "Sin")
    ]
    if task == "obb" or angles:
        raise UnsupportedModelError(
            "the model finds oriented boxes (OBB), which the camera's software cannot decode",
            "Train a detection model instead.",
        )


def _pair(graph: Graph, stride: int, tensors: list[str]) -> Head:
    """Decide which of the two tensors at one stride is the box, and which holds the classes.

    Raises UnsupportedModelError when they are not such a pair.
    """
    widths = [graph.shapes[tensor][1] for tensor in tensors]
    channels = BOX_CHANNELS if BOX_CHANNELS in widths else PLAIN_BOX_CHANNELS
    if len(tensors) != 2 or channels not in widths:
        raise UnsupportedModelError(
            f"the heads at stride {stride} are not one box and one class tensor"
            + describe_structure(graph, {stride: tensors}),
            SUPPORTED,
        )
    if widths[0] == widths[1]:
        box = _box_of(graph, tensors, channels)
    else:
        box = tensors[widths.index(channels)]
    return Head(stride, box, next(t for t in tensors if t != box))


def describe_structure(graph: Graph, by_stride: Mapping[int, Iterable[str]]) -> str:
    """Describe the last convolutions and the outputs for the message of a refusal."""
    found = [
        f"stride {stride}: {', '.join(str(graph.shapes[t][1]) for t in tensors)} channels"
        for stride, tensors in sorted(by_stride.items())
    ]
    outputs = ["×".join(map(str, graph.shapes.get(name, ()))) for name in graph.outputs]
    return f" ({'; '.join(found) or 'no grid tensors'}; outputs {', '.join(outputs)})"


def _box_of(graph: Graph, tensors: list[str], channels: int) -> str:
    """Decide which of two tensors of one width is the box.

    With DFL it is the one that a softmax reads, else the one that no sigmoid reads. Where both
    enter one concatenation (YOLOv8's older exports), it is the first there; where the model is cut
    already, the first output. Raises UnsupportedModelError when none of this decides.
    """
    if channels == BOX_CHANNELS:
        boxes = [tensor for tensor in tensors if graph.leads_to(tensor, "Softmax")]
    else:
        boxes = [tensor for tensor in tensors if not graph.leads_to(tensor, "Sigmoid")]
    if len(boxes) == 1:
        return boxes[0]
    for node in graph.consumers[tensors[0]]:
        inputs = list(node.input)
        places = [inputs.index(t) for t in tensors if t in inputs]
        if node.op_type == "Concat" and len(places) == 2:
            return tensors[places.index(min(places))]
    if all(tensor in graph.outputs for tensor in tensors):
        return min(tensors, key=graph.outputs.index)
    raise UnsupportedModelError(
        f"the box heads and the class heads look alike: both have {channels} channels",
        "Train with one class more or fewer, or export the model with its decoding.",
    )
