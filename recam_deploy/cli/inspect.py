"""`recam inspect`: what an ONNX model or a cvimodel is, and what the camera makes of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from .error_handler import bounded
from .options.common import AsJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..cvimodel import CviModel, Program, Section, Tensor
    from ..terminal import Terminal

_Cell: TypeAlias = "str | list[str]"
_MOST_NAMES = 12
"""So many class names are shown to people; the rest is counted."""


@bounded
def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .cvimodel or .onnx file, or a model of another framework that `recam convert` "
            "takes.",
            show_default=False,
        ),
    ],
    full: Annotated[
        bool,
        typer.Option("--full", help="Print every tensor and weight of a cvimodel as well."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what a model is: its family, inputs and outputs, classes, memory and sections.

    Of an ONNX model it says whether `recam convert` would take it and, if not, why. Of a cvimodel
    it reads all that Sophgo's own tool prints, without the compiler. --json always prints all.
    Models of other frameworks are looked at without being loaded: none of their code is run.

    Example: recam inspect yolo11n_int8.cvimodel --full
    """
    from ..frameworks import recognise
    from ..terminal import Terminal
    from .inspect_foreign import inspect_foreign

    terminal = Terminal(as_json=as_json)
    if _is_cvimodel(file):
        _inspect_cvimodel(terminal, file, full=full)
    elif foreign := recognise(file):
        inspect_foreign(terminal, foreign)
    else:
        _inspect_onnx(terminal, file)


def _is_cvimodel(file: Path) -> bool:
    """By its first bytes; a damaged one by its name."""
    from ..cvimodel import MAGIC
    from ..errors import InputError

    try:
        with file.open("rb") as stream:
            start = stream.read(len(MAGIC))
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror or error}",
            "Give the path of an .onnx or .cvimodel file.",
        ) from error
    return start == MAGIC or file.suffix == ".cvimodel"


def _inspect_cvimodel(terminal: Terminal, file: Path, *, full: bool) -> None:
    from ..cvimodel import read_model

    model = read_model(file)
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
    """What `inspect --json` prints of a cvimodel."""
    return {
        "kind": "cvimodel",
        "chip": model.header.chip,
        "version": model.version,
        "mlir_version": model.compiler,
        "name": model.name,
        "build_time": model.build_time,
        "ion_bytes": model.ion_bytes,
        "inputs": [_tensor(tensor) for tensor in model.inputs],
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
        family = model.family or "none that the camera knows: it would refuse this model"
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
        ("holds", f"{len(model.weights)} weights, {tensors} tensors"),
    ]


def _table(
    terminal: Terminal, title: str, columns: Sequence[str], rows: Sequence[Sequence[_Cell]]
) -> None:
    """A table whose cells may hold text from the file: one line each, or a list of lines."""
    from ..terminal import one_line

    def printable(cell: _Cell) -> str:
        return one_line(cell) if isinstance(cell, str) else "\n".join(map(one_line, cell))

    terminal.table(title, columns, [[printable(cell) for cell in row] for row in rows])


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


def _inspect_onnx(terminal: Terminal, file: Path) -> None:
    from ..errors import InputError
    from ..network.reading import load_onnx, opset_of, read_network

    model = load_onnx(file)
    document: dict[str, Any] = {
        "kind": "onnx",
        "ir_version": model.ir_version,
        "opset": opset_of(model),
        "family": None,
        "labels": [],
        "input": None,
        "heads": [],
        "refusal": None,
    }
    cuts: Sequence[str] = ()
    try:
        network, _ = read_network(file)
    except InputError as error:
        # The file itself is sound, so this is what `recam convert` would say to it.
        document["refusal"] = {"reason": error.message, "hint": error.hint}
    else:
        cuts = network.cut_at
        document |= {
            "family": network.family,
            "labels": list(network.labels),
            "input": {
                "name": network.input.name,
                "height": network.input.height,
                "width": network.input.width,
            },
            "heads": [dataclasses.asdict(head) for head in network.heads],
        }
    if terminal.as_json:
        terminal.result(document)
        return
    _table(terminal, "", ("", "ONNX model"), _onnx_rows(file, document, cuts))


def _onnx_rows(
    file: Path, document: dict[str, Any], cuts: Sequence[str]
) -> list[tuple[_Cell, ...]]:
    rows = [
        ("file", str(file)),
        ("IR version", str(document["ir_version"])),
        ("opset", str(document["opset"])),
    ]
    if document["refusal"]:
        return [
            *rows,
            ("convert", "would refuse it"),
            ("reason", document["refusal"]["reason"]),
            ("hint", document["refusal"]["hint"]),
        ]
    image, labels = document["input"], document["labels"]
    more = f", and {len(labels) - _MOST_NAMES} more" if len(labels) > _MOST_NAMES else ""
    return [
        *rows,
        ("family", document["family"]),
        ("input", f"{image['name']}, {image['width']}×{image['height']} RGB"),
        ("classes", f"{len(labels)}: {', '.join(labels[:_MOST_NAMES])}{more}"),
        ("convert", ["would take it, and cut it at these outputs, in this order:", *cuts]),
    ]
