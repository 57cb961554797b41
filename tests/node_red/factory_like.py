"""Flows of the same node types, and of the same shape, as those of a new camera.

They were made for the tests, after the list of types in sscma-example-sg200x, solutions/supervisor/
rootfs/usr/share/supervisor/flows.json: a dashboard of two pages in a tab and two subflows, a camera
and a model that names a preset, the lamp, the system's figures, four ids that are listed twice, and
no preview.
"""

from __future__ import annotations

import itertools
from typing import Any

from own_flows import PRESET

TAB, DEVICE, PAGES = "fac70000000000aa", "fac70000000000bb", "fac70000000000cc"
CLIENT, CAMERA, MODEL, LIGHT = (f"fac70000000000{n:02x}" for n in (1, 2, 3, 4))
BASE, THEME, LIVE_PAGE, INFO_PAGE = (f"fac70000000000{n:02x}" for n in (16, 17, 18, 19))
LIVE, CONTROLS, SYSTEM = (f"fac70000000000{n:02x}" for n in (32, 33, 34))
COUNT_TEXT = "fac7000000000040"
PATH = "/dashboard/live"

_SIZES = {
    "density": "default",
    "pagePadding": "12px",
    "groupGap": "12px",
    "groupBorderRadius": "4px",
    "widgetGap": "12px",
}
_COLORS = {
    "surface": "#ffffff",
    "primary": "#0094ce",
    "bgPage": "#eeeeee",
    "groupBg": "#ffffff",
    "groupOutline": "#cccccc",
}


def _page(page: str, name: str, path: str, order: int) -> dict[str, Any]:
    return {
        "id": page,
        "type": "ui-page",
        "name": name,
        "ui": BASE,
        "path": path,
        "icon": "home",
        "layout": "grid",
        "theme": THEME,
        "order": order,
        "className": "",
        "visible": "true",
        "disabled": "false",
    }


def _group(group: str, name: str, page: str) -> dict[str, Any]:
    return {
        "id": group,
        "type": "ui-group",
        "name": name,
        "page": page,
        "width": "6",
        "height": "1",
        "order": 1,
        "showTitle": True,
        "className": "",
        "visible": "true",
        "disabled": "false",
        "groupType": "default",
    }


def _pages() -> list[dict[str, Any]]:
    base = {
        "id": BASE,
        "type": "ui-base",
        "name": "My Dashboard",
        "path": "/dashboard",
        "includeClientData": True,
        "acceptsClientConfig": ["ui-notification", "ui-control"],
        "showPathInSidebar": False,
        "navigationStyle": "default",
        "titleBarStyle": "default",
    }
    theme = {"id": THEME, "type": "ui-theme", "name": "Plain", "colors": _COLORS, "sizes": _SIZES}
    return [
        base,
        theme,
        _page(LIVE_PAGE, "Live", "/live", 1),
        _page(INFO_PAGE, "System", "/system", 2),
        _group(LIVE, "Seen", LIVE_PAGE),
        _group(CONTROLS, "Controls", LIVE_PAGE),
        _group(SYSTEM, "Figures", INFO_PAGE),
    ]


def _function(node: str, home: str, func: str, *targets: str) -> dict[str, Any]:
    bare = {"outputs": 1, "timeout": 0, "noerr": 0, "initialize": "", "finalize": "", "libs": []}
    place = {"id": node, "type": "function", "z": home, "name": "", "func": func, "x": 1, "y": 1}
    return {**place, **bare, "wires": [list(targets)]}


def _widget(node: str, kind: str, home: str, group: str, **fields: Any) -> dict[str, Any]:
    size = {"width": "3", "height": "1", "order": 1, "className": "", "x": 1, "y": 1}
    return {"id": node, "type": kind, "z": home, "group": group, "wires": [[]], **size, **fields}


