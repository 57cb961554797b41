"""Run `recam inspect`: describe a model file, and what the camera takes it for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from .error_handler import bounded
from .options.common import AsJson
from .options.effects import INSPECTION, refuse_useless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..cvimodel import CviModel, Program, Section, Tensor
    from ..terminal import Terminal
    from ..workflows.inspect import OnnxModel

_Cell: TypeAlias = "str | list[str]"
_MOST_NAMES = 12
"""The most class names shown to people; the rest is counted."""
_ROWS = {
    "any": "a multiple of 64 bytes: correct live and in the test binary",
    "padded": "padded to 64 bytes, as the camera delivers them live",
    "dense": "dense: live pictures are read sheared; built without --aligned_input",
}


@bounded
def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .cvimodel or .onnx file, or a model of another framework that `recam convert` "
            "accepts.",
            show_default=False,
        ),
    ],
    full: Annotated[
        bool,
        typer.Option("--full", help="Print every tensor and weight of a cvimodel as well."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Describe a model: its family, inputs and outputs, classes, memory and sections.

    For an ONNX model, says whether `recam convert` accepts it and, if not, why. For a cvimodel,
    shows all that Sophgo's own tool prints, without the compiler. --json always prints all. Models
    of other frameworks are read without being loaded: none of their code is run.

    Example: recam inspect yolo11n_int8.cvimodel --full
    """
    from ..cvimodel import CHIP, CviModel
    from ..terminal import Terminal
    from ..workflows import inspect as workflow
    from .inspect_foreign import inspect_foreign

    terminal = Terminal(as_json=as_json)
    found = workflow.inspect(file)
    refuse_useless(INSPECTION, {"cvimodel": isinstance(found, CviModel)})
    if isinstance(found, CviModel):
        _print_cvimodel(terminal, file, found, full=full)
        if found.header.chip == CHIP:
            for warning in workflow.warnings_of(found):
                terminal.warn(f"without its manifest, {file.name}: {warning}")
    elif isinstance(found, workflow.OnnxModel):
        _print_onnx(terminal, found)
    else:
        inspect_foreign(terminal, found)


def _print_cvimodel(terminal: Terminal, file: Path, model: CviModel, *, full: bool) -> None:
    if terminal.as_json:
        terminal.result(cvimodel_document(model))
        return
    _table(terminal, "", ("", "cvimodel"), _summary(file, model))
    _table(
        terminal,
        "Inputs and outputs",
        ("", "name", "shape", "type", "qscale", "pixels"),
        [
            (way, *_cells(tensor), tensor.pixel_format)
            for way, tensors in (("in", model.inputs), ("out", model.outputs))
            for tensor in tensors
        ],
    )
    _table(
        terminal,
        "Sections",
        ("type", "name", "bytes", "offset", "md5"),
        [(_stored(s), s.name, f"{s.size:,}", f"{s.offset:,}", s.md5) for s in model.sections],
    )
    _table(
        terminal,
        "Programs",
        ("", "batch", "private", "shared", "routines"),
        [
            (
                str(number),
                str(program.batch),
                f"{program.private_bytes or program.neuron_bytes:,}",
                f"{program.shared_bytes:,}",
                _steps(program),
            )
            for number, program in enumerate(model.programs)
        ],
    )
    if full:
        _print_maps(terminal, model)
    else:
        terminal.result({}, ["Every tensor and weight: --full, or --json."])


def cvimodel_document(model: CviModel) -> dict[str, Any]:
    """Return the document of `inspect --json` for a cvimodel."""
    return {
        "kind": "cvimodel",
        "chip": model.header.chip,
        "version": model.version,
        "mlir_version": model.compiler,
        "name": model.name,
        "build_time": model.build_time,
        "ion_bytes": model.ion_bytes,
        "inputs": [_tensor(tensor) for tensor in model.inputs],
        "rows": model.rows,
        "outputs": [_tensor(tensor) for tensor in model.outputs],
        "family": model.family,
        "sections": [
            {
                "type": section.kind,
                "name": section.name,
                "size": section.size,
                "offset": section.offset,
                "encrypted": section.encrypted,
                "compressed": section.compressed,
                "md5": section.md5,
            }
            for section in model.sections
        ],
        "programs": [_program(program) for program in model.programs],
        "tensors": [
            {
                "program": number,
                "id": index,
                **_tensor(entry.tensor),
                "memory": entry.memory,
                "offset": entry.offset,
            }
            for number, program in enumerate(model.programs)
            for index, entry in enumerate(program.tensors)
        ],
        "weights": [
            {
                "id": index,
                "name": weight.name,
                "shape": list(weight.shape),
                "dtype": weight.dtype,
                "offset": weight.offset,
                "size": weight.size,
            }
            for index, weight in enumerate(model.weights)
        ],
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "qscale": tensor.qscale,
    }


def _program(program: Program) -> dict[str, Any]:
    return {
        "batch": program.batch,
        "neuron_bytes": program.neuron_bytes,
        "private_bytes": program.private_bytes,
        "shared_bytes": program.shared_bytes,
        "inputs": list(program.inputs),
        "outputs": list(program.outputs),
        "routines": [
            {
                "type": routine.kind,
                "runs": routine.runs,
                "inputs": list(routine.inputs),
                "outputs": list(routine.outputs),
            }
            for routine in program.routines
        ],
    }


