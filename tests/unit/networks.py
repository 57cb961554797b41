"""Networks as conversions are planned for, made of nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from recam_deploy.network.model import Network, NetworkInput


def a_network(**changes: Any) -> Network:
    """A raw network with one input of 64 × 64 and one output, but for the `changes`."""
    raw = Network(
        path=Path("m.onnx"),
        sha256="aa",
        ir_version=8,
        opset=17,
        family="raw",
        input=NetworkInput("images", 64, 64),
        cut_at=("out",),
        output_shapes=((1, 3, 8, 8),),
        classes=0,
        labels=(),
    )
    return replace(raw, **changes)
