"""The report of the bundled model: both models really run, and the file stands for itself."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from recam_runs import DEMO, MODELS, Run

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


def test_every_layer_of_the_bundled_model_is_measured(
    run: Run, artifact: Path, tmp_path: Path
) -> None:
    words = ("--images", DEMO / "test", "--model", DEMO / "shapes.onnx", "--limit", "1")
    done = run("verify", artifact, *words, "--layers", "--json", cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    layers = done.document["layers"]
    assert len(layers) > 50
    assert layers[0]["name"].startswith("/detector/stem/stem.0/")
    assert set(layers[0]) == {"name", "op", "precision", "cosine", "error", "added"}
    assert {layer["precision"] for layer in layers} == {"int8"}
    assert layers[0]["cosine"] > 0.999
    assert all(0.9 < layer["cosine"] <= 1.000001 for layer in layers)
    assert all(0 < layer["error"] < 0.5 for layer in layers)
    lost = max(layers, key=lambda layer: layer["added"])["name"]
    text = next(tmp_path.glob("*.html")).read_text(encoding="utf-8")
    assert f"{lost} BF16" in text


def test_masks_are_compared_and_their_tail_is_in_bf16(run: Run, tmp_path: Path) -> None:
    source = MODELS / "yolo11-seg-shapes-192.onnx"
    words = ("--calibration", DEMO / "calibration", "--images", "8", "--verify", "8", "--json")
    made = run("convert", source, *words, cwd=tmp_path)
    assert made.code == 0, made.err + made.out
    asked = ("--images", DEMO / "test", "--model", source, "--limit", "4", "--layers", "--json")
    done = run("verify", made.document["artifact"]["manifest"], *asked, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert done.document["detections"]["matched"] >= 3
    assert 0.8 < done.document["mask_iou"] <= 1
    layers = done.document["layers"]
    assert {layer["precision"] for layer in layers} == {"int8", "bf16"}
    assert layers[-1]["name"] == "output0_Concat"
    assert layers[-1]["precision"] == "bf16"
    text = next(tmp_path.glob("*.html")).read_text(encoding="utf-8")
    assert "output0_Concat BF16" in text
    assert "mean mask IoU" in text


def test_layers_of_a_cvimodel_from_elsewhere_are_those_it_shows(
    run: Run, artifact: Path, tmp_path: Path
) -> None:
    """Its manifest names steps that are not in this cache."""
    document = json.loads(artifact.read_text(encoding="utf-8"))
    for step in document["steps"]:
        step["key"] = f"{step['name']}-{'0' * 24}"
    shutil.copy(artifact.with_name(document["cvimodel"]), tmp_path)
    (tmp_path / "m.json").write_text(json.dumps(document), encoding="utf-8")
    words = ("--images", DEMO / "test", "--model", DEMO / "shapes.onnx", "--limit", "1")
    done = run("verify", "m.json", *words, "--layers", "--json", cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert "no longer in the cache" in done.err
    assert 6 <= len(done.document["layers"]) < 30


def test_a_browser_shows_the_report_offline_and_has_nothing_to_complain_of(
    run: Run, artifact: Path, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("neither Chromium nor Chrome is installed")
    words = ("--images", DEMO / "test", "--model", DEMO / "shapes.onnx", "--limit", "2")
    done = run("verify", artifact, *words, "--layers", "--report", "r.html", cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    html, log = tmp_path / "r.html", tmp_path / "net.json"

    shown = browse(browser, html, tmp_path, log)
    assert "CONSOLE" not in shown.stderr
    assert shown.stdout.count("data:image/jpeg;base64") == 4
    assert shown.stdout.count("<circle class=") > 50
    assert requested(log) == set()

    # The same check sees a report that does load something and does err.
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://127.0.0.1:9/x.png"><script>console.error("no")</script>')
    shown = browse(browser, bad, tmp_path, log)
    assert "CONSOLE" in shown.stderr
    assert requested(log) == {"http://127.0.0.1:9/x.png"}


def browse(browser: str, page: Path, folder: Path, log: Path) -> subprocess.CompletedProcess[str]:
    """Open a page; its final document on stdout, the console on stderr, requests in `log`."""
    quiet = ("no-first-run", "disable-sync", "disable-quic", "disable-background-networking")
    return subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu"),
            *(f"--{option}" for option in quiet),
            # What the browser itself asks for stays on this machine.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            *(f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"),
            *("--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def requested(log: Path) -> set[str]:
    """What the page asked for, from the browser's log of its network; its own has no initiator."""
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    asked = [event.get("params", {}) for event in events]
    return {str(params["url"]) for params in asked if params.get("initiator") == "null"}


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