def _summary(file: Path, model: CviModel) -> list[tuple[_Cell, ...]]:
    from ..cvimodel import CHIP

    if model.header.chip != CHIP:
        family = f"refused by the camera, whose chip is {CHIP}"
    else:
        newer = model.newer_family
        without = (
            f"{newer}, only for firmware after 0.2.4" if newer else "none: no firmware knows it"
        )
        family = model.family or without
    tensors = sum(len(program.tensors) for program in model.programs)
    return [
        ("file", str(file)),
        ("name", model.name),
        ("family", family),
        ("chip", model.header.chip),
        ("format", model.version),
        ("compiler", model.compiler),
        ("built", model.build_time),
        ("ION memory", f"{model.ion_bytes / 2**20:.2f} MiB ({model.ion_bytes:,} bytes)"),
        ("rows", _ROWS[model.rows]),
        *_int8_rows(model),
        ("holds", f"{len(model.weights)} weights, {tensors} tensors"),
    ]


def _int8_rows(model: CviModel) -> list[tuple[_Cell, ...]]:
    """Return a row that says whether the camera reads INT8 maps of YOLO11 right; else none."""
    if not model.has_int8_maps:
        return []
    unequal = ", ".join(map(str, model.unequal_scales))
    return [
        (
            "outputs",
            f"int8, unequal scales at stride {unequal}: the camera swaps them, so results are wrong"
            if unequal
            else "int8, equal scales at each stride: decoded correctly",
        )
    ]


def _table(
    terminal: Terminal, title: str, columns: Sequence[str], rows: Sequence[Sequence[_Cell]]
) -> None:
    """Print a table whose cells may hold text from the file: one line each, or a list of lines."""
    from ..terminal import one_line

    def cell_text(cell: _Cell) -> str:
        return one_line(cell) if isinstance(cell, str) else "\n".join(map(one_line, cell))

    terminal.table(title, columns, [[cell_text(cell) for cell in row] for row in rows])


def _cells(tensor: Tensor) -> tuple[str, str, str, str]:
    qscale = f"{tensor.qscale:.4g}" if tensor.qscale else "-"
    return tensor.name, _sizes(tensor.shape), tensor.dtype, qscale


def _sizes(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _stored(section: Section) -> str:
    notes = [
        word
        for word, holds in (("encrypted", section.encrypted), ("compressed", section.compressed))
        if holds
    ]
    return f"{section.kind} ({', '.join(notes)})" if notes else section.kind


def _steps(program: Program) -> list[str]:
    return [
        f"{routine.kind} {routine.runs}: {', '.join(routine.inputs)} → {', '.join(routine.outputs)}"
        for routine in program.routines
    ]


def _print_maps(terminal: Terminal, model: CviModel) -> None:
    for number, program in enumerate(model.programs):
        _table(
            terminal,
            f"Tensors of program {number}",
            ("", "name", "shape", "type", "qscale", "memory", "offset"),
            [
                (
                    str(index),
                    *_cells(entry.tensor),
                    entry.memory,
                    "-" if entry.offset is None else f"{entry.offset:,}",
                )
                for index, entry in enumerate(program.tensors)
            ],
        )
    _table(
        terminal,
        "Weights",
        ("", "name", "shape", "type", "bytes", "offset"),
        [
            (
                str(index),
                w.name,
                _sizes(w.shape),
                w.dtype,
                f"{w.size:,}",
                f"{w.offset:,}",
            )
            for index, w in enumerate(model.weights)
        ],
    )


def _print_onnx(terminal: Terminal, model: OnnxModel) -> None:
    if not terminal.as_json:
        _table(terminal, "", ("", "ONNX model"), _onnx_rows(model))
        return
    network, refusal = model.network, model.refusal
    document: dict[str, Any] = {
        "kind": "onnx",
        "ir_version": model.ir_version,
        "opset": model.opset,
        "family": None,
        "labels": [],
        "input": None,
        "heads": [],
        "assignment": "",
        "decoding": None,
        "normalised": [],
        "refusal": {"reason": refusal.message, "hint": refusal.hint} if refusal else None,
    }
    if network:
        document |= {
            "family": network.family,
            "labels": list(network.labels),
            "input": {
                "name": network.input.name,
                "height": network.input.height,
                "width": network.input.width,
            },
            "heads": [dataclasses.asdict(head) for head in network.heads],
            "assignment": network.assignment,
            "decoding": network.decoding.as_json(),
            "normalised": list(network.normalised),
        }
    terminal.result(document)


def _side_advice(width: int) -> list[tuple[_Cell, ...]]:
    """Say what a width costs whose rows the camera pads; nothing for a multiple of 64."""
    if width % 64 == 0:
        return []
    advice = (
        "the camera pads its rows: recam builds for that, but the camera's own test binary cannot "
        "run it; sides that are multiples of 64 have no such limit"
    )
    return [("width", advice)]


def _onnx_rows(model: OnnxModel) -> list[tuple[_Cell, ...]]:
    rows: list[tuple[_Cell, ...]] = [
        ("file", str(model.path)),
        ("IR version", str(model.ir_version)),
        ("opset", str(model.opset)),
    ]
    network, refusal = model.network, model.refusal
    if refusal:
        named = "would accept it with class names" if network else "would refuse it"
        rows.append(("convert", named))
        rows += [("reason", refusal.message), ("hint", refusal.hint)]
    if network:
        labels = network.labels
        known = f"{network.classes}{':' if labels else ', without names'} "
        more = f", and {len(labels) - _MOST_NAMES} more" if len(labels) > _MOST_NAMES else ""
        cuts = ["would accept it, and cut it at these outputs, in this order:", *network.cut_at]
        rows += [
            ("family", network.family),
            *([("heads", network.assignment)] if network.assignment else []),
            ("decoding", str(network.decoding)),
            *([("changed", list(network.normalised))] if network.normalised else []),
            ("input", f"{network.input.name}, {network.input.width}×{network.input.height} RGB"),
            *_side_advice(network.input.width),
            ("classes", f"{known}{', '.join(labels[:_MOST_NAMES])}{more}".strip()),
            *([] if refusal else [("convert", cuts)]),
        ]
    return rows
