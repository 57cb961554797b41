"""Render a comparison as one HTML file that needs no scripts, network or fonts."""

from __future__ import annotations

import math

from ..detection.types import Detection
from ..network.model import CLASSIFY
from .charts import cosine_chart, score_chart
from .comparison import ComparedPicture, Comparison
from .document import data_uri, document
from .layer_section import layer_section
from .origin import origin
from .text import counted, escaped, number, shortened, sizes

_MOST_LINKS = 30


def render(comparison: Comparison) -> str:
    """Render the whole document. All text from files is escaped."""
    name = shortened(comparison.subject.artifact.name)
    sections = [
        _summary(comparison),
        _outputs(comparison),
        _detections(comparison) if comparison.detects else "",
        layer_section(comparison),
        _pictures(comparison),
        origin(comparison.subject),
    ]
    return document(f"{name}: float against TPU", sections)


def _summary(comparison: Comparison) -> str:
    subject = comparison.subject
    artifact, network = subject.artifact, subject.network
    counts = comparison.agreement
    least = min(output.cosine for output in comparison.outputs)
    tiles = [("least cosine", f"{least:.4f}")]
    if comparison.detects:
        tiles += [
            ("matched on TPU", f"{counts.matched} of {counts.reference}"),
            ("missed on TPU", str(counts.reference - counts.matched)),
            ("extra on TPU", str(counts.extra)),
        ]
    if comparison.mask_iou is not None:
        tiles.append(("mean mask IoU", f"{comparison.mask_iou:.3f}"))
    tiles += [
        ("cvimodel", f"{artifact.size / 1e6:.2f} MB"),
        ("ION memory", f"{subject.ion_bytes / 2**20:.1f} MiB"),
    ]
    shown = "".join(f"<li><b>{value}</b><span>{what}</span></li>" for what, value in tiles)
    facts = [network.family, artifact.quantization or "precision unknown"]
    facts += [f"{network.input.width}×{network.input.height}", artifact.chip]
    if network.labels:
        facts.append("1 class" if network.classes == 1 else f"{network.classes} classes")
    count = counted(len(comparison.pictures), "picture")
    if len(comparison.pictures) < comparison.available:
        count = f"{len(comparison.pictures)} of {comparison.available} pictures"
    return (
        f"<header><h1>{shortened(artifact.name)}</h1>"
        f'<p class="soft">{escaped(" · ".join(facts))}</p>'
        "<p>The float ONNX model against the cvimodel on "
        f"{count}. The TPU simulator computes bit for bit as the chip does.</p>"
        f'<ul class="tiles">{shown}</ul></header>'
    )


def _outputs(comparison: Comparison) -> str:
    rows = "".join(
        f'<tr><td class="n">{index}</td><td class="name"><code>{shortened(output.name)}</code></td>'
        f'<td class="n">{sizes(output.shape)}</td><td class="n">{output.cosine:.4f}</td>'
        f'<td class="n">{number(output.largest)}</td><td class="n">{number(output.mean)}</td>'
        f'<td class="n">{number(output.peak)}</td></tr>'
        for index, output in enumerate(comparison.outputs, 1)
    )
    return (
        '<section><h2>Outputs</h2><div class="two"><div class="card">'
        f"{cosine_chart(comparison.outputs)}</div>"
        '<div class="card"><p>The cosine compares the directions of two tensors; at 1 they differ '
        "in scale alone. Values slightly below 1 are normal for INT8.</p>"
        "<p>Errors are absolute, over all pictures, in the units of the output. The largest "
        "value is that of the float output, as their scale.</p></div></div>"
        '<div class="card scroll"><table><thead><tr><th class="n">#</th><th>output</th>'
        '<th class="n">shape</th><th class="n">cosine</th>'
        '<th class="n">largest error</th><th class="n">mean error</th>'
        f'<th class="n">largest value</th></tr></thead><tbody>{rows}</tbody></table></div>'
        "</section>"
    )


_KEY = (
    ("matched", '<circle class="matched" cx="8" cy="8" r="5"/>', "found by both"),
    ("missed", '<path class="missed" d="M3 3l10 10m0 -10l-10 10"/>', "missed: found in float only"),
    ("extra", '<path class="extra" d="M8 2l6 11h-12z"/>', "extra: found on the TPU only"),
    (
        "borderline",
        '<circle class="borderline" cx="8" cy="8" r="5"/>',
        "found by both, in float just below the least score that counts",
    ),
)


