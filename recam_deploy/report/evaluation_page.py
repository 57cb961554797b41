"""Render an evaluation as one HTML file that needs no scripts, network or fonts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..detection.decode import SCORE_THRESHOLD
from ..evaluation.accuracy import AsCamera, as_camera
from ..evaluation.evaluate import Evaluation
from ..evaluation.matching import LEAST_IOU, confusion, match_all
from ..measured import figure_title
from .document import document
from .evaluation_charts import Bar, bars, confusion_table, precision_chart, shown
from .evaluation_style import EVALUATION_STYLE
from .loss_section import loss_section
from .text import counted, escaped, shortened

_MOST_BARS = 20

_TITLES: Mapping[str, tuple[str, str]] = {
    "bbox": ("boxes", "intersection over union"),
    "segm": ("masks", "intersection over union"),
    "keypoints": ("keypoints", "object keypoint similarity"),
}

_SIDES = {"small": "below 32²", "medium": "32² to 96²", "large": "from 96²"}

_BAR_KEY = (
    '<ul class="key"><li><i class="float"></i>float</li>'
    '<li><i class="cvimodel"></i>cvimodel</li></ul>'
)


def render_evaluation(evaluation: Evaluation, name: str) -> str:
    """Render the whole document on the artifact `name`. All text from files is escaped.

    Pictures that lost most are read again, to draw on them.
    """
    sections = [
        _summary(evaluation, name),
        _figures(evaluation),
        _as_camera(evaluation),
        _curves(evaluation),
        _by_class_and_size(evaluation),
        _confusion(evaluation),
        loss_section(evaluation.labelled, evaluation.found),
        _data(evaluation),
    ]
    return document(f"{shortened(name)}: accuracy", sections, EVALUATION_STYLE)


def _summary(evaluation: Evaluation, name: str) -> str:
    labelled = evaluation.labelled
    main = evaluation.cvimodel.main[0]
    before, after = evaluation.reference.figures[main], evaluation.cvimodel.figures[main]
    seen, title = evaluation.as_camera, figure_title(main)
    tiles = [
        (f"{title}, float", shown(before)),
        (f"{title}, cvimodel", shown(after)),
        ("lost", "none" if before is None or after is None else f"{before - after:.4f}"),
        ("precision on camera", _percent(seen.precision)),
        ("recall on camera", _percent(seen.recall)),
    ]
    listed = "".join(f"<li><b>{value}</b><span>{what}</span></li>" for what, value in tiles)
    count = len(labelled.pictures)
    facts = [
        _data_name(labelled.source) + (f" ({labelled.part})" if labelled.part else ""),
        f"{count:,} of {labelled.of:,} pictures"
        if labelled.of > count
        else counted(count, "picture"),
        counted(labelled.objects, "object"),
        f"by the {evaluation.backend}",
        f"{evaluation.seconds:.1f} s",
    ]
    return (
        f'<header><h1>{shortened(name)}</h1><p class="soft">{escaped(" · ".join(facts))}</p>'
        "<p>The float ONNX model and the cvimodel, both decoded as on the camera, against what is "
        f'marked in the pictures.</p><ul class="tiles">{listed}</ul></header>'
    )


def _data_name(source: Path) -> str:
    """Return the name of the data: of a file with that of its folder."""
    name = source.absolute()
    return f"{name.parent.name}/{name.name}" if name.suffix and name.parent.name else name.name


def _figures(evaluation: Evaluation) -> str:
    before, after = evaluation.reference.figures, evaluation.cvimodel.figures
    rows = "".join(_row(evaluation, name, before[name], after[name]) for name in before)
    explained = (
        "<p>The share of pictures whose class is the model's first answer (top-1), or among its "
        "first five (top-5).</p>"
        if evaluation.labelled.task == "classify"
        else "<p>mAP is the mean over the classes of the average precision, as COCO defines it: "
        "mAP50 where an object is found by an overlap of half, mAP50-95 the mean over stricter "
        "overlaps up to 0.95. Small objects are below 32² pixels of the picture, large ones "
        "from 96².</p>"
    )
    return (
        '<section><h2>Accuracy</h2><div class="two"><div class="card scroll"><table><thead><tr>'
        '<th>figure</th><th class="n">float</th><th class="n">cvimodel</th><th class="n">lost</th>'
        f'</tr></thead><tbody>{rows}</tbody></table></div><div class="card">{explained}'
        "<p>A limit on the loss (<code>--max-drop</code>) is compared with the figures in bold."
        "</p></div></div></section>"
    )


def _row(evaluation: Evaluation, name: str, before: float | None, after: float | None) -> str:
    main = ' class="main"' if name in evaluation.cvimodel.main else ""
    if before is None or after is None:
        lost = '<td class="n soft">none</td>'
    else:
        change = before - after
        kind = " lost" if change >= 0.00005 else " gained" if change <= -0.00005 else ""
        lost = f'<td class="n{kind}">{change + 0.0:.4f}</td>'.replace("-0.0000", "0.0000")
    return (
        f'<tr{main}><td>{figure_title(name)}</td><td class="n">{shown(before)}</td>'
        f'<td class="n">{shown(after)}</td>{lost}</tr>'
    )


def _as_camera(evaluation: Evaluation) -> str:
    labelled = evaluation.labelled
    reference = as_camera(labelled, [one.reference for one in evaluation.found])
    cvimodel = evaluation.as_camera
    rows = [
        Bar("precision", "of what is shown, is right", reference.precision, cvimodel.precision),
        Bar("recall", "of what is there, is shown", reference.recall, cvimodel.recall),
        Bar("F1", "harmonic mean of both", _f1(reference), _f1(cvimodel)),
    ]
    rule = (
        f"<p>The camera shows its best class from a score of {SCORE_THRESHOLD}.</p>"
        if labelled.task == "classify"
        else f"<p>The camera shows what scores more than {SCORE_THRESHOLD}. It is right where an "
        f"object of that class overlaps it by at least {LEAST_IOU} (intersection over union of the "
        "boxes), each object once.</p>"
    )
    return (
        '<section><h2>As the camera shows it</h2><div class="two">'
        f'<div class="card">{bars(rows)}{_BAR_KEY}</div><div class="card">{rule}</div></div>'
        "</section>"
    )


def _f1(seen: AsCamera) -> float | None:
    if seen.precision is None or seen.recall is None:
        return None
    total = seen.precision + seen.recall
    return 2 * seen.precision * seen.recall / total if total else 0.0


def _curves(evaluation: Evaluation) -> str:
    cards, said = [], []
    for kind, (title, measure) in _TITLES.items():
        before, after = evaluation.reference.parts.get(kind), evaluation.cvimodel.parts.get(kind)
        if before is None or after is None or not before.curve:
            continue
        lines = [
            ("float strict", before.curve75),
            ("float", before.curve),
            ("cvimodel strict", after.curve75),
            ("cvimodel", after.curve),
        ]
        key = "".join(
            f'<li><svg viewBox="0 0 16 16" aria-hidden="true"><path class="{kind}" d="M0 8h16"/>'
            f"</svg>{text}</li>"
            for kind, text in (
                ("float", "float"),
                ("cvimodel", "cvimodel"),
                ("cvimodel strict", "at 0.75 instead of 0.5"),
            )
        )
        cards.append(
            f'<div class="card"><h3>Of {title}</h3>'
            f"{precision_chart(f'Precision and recall of {title}', lines)}"
            f'<ul class="key">{key}</ul></div>'
        )
        said.append(f"For {title} it is their {measure}. ")
    if not cards:
        return ""
    text = (
        '<div class="card"><p>Precision is the share of detections that are right, recall the '
        "share of objects that are found, as more and more detections count, the best scores "
        "first. Curves are means over the classes.</p><p>A detection is right from an agreement "
        f"of 0.5 with what is marked, or of 0.75. {''.join(said)}</p><p>The area below a curve is "
        "the average precision. Where both curves meet, nothing is lost.</p></div>"
    )
    return (
        f'<section><h2>Precision and recall</h2><div class="two">{"".join(cards)}{text}</div>'
        "</section>"
    )


def _by_class_and_size(evaluation: Evaluation) -> str:
    main = figure_title(evaluation.cvimodel.main[0])
    counts = _objects_by_class(evaluation)
    before, after = evaluation.reference.by_class, evaluation.cvimodel.by_class
    rows = [
        Bar(
            evaluation.labelled.labels[number],
            counted(counts[number], "object"),
            before.get(number),
            after.get(number),
        )
        for number in before
        if counts.get(number)
    ]
    rows.sort(key=lambda row: -row.lost)
    rest = rows[_MOST_BARS:]
    more = (
        f"<details><summary>{counted(len(rest), 'other')}, which lost less</summary>"
        f"{bars(rest)}</details>"
        if rest
        else ""
    )
    by_class = (
        f'<div class="card"><h3>{main} by class</h3>{bars(rows[:_MOST_BARS])}{_BAR_KEY}'
        f'<p class="soft rule">The class that lost most comes first.</p>{more}</div>'
    )
    return (
        f'<section><h2>By class and size</h2><div class="two">{by_class}{_by_size(evaluation)}'
        "</div></section>"
    )


def _by_size(evaluation: Evaluation) -> str:
    before, after = evaluation.reference.parts.get("bbox"), evaluation.cvimodel.parts.get("bbox")
    if before is None or after is None:
        return ""
    rows = [
        Bar(size, sides, before.by_size[size], after.by_size[size])
        for size, sides in _SIDES.items()
    ]
    return (
        f'<div class="card"><h3>mAP50-95 by size</h3>{bars(rows)}{_BAR_KEY}'
        '<p class="soft rule">By an object\'s area, in pixels of the picture.</p></div>'
    )


def _objects_by_class(evaluation: Evaluation) -> dict[int, int]:
    counts: dict[int, int] = {}
    for picture in evaluation.labelled.pictures:
        for one in picture.objects:
            if not one.crowd:
                counts[one.class_id] = counts.get(one.class_id, 0) + 1
    return counts


def _confusion(evaluation: Evaluation) -> str:
    labelled = evaluation.labelled
    matches = match_all(labelled, [one.cvimodel for one in evaluation.found])
    table = confusion_table(confusion(labelled.labels, matches), "not found")
    how = (
        "an object with a detection of its class first, and only what is left with other classes, "
        if labelled.task != "classify"
        else "each picture with the class that the camera shows, "
    )
    return (
        "<section><h2>What is taken for what</h2><p>The cvimodel at the camera's threshold: "
        f"{how}in numbers of {'pictures' if labelled.task == 'classify' else 'objects'}. Right "
        "ones are on the diagonal.</p>"
        f'<div class="card scroll">{table}</div></section>'
    )


def _data(evaluation: Evaluation) -> str:
    labelled = evaluation.labelled
    facts = [("data", str(labelled.source)), ("part", labelled.part), ("sha256", labelled.digest)]
    left_out = ", ".join(f"{count:,} {why}" for why, count in labelled.passed_over.most_common())
    facts.append(("passed over", left_out))
    if labelled.evaluated is not None:
        names = [labelled.labels[one] for one in sorted(labelled.evaluated)]
        facts.append(("classes that count", ", ".join(names)))
    listed = "".join(f"<dt>{what}</dt><dd>{escaped(value)}</dd>" for what, value in facts if value)
    problems = "".join(f"<li>{escaped(problem)}</li>" for problem in labelled.problems)
    noted = f'<ul class="marked">{problems}</ul>' if problems else ""
    return f'<section><h2>The data</h2><div class="card"><dl>{listed}</dl>{noted}</div></section>'


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f} %"
