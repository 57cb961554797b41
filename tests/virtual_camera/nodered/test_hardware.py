"""The nodes of the camera's battery, of the gimbal's motors and of their CAN bus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Running, Start
from .rig import TAB, wait_for
from .test_runtime import serving


def kept(running: Running, name: str) -> Any:
    """What a flow has put into the global context, or None."""
    entry = running.admin.ask(f"/context/global/{name}")
    value = entry.get("msg")
    return (
        json.loads(value)
        if entry.get("format") in ("number", "Object", "array[2]", "array[1]")
        else value
    )


def flow(*steps: dict[str, Any], once: Any = 0) -> list[dict[str, Any]]:
    """A tab on which a message goes through the steps, and is kept as `seen` at the end."""
    ids = [f"step{number}" for number in range(len(steps))]
    inject = {"id": "start", "type": "inject", "z": TAB, "once": True, "wires": [["first"]]}
    first = {"id": "first", "type": "function", "z": TAB, "outputs": 1, "wires": [[ids[0]]]}
    first["func"] = f"return {{payload: {json.dumps(once)}}};"
    last = {"id": "last", "type": "function", "z": TAB, "outputs": 0, "wires": []}
    last["func"] = "global.set('seen', msg.payload);"
    nodes = [
        {"z": TAB, "wires": [[after]], **step, "id": own}
        for step, own, after in zip(steps, ids, [*ids[1:], "last"], strict=True)
    ]
    return [{"id": TAB, "type": "tab", "label": "x"}, inject, first, *nodes, last]


@pytest.mark.parametrize(
    ("turn", "value", "axis", "unit", "stands"),
    [
        ("0", 30, "0", "0", 30),
        ("0", 400, "0", "0", 360),
        ("2", 4500, "1", "1", 4500),
        ("4", {"yaw_angle": 10, "pitch_angle": 20}, "1", "0", 20),
    ],
)
def test_a_motor_stands_where_it_was_turned_to(
    node_red: Running, turn: str, value: Any, axis: str, unit: str, stands: float
) -> None:
    ask = {"id": "ask", "type": "inject", "z": TAB, "once": True, "onceDelay": 0.6}
    read = {"type": "get-motor-angle", "output": axis, "unit": unit}
    turning = {"type": "set-motor-angle", "input": "payload", "input-type": "msg"}
    nodes = flow({**turning, "output": turn, "unit": unit}, once=value)
    nodes += [
        {**ask, "wires": [["read"]]},
        {**read, "id": "read", "z": TAB, "wires": [["last"]]},
    ]
    node_red.admin.push(nodes)
    wait_for(lambda: kept(node_red, "seen") == stands, f"{stands} degrees")


def test_what_is_no_angle_turns_nothing_and_is_said(node_red: Running) -> None:
    turning = {"type": "set-motor-angle", "input": "payload", "input-type": "msg", "output": "0"}
    node_red.admin.push(flow(turning, once="far"))
    wait_for(lambda: "Input value is not a number" in node_red.log(), "the complaint")


BUS = {"id": "can", "type": "can-config", "interface": "can0", "baud": "1000000"}


def test_a_motor_is_turned_and_asked_over_the_bus(node_red: Running) -> None:
    encode = {"type": "angle-to-can", "input": "payload", "input-type": "msg", "output": "2"}
    write = {"type": "can-write", "client": "can"}
    ask = {"type": "function", "outputs": 1, "func": f"return {{payload: '142#94{'.00' * 7}'}};"}
    decode = {"type": "can-to-angle", "input": "payload", "input-type": "msg", "unit": "0"}
    node_red.admin.push([BUS, *flow(encode, write, ask, write, decode, once=77.25)])
    wait_for(lambda: kept(node_red, "seen") == {"motorId": 0x142, "angle": 77.25}, "the angle")


def test_who_listens_to_the_bus_gets_the_frames_that_the_filter_lets_through(
    node_red: Running,
) -> None:
    command = {"id": 0x141, "data": [0xA8, 0, 90, 0, 0x18, 0xFC, 0xFF, 0xFF]}  # by -10 degrees
    reader = {"id": "r", "type": "can-read", "z": TAB, "client": "can", "filter": "A8"}
    keep = {"id": "k", "type": "function", "z": TAB, "outputs": 0, "wires": []}
    keep["func"] = "global.set('frames', [...(global.get('frames') || []), msg.payload]);"
    nodes = flow({"type": "can-write", "client": "can"}, once=command)
    node_red.admin.push([BUS, *nodes, {**reader, "wires": [["k"]]}, keep])
    wait_for(lambda: len(kept(node_red, "frames") or []) == 2, "the command and its answer")
    frames = kept(node_red, "frames")
    assert frames[0] == command
    assert frames[1]["data"][:2] == [0xA8, 30]


@pytest.mark.parametrize("frame", ["141", {"id": 1}, {"id": 0x141, "data": [1, 2]}, "zz#00"])
def test_what_is_no_frame_is_refused(node_red: Running, frame: Any) -> None:
    before = node_red.log().count("with 8 bytes of data")
    node_red.admin.push([BUS, *flow({"type": "can-write", "client": "can"}, once=frame)])
    wait_for(lambda: node_red.log().count("with 8 bytes of data") > before, "the complaint")


def test_the_speed_of_a_motor_is_kept_for_other_flows(node_red: Running) -> None:
    setting = {"type": "set-motor-speed", "input": "payload", "input-type": "msg", "output": "1"}
    ask = {"id": "ask", "type": "inject", "z": TAB, "once": True, "onceDelay": 0.6}
    read = {"type": "get-motor-speed", "id": "read", "output": "1", "z": TAB, "wires": [["last"]]}
    node_red.admin.push([*flow(setting, once=300), {**ask, "wires": [["read"]]}, read])
    wait_for(lambda: kept(node_red, "seen") == 300, "the speed")
    assert kept(node_red, "can$$currentPitchSpeed") == "2C.01"


@pytest.mark.parametrize(
    ("answer", "volts"),
    [
        ({"code": 0, "data": {"voltage": 4012}}, 4.012),
        ({"code": -1, "msg": "Battery not available", "data": {}}, 0),
    ],
)
def test_the_battery_s_voltage_comes_from_the_supervisor(
    start: Start, tmp_path: Path, answer: dict[str, Any], volts: float
) -> None:
    call = tmp_path / "web/api/deviceMgr/queryBatteryInfo"
    call.parent.mkdir(parents=True)
    call.write_text(json.dumps(answer))
    with serving(tmp_path / "web") as port:
        running = start(tmp_path / "camera", http_port=port)
        battery = {"id": "b", "type": "get-battery-voltage", "z": TAB, "interval": "1"}
        nodes = flow({"type": "link out", "links": []})
        running.admin.push([*nodes, {**battery, "wires": [["last"]]}])
        wait_for(lambda: kept(running, "seen") == volts, "the voltage")
