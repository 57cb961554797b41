"""`recam up` ends with boxes in the editor of the camera's Node-RED, where a browser shows them."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken import Patient
from browser import Page, chromium, open_page
from labelled import detections, truth
from numpy.typing import NDArray
from PIL import Image
from recam_runs import DEMO, Run

from recam_deploy.detection.letterbox import Letterbox
from recam_deploy.detection.match import agreement
from recam_deploy.detection.types import Detection

pytestmark = pytest.mark.toolchain

PICTURES = sorted((DEMO / "test").glob("*.jpg"))
UP = (
    *("up", DEMO / "shapes.onnx", "--calibration", DEMO / "calibration", "--images", "8"),
    *("--image", PICTURES[0], "--json"),
)
# What is drawn under the preview node: the picture, and for each object a frame, a label's
# background and its text. While the next picture is decoded, the one before is there as well.
DRAWN = """(() => {
    const preview = window.RED?.nodes?.filterNodes?.({type: 'preview'})[0];
    const drawn = document.getElementById(preview?.id)?.querySelector('.virtual-recamera-picture');
    if (!(drawn?.querySelector('image')?.getBBox().width > 0)) return null;
    const place = ({x, y, width, height}) => [x, y, x + width, y + height];
    const frames = [...drawn.querySelectorAll('rect')].filter((rect) => rect.style.fill == 'none');
    return {
        image: drawn.querySelector('image').getAttribute('href'),
        on_page: place(drawn.querySelector('image').getBoundingClientRect()),
        labels: [...drawn.querySelectorAll('text')].map((text) => text.textContent),
        boxes: frames.map((frame) => place(frame.getBBox())),
    };
})()"""
WIRED = """RED.nodes.filterLinks({}).map(({source, target}) => [source.type, target.type])"""


@pytest.fixture(scope="module")
def live(run: Run, camera: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `recam up --json` says of the bundled model, which runs live on the camera since."""
    folder = tmp_path_factory.mktemp("up")
    done = run(*UP, cwd=folder, RECAM_SETTINGS=camera["settings"])
    assert done.code == 0, done.err + done.out
    return done.document


def pixels(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image.convert("RGB"), np.float64)


def shown_in(image: Image.Image) -> Path:
    """The bundled picture that an image shows, as the camera letterboxes it."""
    sizes = [Letterbox.fit(Image.open(picture).size, image.size) for picture in PICTURES]
    differences = {
        float(np.abs(pixels(fit.apply(Image.open(picture))) - pixels(image)).mean()): picture
        for picture, fit in zip(PICTURES, sizes, strict=True)
    }
    assert min(differences) < 8, f"no picture of the camera's, but {sorted(differences)} off"
    return differences[min(differences)]


def drawn_picture(drawn: dict[str, Any]) -> Image.Image:
    data = base64.b64decode(drawn["image"].removeprefix("data:image/jpeg;base64,"))
    return Image.open(io.BytesIO(data))


def drawn_boxes(drawn: dict[str, Any], fit: Letterbox, names: list[str]) -> list[Detection]:
    found = []
    for text, box in zip(drawn["labels"], drawn["boxes"], strict=True):
        matched = re.fullmatch(r"(\w+)\((\d+)\)", text)
        assert matched, text
        label, score = matched[1], int(matched[2]) / 100
        found.append(Detection(names.index(label), label, score, fit.to_source(tuple(box))))
    return found


def photographed(page: Page, path: Path) -> tuple[dict[str, Any], Image.Image]:
    """What is drawn, and the part of a screenshot where it is: both of one and the same picture,
    though the camera shows another one every two seconds."""
    for _ in range(5):
        before = page.evaluate(DRAWN)
        screenshot = Image.open(page.screenshot(path))
        after = page.evaluate(DRAWN)
        if before and after and before["labels"] == after["labels"]:
            return after, screenshot.crop(after["on_page"])
    raise AssertionError("the picture changes all the time")


@pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")
def test_the_editor_shows_the_camera_s_picture_with_a_labelled_box_on_each_shape(
    live: dict[str, Any], camera: dict[str, Any], tmp_path: Path
) -> None:
    names = live["conversion"]["labels"]
    with open_page(camera["node_red_url"], width=1900, height=1300) as page:
        page.wait_for(DRAWN, seconds=60)
        drawn, seen = photographed(page, tmp_path / "editor.png")
        wires = page.evaluate(WIRED)
        assert page.failures == []
    assert ["camera", "model"] in wires
    assert ["model", "preview"] in wires
    image = drawn_picture(drawn)
    picture = shown_in(image)
    assert shown_in(seen) == picture
    fit = Letterbox.fit(Image.open(picture).size, image.size)
    result = agreement(truth(picture, tuple(names)), drawn_boxes(drawn, fit, names), min_iou=0.5)
    assert result.recall >= 0.8
    assert result.extra == 0


def test_up_tells_how_fast_the_camera_is_and_what_it_finds(live: dict[str, Any]) -> None:
    assert live["flow"]["nodes_ready"]
    assert live["live"]["events"] >= 2
    assert live["live"]["fps"] > 0
    assert all(value is not None for value in live["live"]["timings_ms"].values())
    assert {d.label for d in detections(live["live"])} <= set(live["conversion"]["labels"])
    assert live["live"]["detections"]


def test_a_second_run_does_nothing_again_and_is_live_again(
    run: Run, live: dict[str, Any], camera: dict[str, Any], tmp_path: Path
) -> None:
    done = run(*UP, cwd=tmp_path, RECAM_SETTINGS=camera["settings"])
    assert done.code == 0, done.err + done.out
    again = done.document
    assert all(step["cached"] for step in again["conversion"]["steps"])
    assert again["deployment"]["uploaded_bytes"] == 0
    assert again["deployment"]["sha256"] == again["artifact"]["sha256"]
    assert not again["smoke"]["runner"]["uploaded"]
    assert again["smoke"]["detections"] == live["smoke"]["detections"]
    assert again["flow"]["restarted"]
    assert again["flow"]["changed"] == again["flow"]["added"] == []
    assert again["live"]["events"] >= 2


def test_a_dry_run_tells_what_the_next_run_would_change_and_changes_nothing(
    run: Run, live: dict[str, Any], camera: dict[str, Any], tmp_path: Path
) -> None:
    patient = Patient(Path(camera["folder"]), camera)

    def there() -> tuple[dict[str, bytes], Any]:
        files = {path.name: path.read_bytes() for path in patient.models.iterdir()}
        return files, patient.node_red("GET", "/flows")

    before = there()
    settings = {"RECAM_SETTINGS": camera["settings"]}
    same = run(*UP, "--dry-run", cwd=tmp_path, **settings).document
    assert same["conversion"]["finished"]
    assert same["deployment"]["steps"] == []
    assert same["flow"]["changed"] == same["flow"]["added"] == []
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\nd\ne\n")
    other = run(*UP, "--dry-run", "--labels", names, cwd=tmp_path, **settings).document
    assert "write-info" in [step["action"] for step in other["deployment"]["steps"]]
    assert [node["type"] for node in other["flow"]["changed"]] == ["model"]
    unmade = run(*UP, "--images", "7", "--dry-run", cwd=tmp_path, **settings).document
    assert not unmade["conversion"]["finished"]
    assert unmade["deployment"] is None
    assert there() == before
    assert list(tmp_path.iterdir()) == [names]
