"""What a browser shows of the virtual camera's Node-RED."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser import chromium, open_page
from PIL import Image

from .conftest import Running, Start
from .rig import CAMERA, CLIENT, MODEL, PREVIEW, TAB, Service, invoke, live_boxes

SEEED = os.environ.get("RECAM_SEEED_NODES", "")

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")


def test_an_event_is_drawn_in_the_editor_with_a_labelled_box_each(
    node_red: Running, service: Service, picture: str, tmp_path: Path
) -> None:
    node_red.admin.push(live_boxes())
    service.asked("create", MODEL)
    node = f"document.getElementById('{PREVIEW}')"
    drawn = f"{node}?.querySelector('.virtual-recamera-picture')"
    with open_page(node_red.url) as page:
        page.wait_for(f"{node} && RED.nodes.node('{PREVIEW}')")
        service.report(MODEL, "invoke", invoke(picture))
        page.wait_for(drawn)
        size = f"(({{width, height}}) => [width, height])({drawn}.querySelector('image').getBBox())"
        page.wait_for(f"{size}[0] > 0")
        assert page.evaluate(size) == [320, 240]
        texts = f"[...{drawn}.querySelectorAll('text')].map((text) => text.textContent)"
        assert page.evaluate(texts) == ["circle(93)", "square(71)"]
        corner = f"(({{x, y, width, height}}) => [x, y, width, height])({drawn}.querySelector"
        assert page.evaluate(f"{corner}('rect').getBBox())") == [50, 80, 60, 40]
        status = "document.querySelector('.red-ui-flow-node-status-group:not([style*=none])')"
        assert page.evaluate(f"{status} !== null")
        shown = Image.open(page.screenshot(tmp_path / "editor.png"))
        assert (90, 90, 90) in {color for _, color in shown.convert("RGB").getcolors(1 << 20) or []}
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
    assert running.admin.types()["model"]["module"] == "node-red-contrib-sscma"
    service.forget()
    running.admin.push(live_boxes())
    service.asked("create", CAMERA)
    model = service.asked("create", MODEL)
    assert model.data["dependencies"] == [CAMERA]
    assert model.data["config"]["debug"] is True
    drawn = f"document.getElementById('{PREVIEW}')?.textContent.includes('circle(93)')"
    with open_page(running.url) as page:
        page.wait_for(f"document.getElementById('{PREVIEW}')")
        service.report(MODEL, "invoke", invoke(picture))
        page.wait_for(drawn)
        page.screenshot(tmp_path / "seeed.png")
