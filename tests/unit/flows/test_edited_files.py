"""Case 2: what a push makes of a file or a template that was changed since the last push."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from own_flows import own_flows
from planted import secret

from recam_deploy.errors import FlowError
from recam_deploy.flows.diff import compare
from recam_deploy.flows.document import Node
from recam_deploy.flows.record import EMPTY, Record
from recam_deploy.flows.target import MergeTarget, Overwritten
from recam_deploy.flows.templates import Addition, ModelChoice, fill

Flows = list[dict[str, Any]]
SECRET = secret("a password in a flow file")


def file() -> Flows:
    """A user's file: a tab with an inject, a function and a debug node, and a broker."""
    return [
        {"id": "t1", "type": "tab", "label": "mine", "disabled": False, "info": ""},
        {"id": "i1", "type": "inject", "z": "t1", "x": 100, "y": 80, "wires": [["f1"]]},
        {"id": "f1", "type": "function", "z": "t1", "func": "old", "x": 300, "y": 80}
        | {"wires": [["d1"]]},
        {"id": "d1", "type": "debug", "z": "t1", "name": "", "x": 500, "y": 80, "wires": []},
        {"id": "m1", "type": "mqtt out", "z": "t1", "broker": "b1", "x": 500, "y": 160}
        | {"wires": []},
        {"id": "b1", "type": "mqtt-broker", "broker": "10.0.0.1"},
    ]


class Camera:
    """A camera's flows and the record of what was pushed, changed by each push."""

    def __init__(self, *, forgetful: bool = False) -> None:
        self.flows: tuple[Node, ...] = tuple(own_flows())
        self.record, self.forgetful = EMPTY, forgetful

    def push(self, nodes: Flows, name: str = "some/where/my.json") -> tuple[Overwritten, ...]:
        return self.push_addition(fill(name, tuple(copy.deepcopy(nodes)), ModelChoice()))

    def push_addition(self, addition: Addition) -> tuple[Overwritten, ...]:
        target = MergeTarget(addition, self.record)
        before, self.flows = self.flows, target(self.flows)
        assert target(self.flows) == self.flows, "a second push would change something"
        if not self.forgetful:
            # As it is when it is read again on another machine.
            record = target.record_after(before, self.flows)
            self.record = Record.parse(canonical_json(record))
            assert self.record == record
        return target.overwritten(before, compare(before, self.flows))

    def node(self, node_id: str) -> Node:
        (found,) = [node for node in self.flows if node["id"] == node_id]
        return found

    def edit(self, node_id: str, **fields: Any) -> None:
        self.flows = tuple(n | fields if n["id"] == node_id else n for n in self.flows)


def canonical_json(record: Record) -> bytes:
    import json

    return json.dumps(record.as_json()).encode()


def edited(node_id: str, **fields: Any) -> Flows:
    return [node | fields if node["id"] == node_id else node for node in file()]


@pytest.fixture(params=[False, True], ids=["recorded", "by an older recam"])
def camera(request: pytest.FixtureRequest) -> Camera:
    """A camera that has the user's file."""
    made = Camera(forgetful=request.param)
    made.push(file())
    return made


EDITS: list[tuple[str, dict[str, Any]]] = [
    ("f1", {"func": "new"}),
    ("d1", {"name": "shown", "active": True}),
    ("t1", {"label": "renamed"}),
    ("b1", {"broker": "10.0.0.2"}),
    ("i1", {"wires": [["f1", "d1"]]}),
    ("i1", {"wires": [["d1"]]}),
    ("f1", {"wires": [["d1"], ["m1"]], "outputs": 2}),
]


@pytest.mark.parametrize(("node_id", "fields"), EDITS)
def test_case_2_what_was_edited_in_the_file_is_pushed(
    camera: Camera, node_id: str, fields: dict[str, Any]
) -> None:
    others = [node for node in camera.flows if node["id"] != node_id]
    camera.push(edited(node_id, **fields))
    node = camera.node(node_id)
    assert {key: node[key] for key in fields} == fields
    assert [node for node in camera.flows if node["id"] != node_id] == others


def test_an_unchanged_file_overwrites_nothing(camera: Camera) -> None:
    before = camera.flows
    assert camera.push(file()) == ()
    assert camera.flows == before


