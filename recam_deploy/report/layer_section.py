"""Render the report's section about the errors of layers, and how to keep the worst in BF16."""

from __future__ import annotations

from collections.abc import Sequence

from .charts import layer_chart
from .comparison import Comparison
from .layers import LayerError, LayerErrors
from .text import counted, escaped, shortened

_WORST = 10
_KEPT = 5

_KEY = (
    ("lossy", "in INT8, adds most error"),
    ("plain", "in INT8"),
    ("exact", "in BF16 or float"),
)


def layer_section(comparison: Comparison) -> str:
    """Render the section; empty where layers were not measured."""
    errors = comparison.layers
    if errors is None:
        return ""
    if not errors.layers:
        return (
            "<section><h2>Layers</h2><p>None of the network's layers has a tensor of its own in "
            "the cvimodel, so none could be compared.</p></section>"
        )
    worst = errors.worst(_WORST)
    key = "".join(
        f'<li><svg viewBox="0 0 16 16" aria-hidden="true"><circle class="{kind}" cx="8" cy="8" '
        f'r="5"/></svg>{text}</li>'
        for kind, text in _KEY
        if any(_kind(layer, worst) == kind for layer in errors.layers)
    )
    return (
        f"<section><h2>Layers</h2><p>{_explanation(errors)}</p>"
        f'<div class="card scroll">{layer_chart(errors.layers, worst)}'
        f'<ul class="key">{key}</ul></div>{_table(worst)}{_advice(errors, worst)}</section>'
    )


def _kind(layer: LayerError, worst: Sequence[LayerError]) -> str:
    if layer in worst:
        return "lossy"
    return "plain" if layer.precision == "int8" else "exact"


def _explanation(errors: LayerErrors) -> str:
    """Explain which layers were compared, and what the numbers mean."""
    text = (
        f"Of the {errors.operators} operators of the ONNX model, {len(errors.layers)} have a "
        f"tensor of their own in the cvimodel and are compared, on "
        f"{counted(errors.images, 'picture')}; "
    )
    text += (
        "the compiler fused the others into these. To read them all, the network was compiled "
        "again with separate memory for each layer; its outputs are the cvimodel's, bit for bit. "
        if errors.complete
        else "the compiler fused the others, or overwrote their memory. To compare more, run "
        "<code>recam convert</code> again on this machine: the steps of the conversion are no "
        "longer in its cache. "
    )
    return text + (
        "The error is the norm of the difference as a share of the norm of the float tensor. It "
        "passes from layer to layer; a layer adds the difference between its error and that of "
        "the layers that it reads."
    )


def _table(worst: Sequence[LayerError]) -> str:
    if not worst:
        return ""
    rows = "".join(
        f'<tr><td class="n">{index}</td><td class="name"><code>{shortened(layer.name)}</code></td>'
        f'<td>{escaped(layer.op)}</td><td class="n">+{100 * layer.added:.2f} %</td>'
        f'<td class="n">{100 * layer.error:.2f} %</td><td class="n">{layer.cosine:.4f}</td></tr>'
        for index, layer in enumerate(worst, 1)
    )
    return (
        '<div class="card scroll"><table><thead><tr><th class="n">#</th><th>layer that adds most '
        'error</th><th>operator</th><th class="n">adds</th><th class="n">error</th>'
        f'<th class="n">cosine</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _advice(errors: LayerErrors, worst: Sequence[LayerError]) -> str:
    if not worst:
        return "<p>No layer in INT8 adds to the error; there is nothing to keep in BF16.</p>"
    known = {line.split()[0] for line in errors.quantize_table}
    added = [f"{layer.name} BF16" for layer in worst[:_KEPT] if layer.name not in known]
    lines = "\n".join(escaped(line) for line in (*added, *errors.quantize_table))
    kept = " with those that are in BF16 already" * bool(errors.quantize_table)
    return (
        f'<div class="card"><p>To keep the worst {len(added)} in BF16, put these lines{kept} into '
        "a file and convert again with <code>--quantize-table FILE</code>. Each makes the model "
        "larger and slower; start with a few.</p>"
        f'<pre class="long">{lines}</pre></div>'
    )
