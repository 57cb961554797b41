"""The report of the bundled model: both models really run, and the file stands for itself."""

from __future__ import annotations

import base64
import io
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from recam_runs import DEMO, Run

pytestmark = pytest.mark.toolchain


class Sources(HTMLParser):
    """Everything that a document would load, and its elements' names."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.names: set[str] = set()
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_bundled_model_is_reported_on(run: Run, artifact: Path, tmp_path: Path) -> None:
    shutil.copy(DEMO / "shapes.onnx", tmp_path)
    words = ("--images", DEMO / "test", "--report", "r.html", "--json")
    done = run("verify", artifact, *words, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    document = done.document
    assert set(document) == {"images", "outputs", "detections", "report"}
    assert document["images"] == 6
    assert len(document["outputs"]) == 6
    assert all(0.98 < output["cosine"] <= 1 for output in document["outputs"])
    counts = document["detections"]
    assert counts["float"] == counts["matched"] + counts["missed"] > 20
    assert counts["matched"] >= 0.9 * counts["float"]
    assert document["report"] == str(tmp_path / "r.html")

    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    sources = Sources(text)
    assert not sources.names & {"script", "link", "iframe"}
    pictures = [value for value in sources.loaded if not value.startswith("#")]
    assert len(pictures) == 12
    for value in pictures:
        head, _, data = value.partition(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as picture:
            picture.load()
            assert picture.width <= 640
    assert not re.search(r"""(?:src|href|url\(|@import)\s*[=("']*\s*(?:https?:)?//""", text)
    assert "model_deploy.py --mlir network.mlir" in text


def test_a_few_pictures_and_the_model_by_its_path(run: Run, artifact: Path, tmp_path: Path) -> None:
    words = ("--images", DEMO / "test", "--model", DEMO / "shapes.onnx", "--limit", "2")
    done = run("verify", artifact, *words, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert "compared on 2 of 6 pictures" in done.out
    assert [path.name for path in tmp_path.iterdir()] == [f"{artifact.stem}.report.html"]


def test_another_float_model_is_refused(run: Run, artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes((DEMO / "shapes.onnx").read_bytes() + b"\0")
    words = ("--images", DEMO / "test", "--model", "other.onnx", "--json")
    done = run("verify", artifact, *words, cwd=tmp_path)
    assert done.code == 1
    assert "sha256" in done.document["error"]["message"]
