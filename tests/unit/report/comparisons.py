"""What the report's tests share: comparisons made by hand, hostile text, a reader of documents."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import onnx
from PIL import Image

from recam_deploy.artifact import Artifact
from recam_deploy.detection.match import Pairing
from recam_deploy.detection.types import Detection
from recam_deploy.network.model import YOLO11_DETECT, Network, NetworkInput
from recam_deploy.report.comparison import ComparedPicture, Comparison, OutputError
from recam_deploy.report.pictures import draw_pair
from recam_deploy.report.subject import Subject

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x.png onerror=alert(1)>',
    "' onload='alert(1)",
    "</style></title><iframe src=//evil.example>",
    "&lt;b&gt; javascript:alert(1)",
    "\udcff\udc80 not UTF-8",
    "\u202egnp.exe \x00\x1b[31m \u2028",
    "name " * 400,
    "形 ★ é 🙂",
)

_VOID = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """Reads a document; fails where elements are not closed in order."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(document)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def images(self) -> list[Image.Image]:
        """Every <img>, decoded from its data URI."""
        found: list[Image.Image] = []
        for tag, attributes in self.tags:
            if tag == "img":
                head, _, data = (attributes["src"] or "").partition(",")
                assert head == "data:image/jpeg;base64"
                found.append(Image.open(io.BytesIO(base64.b64decode(data, validate=True))))
                found[-1].load()
        return found

    def check_self_contained(self) -> None:
        """No script, no handler, nothing that is loaded from anywhere."""
        loading = {"src", "href", "srcset", "action", "data", "poster", "xlink:href", "background"}
        for tag, attributes in self.tags:
            assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                if name in loading:
                    assert (value or "").startswith(("data:image/", "#")), (tag, name, value)


def found(label: str, score: float, class_id: int = 0, **changes: Any) -> Detection:
    """A detection in the middle of a small picture."""
    return replace(Detection(class_id, label, score, (8.0, 6.0, 30.0, 24.0)), **changes)


def compared(name: str, pairing: Pairing, size: tuple[int, int] = (48, 32)) -> ComparedPicture:
    """One picture with these detections drawn."""
    left, right = draw_pair(Image.new("RGB", size, "grey"), pairing)
    return ComparedPicture(name, size, 0.99, pairing, left, right)


def comparison(
    pictures: Sequence[ComparedPicture],
    *,
    outputs: Sequence[OutputError] = (OutputError("box", (1, 64, 8, 8), 0.98, 0.5, 0.1, 9.0),),
    labels: tuple[str, ...] = ("disc",),
    family: str = YOLO11_DETECT,
    name: str = "model",
    **provenance: Any,
) -> Comparison:
    """A comparison of files that do not exist."""
    network = Network(
        path=Path(f"{name.replace('/', '_')}.onnx"),
        sha256="1" * 64,
        ir_version=8,
        opset=17,
        family=family,
        input=NetworkInput("images", 64, 64),
        cut_at=tuple(output.name for output in outputs),
        output_shapes=tuple(output.shape for output in outputs),
        classes=len(labels),
        labels=labels,
    )
    artifact = Artifact(
        cvimodel=Path("model.cvimodel"),
        manifest=None,
        name=name,
        sha256="2" * 64,
        size=1_230_000,
        chip="cv181x",
        labels=labels,
        family=family,
        quantization="int8",
        provenance=provenance,
    )
    subject = Subject(artifact, network, onnx.ModelProto(), 3 << 20)
    return Comparison(subject, tuple(outputs), tuple(pictures), len(pictures))
