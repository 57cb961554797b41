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

from .subgraphs import all_graphs, rename

_FOREIGN = re.compile(r"""[^!-~]+|[#"'\\,`]+""")


def make_names_plain(model: onnx.ModelProto) -> dict[str, str]:
    """Rename, in place, the tensors of `model` whose names the compiler cannot process.

    Return the new names by the old ones.
    """
    names = {name for graph in all_graphs(model.graph) for name in _named_in(graph) if name}
    renamed: dict[str, str] = {}
    for name in sorted(names):
        plain = _FOREIGN.sub("_", name)
        if plain != name:
            free = itertools.chain([plain], (f"{plain}_{number}" for number in itertools.count(2)))
            renamed[name] = next(candidate for candidate in free if candidate not in names)
            names.add(renamed[name])
    if renamed:
        rename(model.graph, renamed)
    return renamed


def _named_in(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (value.name for value in _values(graph))
    for node in graph.node:
        yield from (*node.input, *node.output)


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto | onnx.TensorProto]:
    yield from graph.input
    yield from graph.output
    yield from graph.value_info
    yield from graph.initializer
