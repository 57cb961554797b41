"""Flow documents with something wrong, made from good ones; the same ones for the same seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 1e308, 2**70, "", " ", "x", "ü\u0000", "__proto__", [], [[]], [None]),
    *({}, {"id": 1}, [["a1c0de0000000004"]], ["nothing"], [[["deep"]]], "a" * 300, "\ud800"),
)


def mutated(nodes: list[dict[str, Any]], seed: int) -> str:
    """The text of a document in which one to three things are changed."""
    chance = random.Random(seed)
    document: Any = copy.deepcopy(nodes)
    for _ in range(chance.randint(1, 2)):
        if isinstance(document, list) and document:
            document = chance.choice(_CHANGES)(document, chance)
    text = json.dumps(document)
    return chance.choice(_SPOILERS)(text, chance) if chance.random() < 0.15 else text


def _change_field(nodes: list[Any], chance: random.Random) -> Any:
    node = chance.choice(nodes)
    if isinstance(node, dict) and node:
        node[chance.choice(list(node))] = chance.choice(ODD_VALUES)
    return nodes


def _add_field(nodes: list[Any], chance: random.Random) -> Any:
    node = chance.choice(nodes)
    names = ("d", "g", "z", "env", "wires", "__proto__", "credentials", "links", "nodes", "_flow")
    if isinstance(node, dict):
        node[chance.choice((*names, "unheard of"))] = chance.choice(ODD_VALUES)
    return nodes


def _drop_field(nodes: list[Any], chance: random.Random) -> Any:
    node = chance.choice(nodes)
    if isinstance(node, dict) and node:
        del node[chance.choice(list(node))]
    return nodes


def _repeat_node(nodes: list[Any], chance: random.Random) -> Any:
    return [*nodes, copy.deepcopy(chance.choice(nodes))]


def _drop_node(nodes: list[Any], chance: random.Random) -> Any:
    del nodes[chance.randrange(len(nodes))]
    return nodes


def _replace_node(nodes: list[Any], chance: random.Random) -> Any:
    nodes[chance.randrange(len(nodes))] = chance.choice(ODD_VALUES)
    return nodes


def _change_kind(nodes: list[Any], chance: random.Random) -> Any:
    kinds = ("tab", "subflow", "group", "camera", "inject", "subflow:none", "no such type", "")
    node = chance.choice(nodes)
    if isinstance(node, dict):
        node["type"] = chance.choice(kinds)
    return nodes


def _change_id(nodes: list[Any], chance: random.Random) -> Any:
    ids = ("hasOwnProperty", "constructor", "a b", "global", "0", "node-1", "a" * 128, "é")
    node = chance.choice(nodes)
    if isinstance(node, dict):
        node["id"] = chance.choice(ids)
    return nodes


def _nest(nodes: list[Any], chance: random.Random) -> Any:
    deep: Any = "deep"
    for _ in range(chance.choice((5, 200))):
        deep = [deep]
    node = chance.choice(nodes)
    if isinstance(node, dict):
        node["deep"] = deep
    return nodes


def _wrap(nodes: list[Any], chance: random.Random) -> Any:
    return chance.choice(({"flows": nodes}, {"flows": {}, "rev": 1}, {"nodes": nodes}, [nodes]))


_CHANGES: tuple[Callable[[list[Any], random.Random], Any], ...] = (
    *(_change_field, _change_field, _change_field, _add_field, _drop_field, _repeat_node),
    *(_drop_node, _replace_node, _change_kind, _change_id, _nest, _wrap),
)
_SPOILERS: tuple[Callable[[str, random.Random], str], ...] = (
    lambda text, chance: text[: chance.randrange(len(text) + 1)],
    lambda text, chance: text.replace("0", "NaN", 1),
    lambda text, chance: text.replace(":", "::", 1),
    lambda text, chance: "\ufeff" + text,
    lambda text, chance: "[" * 100_000 + text,
    lambda text, chance: text.replace("1", "1e999", 1),
    lambda text, chance: "",
)
