"""What a browser shows of the virtual camera's Node-RED."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Page, chromium, open_page
from PIL import Image
from virtual.pictures import Frame
from virtual.sscma_node.video import Encoder

from .conftest import Running, Start
from .rig import (
    CAMERA,
    CLIENT,
    MODEL,
    PREVIEW,
    TAB,
    Service,
    Socket,
    invoke,
    live_boxes,
    wait_for,
)

SEEED = os.environ.get("RECAM_SEEED_NODES", "")

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")


NODE = f"document.getElementById('{PREVIEW}')"
DRAWN = f"{NODE}?.querySelector('.virtual-recamera-picture')"


def check_drawn(page: Page, screenshot: Path) -> None:
    """Whether the picture of ``invoke`` is under the preview, with its boxes and their labels."""
    page.wait_for(DRAWN)
    size = f"(({{width, height}}) => [width, height])({DRAWN}.querySelector('image').getBBox())"
    page.wait_for(f"{size}[0] > 0")
    assert page.evaluate(size) == [320, 240]
    texts = f"[...{DRAWN}.querySelectorAll('text')].map((text) => text.textContent)"
    assert page.evaluate(texts) == ["circle(93)", "square(71)"]
    corner = f"(({{x, y, width, height}}) => [x, y, width, height])({DRAWN}.querySelector"
    assert page.evaluate(f"{corner}('rect').getBBox())") == [50, 80, 60, 40]
    shown = Image.open(page.screenshot(screenshot))
    assert (90, 90, 90) in {color for _, color in shown.convert("RGB").getcolors(1 << 20) or []}
    assert page.failures == []


def test_older_previews_draw_what_comes_through_node_red(
    older: Running, service: Service, picture: str, tmp_path: Path
) -> None:
    older.admin.push(live_boxes())
    service.asked("create", MODEL)
    with open_page(older.url) as page:
        page.wait_for(f"{NODE} && RED.nodes.node('{PREVIEW}')")
        service.report(MODEL, "invoke", invoke(picture))
        check_drawn(page, tmp_path / "editor.png")
        status = "document.querySelector('.red-ui-flow-node-status-group:not([style*=none])')"
        assert page.evaluate(f"{status} !== null")


@pytest.fixture
def results(websockets: dict[str, int]) -> Iterator[Socket]:
    """The websocket of the model's results."""
    socket = Socket(websockets["preview_port"])
    yield socket
    socket.close()


def event(picture: str) -> bytes:
    return json.dumps({"name": "invoke", "code": 0, "data": invoke(picture)}).encode()


def test_newer_previews_draw_what_the_browser_reads_from_the_model_s_websocket(
    node_red: Running, results: Socket, picture: str, tmp_path: Path
) -> None:
    node_red.admin.push(live_boxes())
    with open_page(node_red.url) as page:
        page.wait_for(f"{NODE} && RED.nodes.node('{PREVIEW}')")
        wait_for(lambda: results.readers == 1, "the browser reads the results")
        results.send(event(picture))
        check_drawn(page, tmp_path / "editor.png")


def test_newer_previews_read_on_when_the_model_comes_back_and_until_switched_off(
    node_red: Running, websockets: dict[str, int], picture: str
) -> None:
    """Two of them: each reads for itself."""
    second = {"id": "second", "type": "preview", "z": TAB, "x": 520, "y": 400, "wires": []}
    flows = [*live_boxes(), {**second, "active": True}]
    model = next(node for node in flows if node["id"] == MODEL)
    model["wires"] = [[PREVIEW, "second"]]
    node_red.admin.push(flows)
    with open_page(node_red.url) as page:
        page.wait_for(f"{NODE} && RED.nodes.node('second')")
        first = Socket(websockets["preview_port"])
        wait_for(lambda: first.readers == 2, "both read")
        first.close()
        again = Socket(websockets["preview_port"])
        try:
            wait_for(lambda: again.readers == 2, "both read again")
            again.send(event(picture))
            page.wait_for(DRAWN)
            button = ".querySelector('.red-ui-flow-node-button-button')"
            click = "dispatchEvent(new MouseEvent('click', {bubbles: true}))"
            page.evaluate(f"{NODE}{button}.{click} || true")
            wait_for(lambda: again.readers == 1, "one reads on")
            assert page.evaluate(f"{DRAWN} === null")
        finally:
            again.close()


def test_newer_previews_of_a_camera_show_its_video(
    node_red: Running, websockets: dict[str, int], tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="the package av encodes the video, and is not installed")
    blue = np.zeros((240, 320, 3), np.uint8)
    blue[:] = (20, 40, 220)
    picture = Encoder(320, 240, 30).encode(Frame(0, blue))
    flows = [node for node in live_boxes() if node["id"] != MODEL]
    camera = next(node for node in flows if node["id"] == CAMERA)
    camera["wires"] = [[PREVIEW]]
    node_red.admin.push(flows)
    canvas = f"{NODE}?.querySelector('canvas')"
    colour = f"[...{canvas}.getContext('2d').getImageData(160, 120, 1, 1).data]"
    with (
        contextlib.closing(Socket(websockets["video_port"])) as video,
        open_page(node_red.url) as page,
    ):
        page.wait_for(NODE)
        wait_for(lambda: video.readers == 1, "the browser reads the video")

        def shown() -> bool:
            video.send(picture)
            return bool(page.evaluate(f"Boolean({canvas})"))

        wait_for(shown, "the video is decoded")
        page.screenshot(tmp_path / "video.png")
        assert page.evaluate(colour)[:3] == pytest.approx((20, 40, 220), abs=12)
        assert page.failures == []


