"""Inspect a Caffe network: a .prototxt that describes it, and a .caffemodel with its weights."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError
from ..file_kinds import JSON, TEXT, refuse_foreign
from .model import FrameworkModel, Refusal

CAFFE = "caffe"
PROTOTXT, CAFFEMODEL = ".prototxt", ".caffemodel"

_MOST_TEXT_BYTES = 20_000_000
_LAYER_TYPE = re.compile(r"""\btype\s*:\s*(?:"([^"\n]*)"|'([^'\n]*)'|([A-Z_]+))""")
_INPUTS = re.compile(r"""^\s*input\s*:\s*["']""", re.MULTILINE)
_TRAINING = frozenset(
    {"Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "AnnotatedData", "Python"}
)
_DETECTION = frozenset({"DetectionOutput", "PriorBox", "Proposal", "ROIPooling", "PSROIPooling"})


def read_caffe(path: Path, weights: Path | None) -> FrameworkModel:
    """Find both files of a network, from either one, and inspect the .prototxt.

    `weights` names the .caffemodel, by default the file of the same name beside the .prototxt.
    Raises InputError when a file is missing, or the .prototxt is not text.
    """
    prototxt, caffemodel = _pair(path, weights)
    refuse_foreign(prototxt, "a .prototxt", TEXT, JSON)
    refuse_foreign(caffemodel, "a .caffemodel", TEXT)
    try:
        with prototxt.open("rb") as file:
            text = file.read(_MOST_TEXT_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{prototxt} cannot be read: {error}", "Give a text file.") from error
    text = re.sub(r"#[^\n]*", "", text)
    kinds = [a or b or c for a, b, c in _LAYER_TYPE.findall(text)]
    facts = {"layers": len(kinds), "layer_types": sorted(set(kinds)), "weights": caffemodel.name}
    return FrameworkModel(path, CAFFE, (prototxt, caffemodel), facts, _refusal(text, set(kinds)))


def _pair(path: Path, weights: Path | None) -> tuple[Path, Path]:
    prototxt = path if path.suffix.lower() == PROTOTXT else path.with_suffix(PROTOTXT)
    caffemodel = (weights or path.with_suffix(CAFFEMODEL)) if path == prototxt else path
    if not prototxt.is_file():
        raise InputError(
            f"{prototxt} is missing: it describes the network whose weights {path.name} holds",
            "Give it first: recam convert NETWORK.prototxt --weights WEIGHTS.caffemodel.",
        )
    if not caffemodel.is_file():
        raise InputError(
            f"{caffemodel} is missing: it holds the weights of {prototxt.name}",
            "Put it beside the .prototxt under the same name, or give it with --weights.",
        )
    return prototxt, caffemodel


def _refusal(text: str, kinds: set[str]) -> Refusal | None:
    if not kinds:
        return Refusal("its .prototxt describes no layers", "Give the network's deploy.prototxt.")
    if re.search(r"\blayers\s*\{", text):
        return Refusal(
            "its .prototxt is in Caffe's first format (`layers`)",
            "Rewrite both files with Caffe's upgrade_net_proto_text and upgrade_net_proto_binary.",
        )
    if not _INPUTS.search(text) and "Input" not in kinds:
        found = ", ".join(sorted(kinds & _TRAINING)) or "no Input layer"
        return Refusal(
            f"its .prototxt is for training ({found})",
            "Give the deploy.prototxt, which begins with an Input layer.",
        )
    if found_layers := sorted(kinds & _DETECTION):
        return Refusal(
            f"the TPU cannot run the layer {found_layers[0]}",
            "Remove it and the layers after it from the .prototxt, and decode in your own code.",
        )
    return None