def _live() -> list[dict[str, Any]]:
    """The tab: the camera, its model, what it counts, and what the page's controls change."""
    client: dict[str, Any] = {
        "id": CLIENT,
        "type": "sscma",
        "host": "localhost",
        "mqttport": "1883",
    }
    client |= {"apiport": "80", "clientid": "recamera", "username": "", "password": ""}
    camera: dict[str, Any] = {
        "id": CAMERA,
        "type": "camera",
        "z": TAB,
        "client": CLIENT,
        "audio": False,
    }
    camera |= {"volume": "50", "option": "0", "fps": "30", "mirror": False, "flip": False}
    camera |= {"x": 100, "y": 100, "wires": [[MODEL]]}
    model: dict[str, Any] = {"id": MODEL, "type": "model", "z": TAB, "name": "model", "uri": PRESET}
    model |= {"model": "YOLO11n Detection", "tscore": "0.5", "tiou": "0.4", "debug": False}
    model |= {"trace": False, "counting": False, "draw": False, "classes": "person,bicycle"}
    model |= {"splitter": "0,0,0,0", "previewResolution": "1280x720", "previewFps": "30"}
    model |= {"client": CLIENT, "x": 300, "y": 100, "wires": [["fac7000000000041"]]}
    count = "msg.payload = (msg.payload.data || {}).count || 0;\nreturn msg;"
    score = "msg.payload = {tscore: Number(msg.payload) / 100};\nreturn msg;"
    options = [{"label": "on", "value": "on", "type": "str"}]
    page = "<template><p>live</p></template>"
    return [
        {"id": TAB, "type": "tab", "label": "Dashboard", "disabled": False, "info": "", "env": []},
        client,
        camera,
        model,
        _function("fac7000000000041", TAB, count, COUNT_TEXT),
        _widget(COUNT_TEXT, "ui-text", TAB, LIVE, label="count", format="{{msg.payload}}"),
        _widget("fac7000000000042", "ui-template", TAB, LIVE, format=page, templateScope="local"),
        _widget(
            *("fac7000000000043", "ui-slider", TAB, CONTROLS),
            label="Confidence",
            min=0,
            max="100",
            step=1,
            outs="all",
            wires=[["fac7000000000044"]],
        ),
        _function("fac7000000000044", TAB, score, MODEL),
        _widget(
            *("fac7000000000045", "ui-dropdown", TAB, CONTROLS),
            label="Lamp",
            options=options,
            multiple=False,
            wires=[["fac7000000000046"]],
        ),
        {
            "id": "fac7000000000046",
            "type": "switch",
            "z": TAB,
            "property": "payload",
            "propertyType": "msg",
            "rules": [{"t": "eq", "v": "on", "vt": "str"}],
            "checkall": "true",
            "repair": False,
            "outputs": 1,
            "wires": [[LIGHT]],
        },
        {"id": LIGHT, "type": "light", "z": TAB, "light": False, "x": 1, "y": 1, "wires": []},
        {"id": "fac7000000000047", "type": f"subflow:{DEVICE}", "z": TAB, "name": "", "wires": []},
        {"id": "fac7000000000048", "type": f"subflow:{PAGES}", "z": TAB, "name": "", "wires": []},
    ]


def _figures() -> list[dict[str, Any]]:
    """The subflow of the system's figures, which a timer asks for."""
    numbers = (f"fac70000000000{n:02x}" for n in itertools.count(0x60))
    timer, chart, gauge, text = (next(numbers) for _ in range(4))
    asked = {kind: next(numbers) for kind in ("OS", "Uptime", "CPUs", "Memory")}
    disk, show, note = (next(numbers) for _ in range(3))
    repeated = {"props": [{"p": "payload"}], "repeat": "1", "once": True, "onceDelay": 0.1}
    nodes: list[dict[str, Any]] = [
        {"id": DEVICE, "type": "subflow", "name": "Device Info", "in": [], "out": [], "env": []},
        {
            "id": timer,
            "type": "inject",
            "z": DEVICE,
            "payloadType": "date",
            **repeated,
            "wires": [[*asked.values(), disk]],
        },
        *(
            {"id": n, "type": kind, "z": DEVICE, "name": "", "wires": [[]]}
            for kind, n in asked.items()
        ),
        _function(show, DEVICE, "msg.payload = msg.payload.memusage;\nreturn msg;", gauge, chart),
        _widget(
            gauge, "ui-gauge", DEVICE, SYSTEM, gtype="gauge-half", title="Memory", min=0, max=100
        ),
        _widget(
            *(chart, "ui-chart", DEVICE, SYSTEM),
            label="Memory",
            chartType="line",
            xAxisType="time",
            action="append",
            removeOlder=1,
            removeOlderUnit="3600",
            yAxisProperty="payload",
        ),
        _widget(text, "ui-text", DEVICE, SYSTEM, label="Disk", format="{{msg.payload}}"),
        {"id": disk, "type": "exec", "z": DEVICE, "command": "df -h /", "wires": [[text], [], []]},
        {"id": note, "type": "comment", "z": DEVICE, "name": "figures", "info": "", "wires": []},
    ]
    memory = next(node for node in nodes if node["type"] == "Memory")
    memory["wires"] = [[show]]
    return nodes


def _web_pages() -> list[dict[str, Any]]:
    """The subflow of the pages that show the camera's own web page."""
    address = "msg.interfaces = os.networkInterfaces();\nreturn msg;"
    libraries = [{"var": "os", "module": "os"}]
    frame = "<template><iframe src='about:blank'></iframe></template>"
    template = _widget("fac7000000000081", "ui-template", PAGES, SYSTEM, format=frame)
    return [
        {"id": PAGES, "type": "subflow", "name": "Pages", "in": [], "out": [], "env": []},
        {
            **_function("fac7000000000080", PAGES, address, "fac7000000000081"),
            "libs": libraries,
        },
        {**template, "templateScope": "local"},
    ]


def factory_like() -> list[dict[str, Any]]:
    """Give the nodes; the client, a page and two groups are listed twice, as on a new camera."""
    pages, live = _pages(), _live()
    modules = {"@flowfuse/node-red-dashboard": "1.26.0", "node-red-contrib-sscma": "0.3.5"}
    settings = {"id": "fac7000000000090", "type": "global-config", "env": [], "modules": modules}
    twice = [n for n in (*pages, *live) if n["id"] in (CLIENT, LIVE_PAGE, LIVE, CONTROLS)]
    nodes = [*_figures(), *_web_pages(), *pages, *live, settings]
    return [*nodes, *({**node} for node in twice)]
