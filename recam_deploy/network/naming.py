"""Rename tensors whose names the compiler cannot process; nearly all exporters write plain ones.

The compiler's tables have no quoting, so a name ends at a blank and a `#` starts a comment. Its
MLIR file escapes quotes, backslashes and letters that are not ASCII in hex, which its own tools do
not decode (tpu_mlir 1.7, `KeyError` in run_calibration).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import onnx

_FOREIGN = re.compile(r"""[^!-~]+|[#"'\\,`]+""")


def make_names_plain(model: onnx.ModelProto) -> dict[str, str]:
    """Rename, in place, the tensors of `model` whose names the compiler cannot process.

    Return the new names by the old ones.
    """
    names = {name for graph in _graphs(model.graph) for name in _named_in(graph) if name}
    renamed: dict[str, str] = {}
    for name in sorted(names):
        plain = _FOREIGN.sub("_", name)
        if plain != name:
            free = itertools.chain([plain], (f"{plain}_{number}" for number in itertools.count(2)))
            renamed[name] = next(candidate for candidate in free if candidate not in names)
            names.add(renamed[name])
    if renamed:
        for graph in _graphs(model.graph):
            _rename(graph, renamed)
    return renamed


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph, and those inside its operators, which may read its tensors."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def _named_in(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (value.name for value in _values(graph))
    for node in graph.node:
        yield from (*node.input, *node.output)


def _rename(graph: onnx.GraphProto, renamed: dict[str, str]) -> None:
    for value in _values(graph):
        value.name = renamed.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto | onnx.TensorProto]:
    yield from graph.input
    yield from graph.output
    yield from graph.value_info
    yield from graph.initializer