def _detections(comparison: Comparison) -> str:
    pairings = [picture.pairing for picture in comparison.pictures]
    if not any(p.matched or p.borderline or p.missed or p.extra for p in pairings):
        return (
            "<section><h2>Detections</h2><p>Neither model found anything on these pictures, so no "
            "detections were compared. Use pictures that show what the model should find.</p>"
            "</section>"
        )
    matches = [match for pairing in pairings for match in pairing.matched]
    kinds = {"matched", "missed", "extra"}
    if any(pairing.borderline for pairing in pairings):
        kinds.add("borderline")
    key = "".join(
        f'<li><svg viewBox="0 0 16 16" aria-hidden="true">{mark}</svg>{text}</li>'
        for kind, mark, text in _KEY
        if kind in kinds
    )
    counts = comparison.agreement
    facts = [
        ("in float", str(counts.reference)),
        ("matched", str(counts.matched)),
        ("missed", str(counts.reference - counts.matched)),
        ("extra", str(counts.extra)),
    ]
    if matches:
        change = math.fsum(abs(a.score - b.score) for a, b in matches) / len(matches)
        largest = max(abs(a.score - b.score) for a, b in matches)
        facts.append(("change of score", f"{change:.3f} on average, {largest:.3f} at most"))
    ious = [iou for picture in comparison.pictures for iou in picture.mask_ious]
    if ious:
        facts.append(
            ("mask IoU", f"{comparison.mask_iou:.3f} on average, {min(ious):.3f} at least")
        )
    listed = "".join(f"<dt>{what}</dt><dd>{value}</dd>" for what, value in facts)
    return (
        '<section><h2>Detections</h2><div class="two">'
        f'<div class="card">{score_chart(comparison.pictures)}<ul class="key">{key}</ul></div>'
        f'<div class="card"><dl>{listed}</dl><p class="soft rule">{_rule(comparison)}</p>'
        f"{_links(comparison)}</div></div></section>"
    )


def _rule(comparison: Comparison) -> str:
    """Explain which detections count as matched and as extra, for the model's family."""
    family = comparison.subject.network.family
    if family == CLASSIFY:
        return (
            "The best class of the float model counts from a score of 0.5. It is matched where the "
            "best class on the TPU is the same, with a score of at least 0.4. Another class with a "
            "score of at least 0.5 is extra."
        )
    masks = (
        " Masks do not decide that; their agreement is measured as the intersection over union of "
        "both."
    ) * (comparison.mask_iou is not None)
    return (
        "A detection of the float model counts from a score of 0.5. It is matched by one of the "
        "same class with an overlap of at least 0.7 (intersection over union) and a score of at "
        "least 0.4. A detection on the TPU with a score of at least 0.5 and no match in float is "
        f"extra.{masks}"
    )


def _links(comparison: Comparison) -> str:
    """Link to the pictures with a difference."""
    differing = [
        f'<a href="#picture-{index}">{shortened(picture.name)}</a>'
        for index, picture in enumerate(comparison.pictures, 1)
        if picture.pairing.missed or picture.pairing.extra
    ]
    if not differing:
        return "<p>Nothing is missed and nothing is extra on any picture.</p>"
    more = len(differing) - _MOST_LINKS
    shown = ", ".join(differing[:_MOST_LINKS]) + (f" and {more} more" if more > 0 else "")
    return f"<p>Pictures with a difference: {shown}.</p>"


def _pictures(comparison: Comparison) -> str:
    cards = "\n".join(
        _card(index, picture, comparison.detects)
        for index, picture in enumerate(comparison.pictures, 1)
    )
    return f"<section><h2>Pictures</h2>\n{cards}</section>"


def _card(index: int, picture: ComparedPicture, detects: bool) -> str:
    name = shortened(picture.name)
    width, height = picture.size
    facts = f"{width}×{height}, least cosine {picture.cosine:.4f}"
    if picture.mask_ious:
        facts += f", mean mask IoU {math.fsum(picture.mask_ious) / len(picture.mask_ious):.3f}"
    if detects:
        figures = (
            f'<div class="two">{_figure("Float", picture.float_jpeg, name)}'
            f"{_figure('TPU', picture.tpu_jpeg, name)}</div>{_marked(picture)}"
        )
    else:
        figures = f'<img alt="{name}" src="{data_uri(picture.float_jpeg)}">'
    return (
        f'<article class="card" id="picture-{index}"><div class="head"><h3>{name}</h3>'
        f'<span class="soft">{facts}</span>{_badges(picture) if detects else ""}</div>'
        f"{figures}</article>"
    )


def _badges(picture: ComparedPicture) -> str:
    counts = picture.pairing.agreement
    missed = counts.reference - counts.matched
    badges = [
        ("soft" if missed else "good", f"{counts.matched} of {counts.reference} matched"),
    ]
    if not counts.reference:
        badges = [("soft", "nothing found in float")]
    if missed:
        badges.append(("missed", f"{missed} missed"))
    if counts.extra:
        badges.append(("extra", f"{counts.extra} extra"))
    return "".join(f'<span class="badge {kind}">{text}</span>' for kind, text in badges)


def _figure(side: str, jpeg: bytes, name: str) -> str:
    return (
        f"<figure><figcaption>{side}</figcaption>"
        f'<img alt="{name}, detections of the {side} model" src="{data_uri(jpeg)}"></figure>'
    )


def _marked(picture: ComparedPicture) -> str:
    """List missed and extra detections as text, for readers who cannot see the marks."""
    items = [
        f"<li>{kind}: {_text(detection)}</li>"
        for kind, detections in (
            ("missed", picture.pairing.missed),
            ("extra", picture.pairing.extra),
        )
        for detection in detections
    ]
    return f'<ul class="marked">{"".join(items)}</ul>' if items else ""


def _text(detection: Detection) -> str:
    box = ", ".join(f"{side:.0f}" for side in detection.box)
    return f"{shortened(detection.label)} {detection.score:.2f} at {box}"