# The editor slides each form in and out by timers; nothing but those takes time here.
HASTEN = """void (window.setTimeout = ((slow) =>
    (act, delay, ...rest) => slow(act, (delay || 0) / 10, ...rest))(window.setTimeout))"""
# A form that has been opened is raised (RED.tray of Node-RED 4.1, `raiseTrayZ`).
FORM = """(async () => {
    const node = RED.nodes.node('%s'), stack = document.getElementById('red-ui-editor-stack');
    RED.editor.edit(node);
    for (let turn = 0; turn < 500 && stack.style.zIndex !== '13'; turn++) {
        await new Promise((done) => setTimeout(done, 100));
    }
    const shown = [...document.querySelectorAll('.red-ui-tray [id^="node-input-"]')];
    const names = shown.map((field) => field.id.replace('node-input-', ''));
    await new Promise((done) => RED.tray.close(done));
    return [Object.keys(node._def.defaults), names];
})()"""
# What a button, the wires or a flow's author sets, and what only one choice is left for.
HIDDEN = {"active", "pass", "outputs", "draw", "previewFps", "protocol", "input-type"}


@pytest.mark.parametrize("version", ["0.2.7", "0.3.6"])
def test_every_stand_in_has_a_form_for_its_properties(
    version: str, request: pytest.FixtureRequest
) -> None:
    running: Running = request.getfixturevalue("older" if version == "0.2.7" else "node_red")
    bus = {"id": "can", "type": "can-config", "interface": "can0", "baud": "1000000"}
    types = running.admin.types()
    kinds = sorted(
        kind
        for kind, entry in types.items()
        if entry["module"].startswith("virtual-recamera") and kind not in ("sscma", "can-config")
    )
    assert len(kinds) >= 15
    nodes: list[dict[str, Any]] = [
        {"id": kind, "type": kind, "z": TAB, "client": CLIENT, "x": 100, "y": 60 * place}
        for place, kind in enumerate(kinds, 1)
    ]
    nodes = [{**n, "client": "can"} if n["type"].startswith("can-") else n for n in nodes]
    # No battery is there to be asked; Node-RED's own editor trips over an early complaint.
    texts = {"classes": "", "splitter": "0,0,0,0", "interval": "3600"}
    nodes = [{**node, **texts, "wires": []} for node in nodes]
    running.admin.push([*live_boxes()[:2], bus, *nodes])
    with open_page(running.url) as page:
        page.wait_for(f"window.RED?.nodes?.node?.('{kinds[-1]}')")
        page.evaluate(HASTEN)
        for kind in kinds:
            properties, shown = page.evaluate(FORM % kind)
            without = {name for name in properties if name not in shown} - HIDDEN
            assert without == set(), kind
            assert shown, kind
        assert page.failures == []


def test_the_editor_lets_nobody_add_a_second_camera_or_model(node_red: Running) -> None:
    node_red.admin.push(live_boxes())
    count = "RED.nodes.filterNodes({type: '%s'}).length"
    with open_page(node_red.url) as page:
        page.wait_for(f"window.RED?.nodes?.node?.('{MODEL}')")
        for kind in ("camera", "model"):
            assert page.evaluate(count % kind) == 1
            page.evaluate(
                f"RED.nodes.import([{{id: 'second-{kind}', type: '{kind}', z: '{TAB}', x: 100,"
                f" y: 300, client: '{CLIENT}', wires: [[]]}}]), 0"
            )
            assert page.evaluate(count % kind) == 1
        assert "only be instantiated once" in page.evaluate("document.body.textContent")


@pytest.mark.skipif(not SEEED, reason="RECAM_SEEED_NODES names no clone of Seeed's own nodes")
def test_seeeds_own_nodes_reach_the_service_and_show_its_events(
    start: Start, service: Service, picture: str, tmp_path: Path
) -> None:
    running = start(tmp_path, nodes=Path(SEEED))
    module = running.admin.types()["model"]
    assert module["module"] == "node-red-contrib-sscma"
    older = module["version"].startswith("0.2.")
    service.forget()
    running.admin.push(live_boxes())
    service.asked("create", CAMERA)
    model = service.asked("create", MODEL)
    assert model.data["dependencies"] == [CAMERA]
    assert model.data["config"]["debug"] is True
    drawn = f"{NODE}?.textContent.includes('circle(93)')"
    with contextlib.ExitStack() as stack:
        # Since 0.3 the browser reads the results itself, from the camera's own port.
        results = None if older else stack.enter_context(contextlib.closing(Socket(8090)))
        page = stack.enter_context(open_page(running.url))
        page.wait_for(NODE)
        if results:
            wait_for(lambda: results.readers == 1, "the browser reads the results")
            results.send(event(picture))
        else:
            service.report(MODEL, "invoke", invoke(picture))
        page.wait_for(drawn)
        page.screenshot(tmp_path / "seeed.png")
