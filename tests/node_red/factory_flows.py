"""Flows of our own making in the shape that a camera's factory gives them.

About as many nodes as there, of the same types: a dashboard of pages, groups and widgets, two
subflows that are used, long templates, config nodes listed twice, positions with long fractions,
and a model node with 80 classes whose results go to a function of the user's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from own_flows import PRESET

FlowNode = dict[str, Any]

_PAGES = {
    "Live": ("Model", "Picture"),
    "Safety": ("Access",),
    "Wireless": ("Networks",),
    "Console": ("Shell",),
    "About": ("Energy", "Memory", "System", "Processor", "Disk"),
}
_TEXTS = ("Name", "System", "Processor", "Running since", "Free memory", "All memory", "Disk")
_TEMPLATE = '<template>\n  <div class="row">{{ msg.payload }} – “%s”</div>\n</template>\n'


def factory_flows() -> list[FlowNode]:
    """The nodes, always the same ones."""
    pages, about = _subflow("Pages"), _subflow("About pages")
    twice = [_client(), _page("Live"), *(_group("Live", name) for name in _PAGES["Live"])]
    others = [page for page in _PAGES if page != "Live"]
    return [
        _config("tab", "Dashboard", label="Dashboard", disabled=False, info="", env=[]),
        *(pages, about),
        _config("ui-base", "Camera", path="/dashboard", includeClientData=True),
        _config("ui-theme", "Light", colors={"surface": "#ffffff", "primary": "#0094ce"}),
        *twice,
        *(_page(page) for page in others),
        *(_group(page, name) for page in others for name in _PAGES[page]),
        *_templates(pages["id"]),
        *_readings(about["id"]),
        *_controls(_id("tab", "Dashboard")),
        *_lamp(_id("tab", "Dashboard")),
        *(_placed(_id("tab", "Dashboard"), f"subflow:{flow['id']}", "") for flow in (pages, about)),
        *(dict(node) for node in twice),
        _config("global-config", "modules", env=[], modules={"a-dashboard": "1.26.0"}),
    ]


def _id(kind: str, name: str) -> str:
    return hashlib.sha256(f"{kind} {name}".encode()).hexdigest()[:16]


def _config(kind: str, name: str, **fields: Any) -> FlowNode:
    """A node that lies nowhere."""
    return {"id": _id(kind, name), "type": kind, "name": name, **fields}


def _placed(
    place: str, kind: str, name: str, *, to: Sequence[Sequence[str]] = (), **fields: Any
) -> FlowNode:
    """A node on the tab or in the subflow whose id `place` is, wired to the ids `to`."""
    node = {"id": _id(kind, name), "type": kind, "z": place, "name": name, **fields}
    return node | {"x": 351.4286003112793, "y": 280.0000190734863, "wires": list(map(list, to))}


def _subflow(name: str) -> FlowNode:
    ends: dict[str, Any] = {"in": [], "out": [], "env": [], "meta": {}}
    return _config("subflow", name, info="", category="sscma", **ends, color="#DDAA99")


def _client() -> FlowNode:
    place = {"host": "localhost", "mqttport": "1883", "apiport": "80", "clientid": "recamera"}
    return {"id": _id("sscma", ""), "type": "sscma", **place, "username": "", "password": ""}


def _page(name: str) -> FlowNode:
    links = {"ui": _id("ui-base", "Camera"), "theme": _id("ui-theme", "Light")}
    breakpoints = [{"name": "Default", "px": "0", "cols": "3"}, {"name": "Wide", "px": "768"}]
    return _config("ui-page", name, **links, path=f"/{name.lower()}", breakpoints=breakpoints)


def _group(page: str, name: str) -> FlowNode:
    return _config(
        "ui-group", name, page=_id("ui-page", page), width="6", height="1", visible="true"
    )


def _templates(place: str) -> list[FlowNode]:
    """Seven pages of text, 7 kB each and one of 27 kB, what feeds them, and what explains them."""
    groups = ("Access", "Networks", "Shell", "Energy", "System", "Memory", "Picture")
    templates = [
        _placed(
            *(place, "ui-template", f"Template of {group}"),
            group=_id("ui-group", group),
            head="",
            format=(_TEMPLATE % group) * (340 if group == "Picture" else 90),
        )
        for group in groups
    ]
    function = _placed(
        *(place, "function", "Addresses"),
        func="\n\nmsg.payload = os.networkInterfaces();\nreturn msg;",
        initialize="\n\nlet a = 1;\n",
        libs=[{"var": "os", "module": "os"}],
        to=[[template["id"] for template in templates[:3]]],
    )
    inject = _placed(place, "inject", "At start", once=True, onceDelay=0.1, to=[[function["id"]]])
    comment = _placed(place, "comment", "Basics", info="Change nothing here.\nPlease.")
    return [*templates, function, inject, comment]


def _readings(place: str) -> list[FlowNode]:
    """Sources of numbers, what shows them, and a function before each of those."""
    shown = [
        _placed(place, kind, name, group=_id("ui-group", group), order=2)
        for kind, group, names in (
            ("ui-text", "System", _TEXTS),
            ("ui-gauge", "Disk", ("Used", "Free", "Load", "Memory used")),
            ("ui-chart", "Processor", ("Load by hour", "Memory by hour")),
        )
        for name in names
    ]
    func = "msg.payload = msg.payload.value;\nreturn msg;"
    functions = [
        _placed(place, "function", f"Read {node['name']}", func=func, to=[[node["id"]]])
        for node in shown
    ]
    kinds = ("OS", "Uptime", "CPUs", "Memory")
    sources = [
        _placed(place, kind, "", to=[[node["id"] for node in functions[start :: len(kinds)]]])
        for start, kind in enumerate(kinds)
    ]
    sources.append(_placed(place, "exec", "Disk", command="df -h", to=[[], [], []]))
    every = [[node["id"] for node in sources]]
    comments = [_placed(place, "comment", f"About {name}", info="") for name in ("memory", "disk")]
    return [
        _placed(place, "inject", "Update", repeat="30", once=True, to=every),
        *sources,
        *functions,
        *shown,
        *comments,
    ]


def _controls(place: str) -> list[FlowNode]:
    """Camera and model, sliders for its thresholds, and what is made of its results."""
    group, client = {"group": _id("ui-group", "Model")}, {"client": _id("sscma", "")}
    model, result = _id("model", "model"), _id("function", "Result")
    texts = ("Counted", "The model", "What it can do")
    return [
        _placed(
            *(place, "model", "model"),
            uri=PRESET,
            model="YOLO11n Detection",
            tscore="0.5",
            tiou="0.4",
            classes=",".join(f"class {number}" for number in range(80)),
            splitter="0,0,0,0",
            previewResolution="1280x720",
            previewFps="30",
            **client,
            to=[[result]],
        ),
        _placed(place, "camera", "", **client, audio=False, option="0", fps="30", to=[[model]]),
        _placed(
            *(place, "function", "Result"),
            func="msg.payload = msg.payload.data.labels.length;\nreturn msg;",
            to=[[_id("ui-text", "Counted")]],
        ),
        *(_placed(place, "ui-text", name, **group, format="{{msg.payload}}") for name in texts),
        _placed(place, "ui-dropdown", "Demos", **group, options=[]),
        *_slider(place, "Confidence", "tscore"),
        *_slider(place, "Overlap", "tiou"),
    ]


def _slider(place: str, name: str, field: str) -> list[FlowNode]:
    """A slider for a threshold of the model, and the function that hands it on."""
    func = f"msg.payload = {{{field}: Number(msg.payload) / 100}};\nreturn msg;"
    send = _placed(place, "function", f"Send {name}", func=func, to=[[_id("model", "model")]])
    group = _id("ui-group", "Model")
    return [_placed(place, "ui-slider", name, group=group, max="100", to=[[send["id"]]]), send]


def _lamp(place: str) -> list[FlowNode]:
    lamp = _placed(place, "light", "", light=False)
    rules = [{"t": "eq", "v": word, "vt": "str"} for word in ("on", "off")]
    switch = _placed(place, "switch", "On or off", rules=rules, to=[[lamp["id"]], [lamp["id"]]])
    pushes = [
        _placed(place, "inject", word, payload=word, to=[[switch["id"]]]) for word in ("on", "off")
    ]
    return [lamp, switch, *pushes, _placed(place, "comment", "Lamp", info="Switched here.\n\n")]
