"""Fill the folder that a tool works in, and keep its results."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..detection.pictures import read_header, read_picture
from ..errors import CompilationError
from ..network.model import Network
from ..toolchain import mlir_tensors
from .commands import (
    CVIMODEL_FILE,
    IMAGE_LIST_FILE,
    LOSS_TABLE_FILE,
    MLIR_FILE,
    QUANTIZE_TABLE_FILE,
    TABLE_FILE,
)

_KEPT = {
    "transform": ("*.mlir", "*.npz"),
    "calibrate": (TABLE_FILE,),
    "search": (QUANTIZE_TABLE_FILE, LOSS_TABLE_FILE),
    "compile": (CVIMODEL_FILE, TABLE_FILE, QUANTIZE_TABLE_FILE),
}
_READ_ALIKE = frozenset(
    (name, mode)
    for name in ("JPEG", "PNG", "BMP", "WEBP")
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")
)
"""The formats and pixels, as Pillow calls them, that OpenCV reads as `read_picture`."""

_NOT_NEEDED = "no need for mix"
"""run_qtable prints this when INT8 alone is good enough, ends with 0, and writes no table."""


def copy_files(source: Path, folder: Path) -> list[Path]:
    """Copy the files of a finished step into `folder`; return the copies."""
    copies = []
    for file in source.iterdir():
        if file.name != "step.json":
            copies.append(folder / file.name)
            copies[-1].write_bytes(file.read_bytes())
    return copies


def write(path: Path, text: str) -> Path:
    """Write `text` as UTF-8; return the path."""
    path.write_text(text, encoding="utf-8")
    return path


def link_pictures(pictures: Sequence[Path], folder: Path) -> set[Path]:
    """Put the pictures there under plain names, listed in IMAGE_LIST_FILE; return all paths.

    The compiler's list has no quoting, and a comma in it starts another input. It refuses the
    suffix `.webp`, though its OpenCV reads such pictures.
    """
    links = set()
    for index, picture in enumerate(pictures):
        link = folder / f"picture-{index:05}.jpg"
        links.add(put_picture(picture, link))
    names = "".join(f"{link.name}\n" for link in sorted(links))
    return links | {write(folder / IMAGE_LIST_FILE, names)}


def put_picture(picture: Path, target: Path) -> Path:
    """Link a picture that the compiler's OpenCV reads as recam does, else write it as PNG.

    Return `target`. Raises InputError when the picture cannot be read.
    """
    header = read_header(picture)
    if header and (header.format, header.mode) in _READ_ALIKE:
        upright = header.orientation == 1 or header.format == "JPEG"  # OpenCV turns these alone
        if upright:
            target.symlink_to(picture.absolute())
            return target
    read_picture(picture).save(target, "PNG", compress_level=1)
    return target


def tail_table(network: Network, folder: Path) -> str:
    """Return a quantization table that keeps the network's float tail in BF16.

    The compiler names a tensor by its ONNX name and, after `_`, the operator that made it. Raises
    CompilationError when none of the tensors is in the MLIR file.
    """
    tail = frozenset(network.float_tail)
    names = mlir_tensors((folder / MLIR_FILE).read_text(encoding="utf-8"))
    kept = [name for name in names if name in tail or name.rpartition("_")[0] in tail]
    if not kept:
        raise CompilationError(
            "none of the tensors that must stay in BF16 were found in the translated network",
            "Give a quantization table with --quantize-table, and please report the model.",
        )
    return "".join(f"{name} BF16\n" for name in kept)


def finish_search(folder: Path, printed: str, most: int | None) -> None:
    """Write the table that run_qtable leaves out where INT8 is good enough, and shorten a long one.

    At most `most` layers stay: those with the lowest cosine in its loss table. `printed` are the
    last lines that it printed. Raises CompilationError when there is no table for another reason.
    """
    table = folder / QUANTIZE_TABLE_FILE
    if not table.exists():
        if _NOT_NEEDED not in printed:
            raise CompilationError(
                "run_qtable ended without an error, but wrote no quantization table",
                "See its log, or give an existing table with --quantize-table.",
            )
        write(table, "# INT8 alone reaches the cosine that was asked for.\n")
    if most is not None:
        write(table, _worst_layers(table.read_text(encoding="utf-8"), _losses(folder), most))


def _losses(folder: Path) -> dict[str, float]:
    """Read each layer's own cosine, from lines like `No.0 : Layer: NAME  Cos: 0.98`."""
    path = folder / LOSS_TABLE_FILE
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        words = line.replace("\t", " ").split()
        if "Layer:" in words and "Cos:" in words:
            name, value = words[words.index("Layer:") + 1], words[words.index("Cos:") + 1]
            found[name] = float(value)
    return found


def _worst_layers(table: str, losses: dict[str, float], most: int) -> str:
    lines = [line for line in table.splitlines() if line.strip()]
    named = [line for line in lines if not line.startswith("#")]
    worst = sorted(named, key=lambda line: losses.get(line.split()[0], 1.0))[:most]
    return "".join(f"{line}\n" for line in lines if line.startswith("#") or line in worst)


def keep_only(folder: Path, step: str) -> None:
    """Remove all files but a step's results. Raises CompilationError when there are none."""
    kept = {path for pattern in _KEPT[step] for path in folder.glob(pattern)}
    if not kept:
        raise CompilationError(f"the step {step} left no result", "See its log.")
    for path in set(folder.iterdir()) - kept:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