def test_a_field_that_was_taken_out_of_the_file_goes() -> None:
    camera = Camera()
    camera.push(edited("i1", once=True))
    camera.push(file())
    assert "once" not in camera.node("i1")


def test_what_the_editor_added_to_a_node_stays(camera: Camera) -> None:
    camera.edit("d1", tosidebar=True, console=False)
    camera.push(edited("d1", name="shown"))
    assert camera.node("d1")["tosidebar"] is True


def test_the_owners_changes_are_named_before_they_are_overwritten() -> None:
    camera = Camera()
    camera.push(file())
    camera.edit("f1", func="the owner's")
    (lost,) = camera.push(edited("f1", func="new"))
    assert lost.as_json() == {
        "id": "f1",
        "type": "function",
        "fields": ["func"],
        "changed_on_camera": True,
    }
    assert "changed on the camera since the last push" in lost.line
    assert camera.node("f1")["func"] == "new"


def test_without_a_record_a_difference_is_named_without_saying_whose_it_is() -> None:
    camera = Camera(forgetful=True)
    camera.push(file())
    (lost,) = camera.push(edited("f1", func="new"))
    assert (lost.fields, lost.since) == (("func",), None)


def test_an_edit_of_the_file_alone_is_no_loss_of_the_owners() -> None:
    camera = Camera()
    camera.push(file())
    assert camera.push(edited("f1", func="new")) == ()


def test_where_the_owner_moved_a_node_it_stays(camera: Camera) -> None:
    camera.edit("f1", x=999, y=777)
    camera.push(edited("f1", func="new"))
    assert (camera.node("f1")["x"], camera.node("f1")["y"]) == (999, 777)


def test_a_node_that_was_moved_in_the_file_moves() -> None:
    camera = Camera()
    camera.push(file())
    camera.push(edited("f1", x=340))
    assert (camera.node("f1")["x"], camera.node("f1")["y"]) == (340, 80)


def test_wires_that_the_owner_added_stay() -> None:
    camera = Camera()
    camera.push(file())
    camera.flows = (*camera.flows, {"id": "theirs", "type": "debug", "z": "t1", "wires": []})
    camera.edit("f1", wires=[["d1", "theirs"]])
    camera.push(edited("f1", wires=[["m1"]]))
    assert camera.node("f1")["wires"] == [["theirs", "m1"]]


def test_nodes_that_left_the_file_leave_the_camera_with_their_wires() -> None:
    camera = Camera()
    camera.push(file())
    camera.flows = (
        *camera.flows,
        {"id": "theirs", "type": "inject", "z": "t1", "wires": [["d1", "f1"]]},
    )
    camera.push([n for n in edited("f1", wires=[[]]) if n["id"] not in ("d1", "m1", "b1")])
    left = {node["id"] for node in camera.flows}
    assert not {"d1", "m1", "b1"} & left
    assert camera.node("theirs")["wires"] == [["f1"]]
    assert {node["id"] for node in own_flows()} <= left


def test_what_the_rest_needs_stays_though_it_left_the_file() -> None:
    camera = Camera()
    camera.push(file())
    theirs: Flows = [
        {"id": "p1", "type": "mqtt in", "z": "t1", "broker": "b1", "wires": []},
    ]
    camera.flows = (*camera.flows, *theirs)
    other_tab: Node = {"id": "t2", "type": "tab", "label": "other"}
    moved: Flows = [node | {"z": "t2"} if node["id"] == "i1" else node for node in file()]
    rest: Flows = [node for node in moved if node["id"] in ("i1", "f1", "d1")]
    camera.push([other_tab, *rest])
    left = {node["id"] for node in camera.flows}
    assert {"b1", "t1", "p1"} <= left
    assert "m1" not in left


def test_a_node_that_the_owner_changed_is_named_before_it_is_removed() -> None:
    camera = Camera()
    camera.push(file())
    camera.edit("d1", name="the owner's")
    (lost,) = camera.push([n for n in edited("f1", wires=[[]]) if n["id"] != "d1"])
    assert (lost.node["id"], lost.fields) == ("d1", ("name",))


def test_another_file_of_the_same_name_removes_nothing() -> None:
    camera = Camera()
    camera.push(file())
    other: Flows = [
        {"id": "t9", "type": "tab", "label": "other"},
        {"id": "m9", "type": "mqtt out", "z": "t9", "broker": "b1", "x": 9, "y": 9, "wires": []},
        file()[-1],
    ]
    camera.push(other, "else/where/my.json")
    assert {node["id"] for node in file()} <= {node["id"] for node in camera.flows}


