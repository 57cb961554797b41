"""Case 31: nodes whose types are not installed are named with their places in the editor."""

from __future__ import annotations

import pytest
from own_flows import own_flows

from recam_deploy.errors import NodeRedError
from recam_deploy.flows.document import Node
from recam_deploy.flows.missing import check_types, missing_nodes

INSTALLED = frozenset({"debug", "function", "camera", "model", "sscma", "comment"})
PLACED = {"x": 1, "y": 1, "wires": []}
OTHERS: list[Node] = [
    {"id": "off", "type": "tab", "label": "Old things", "disabled": True},
    {"id": "sub2", "type": "subflow", "name": "Spare", "in": [], "out": []},
]

CASES: list[tuple[Node, str]] = [
    (
        {"id": "c1", "type": "ui_base"},
        "ui_base 'c1' (configuration node, used by nobody: sidebar, Configuration nodes)",
    ),
    (
        {"id": "c2", "type": "ui_base", "name": "My board", "z": "tab-one"},
        "ui_base 'My board' (id c2) (configuration node, used by nobody: "
        "sidebar, Configuration nodes)",
    ),
    ({"id": "n1", "type": "gauge", "z": "tab-one", **PLACED}, "gauge 'n1' on the tab 'One'"),
    (
        {"id": "n2", "type": "gauge", "name": "rpm", "z": "off", **PLACED},
        "gauge 'rpm' (id n2) on the tab 'Old things', which is disabled",
    ),
    (
        {"id": "n3", "type": "gauge", "z": "sub2", **PLACED},
        "gauge 'n3' in the subflow 'Spare', which is used nowhere",
    ),
    ({"id": "n4", "type": "gauge", "z": "sub", **PLACED}, "gauge 'n4' in the subflow 'Louder'"),
    (
        {"id": "n5", "type": "subflow:gone", "z": "tab-one", **PLACED},
        "subflow:gone 'n5' on the tab 'One', an instance of a subflow whose definition is gone",
    ),
    ({"id": "n6", "type": "unknown", "z": "tab-two", **PLACED}, "unknown 'n6' on the tab 'Two'"),
    ({"id": "n7", "type": "gauge", "z": "lost", **PLACED}, "gauge 'n7' on a tab that is missing"),
]


@pytest.mark.parametrize(("node", "line"), CASES, ids=[str(node["id"]) for node, _ in CASES])
def test_case_31_each_node_is_named_with_its_place(node: Node, line: str) -> None:
    (missing,) = missing_nodes([*own_flows(), *OTHERS, node], INSTALLED)
    assert missing.line == line
    with pytest.raises(NodeRedError) as caught:
        check_types([*own_flows(), *OTHERS, node], INSTALLED)
    assert line in caught.value.message
    assert node["type"] in caught.value.message
    assert caught.value.hint


def test_who_uses_a_configuration_node_is_counted() -> None:
    users: list[Node] = [
        {"id": "u1", "type": "debug", "board": "c1", "wires": []},
        {"id": "u2", "type": "debug", "boards": ["c1"], "wires": []},
    ]
    board: Node = {"id": "c1", "type": "ui_base"}
    (missing,) = missing_nodes([board, users[0]], INSTALLED)
    assert "used by 1 node:" in missing.line
    (missing,) = missing_nodes([board, *users], INSTALLED)
    assert "used by 2 nodes:" in missing.line


def test_many_nodes_are_counted_beyond_the_first() -> None:
    nodes: list[Node] = [{"id": f"n{i}", "type": "gauge", **PLACED} for i in range(20)]
    with pytest.raises(NodeRedError, match="and 12 more"):
        check_types(nodes, INSTALLED)