def test_nothing_is_removed_that_the_camera_had_before() -> None:
    """A file that was pulled, or that an older recam pushed, does not make nodes its own."""
    camera = Camera()
    camera.flows = (*camera.flows, *file())
    camera.push(file())
    camera.push([node for node in edited("f1", wires=[[]]) if node["id"] != "d1"])
    assert camera.node("d1")


def test_a_node_of_another_type_replaces_the_one_of_its_id() -> None:
    camera = Camera()
    camera.push(file())
    changed = [n | {"type": "complete"} if n["id"] == "d1" else n for n in file()]
    camera.push(changed)
    assert [node["type"] for node in camera.flows if node["id"] == "d1"] == ["complete"]


def test_passwords_of_a_file_are_not_recorded() -> None:
    camera = Camera()
    camera.push(edited("b1", credentials={"user": "u", "password": SECRET}))
    assert SECRET not in canonical_json(camera.record).decode()
    assert "credentials" in camera.node("b1")


def template(**fields: Any) -> Addition:
    """A template of one release: a model with a function behind it."""
    nodes: Flows = [
        {"id": "a1", "type": "tab", "label": "Recam"},
        {"id": "a2", "type": "model", "z": "a1", "uri": "", "x": 100, "y": 100, "wires": [["a3"]]},
        {"id": "a3", "type": "function", "z": "a1", "func": "v1", "x": 300, "y": 100, "wires": []},
    ]
    nodes[2] |= fields
    return fill("detections", tuple(nodes), ModelChoice())


@pytest.fixture
def fitted() -> Camera:
    camera = Camera()
    camera.push_addition(template())
    return camera


def test_case_2_a_template_that_a_release_changed_is_pushed(fitted: Camera) -> None:
    assert fitted.push_addition(template(func="v2")) == ()
    assert fitted.node("a3")["func"] == "v2"


def test_what_the_owner_changed_in_a_template_stays_unless_the_release_changes_it(
    fitted: Camera,
) -> None:
    fitted.edit("a3", func="the owner's", name="the owner's")
    assert fitted.push_addition(template()) == ()
    assert fitted.node("a3")["func"] == "the owner's"
    (lost,) = fitted.push_addition(template(func="v2"))
    assert (lost.fields, lost.since) == (("func",), True)
    assert (fitted.node("a3")["func"], fitted.node("a3")["name"]) == ("v2", "the owner's")


DAMAGED: list[Callable[[bytes], bytes]] = [
    lambda data: data[: len(data) // 2],
    lambda data: b"null",
    lambda data: b'{"code": "not_found"}',
    lambda data: data.replace(b'"recam"', b'"other"'),
    lambda data: data.replace(b'"id"', b'"ID"'),
    lambda data: b"[" * 100_000,
]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_record_is_as_good_as_none(damage: Callable[[bytes], bytes]) -> None:
    camera = Camera()
    camera.push(file())
    assert Record.parse(damage(canonical_json(camera.record))) == EMPTY


def camera_file(**fields: Any) -> Flows:
    tab = {"id": "t1", "type": "tab", "label": "mine", "disabled": False, "info": ""}
    node = {"id": "c1", "type": "camera", "z": "t1", "x": 1, "y": 1, "wires": [], "client": "s"}
    return [tab, node | fields, {"id": "s", "type": "sscma", "host": "localhost"}]


def test_case_2_a_camera_that_the_file_disables_stays_so_at_every_push() -> None:
    camera = Camera()
    camera.flows = ()
    camera.push(camera_file(d=True))
    assert camera.node("c1")["d"] is True
    camera.push(camera_file())
    assert "d" not in camera.node("c1")


def test_case_6_a_camera_on_a_disabled_tab_is_refused_before_anything_is_sent() -> None:
    tab, node, client = camera_file()
    unused = {"id": "t1", "type": "subflow", "name": "S", "in": [], "out": []}
    for home, reason in ((tab | {"disabled": True}, "disabled"), (unused, "used nowhere")):
        camera = Camera()
        camera.flows = ()
        with pytest.raises(FlowError, match=f"in the file lies .* {reason}"):
            camera.push([home, node, client])
