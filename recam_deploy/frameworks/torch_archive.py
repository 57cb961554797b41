"""Inspect a PyTorch file without loading it: loading would run the code that it carries.

A TorchScript archive is a zip with `constants.pkl` and `code/`; `torch.save` writes a zip with
`data.pkl`, a pickle (torch/csrc/jit/serialization, torch/serialization.py). The names of classes
are read from the pickle's opcodes; no object is built.
"""

from __future__ import annotations

import io
import pickletools
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..documents import ZIP_ERRORS, parse_json
from ..errors import InputError
from ..file_kinds import PICKLE, ZIP, refuse_foreign
from ..file_kinds import PYTORCH as PYTORCH_FILE
from .model import Refusal

TORCHSCRIPT, ULTRALYTICS, PYTORCH = "torchscript", "ultralytics", "pytorch"

_MOST_PICKLE_BYTES = 16_000_000
_MOST_CONFIG_BYTES = 1_000_000
_TO_TORCHSCRIPT = (
    "With the network's code, run `torch.jit.trace(network.eval(), torch.zeros(1, 3, H, W))"
    ".save('network.torchscript')`, or export it to ONNX with opset 17."
)

# Packages whose classes hold only numbers; a checkpoint with no other class has no network.
_PLAIN_MODULES = ("torch", "collections", "numpy", "_codecs", "builtins", "__builtin__", "argparse")
# Packages that are installed with Ultralytics, and so are there when its checkpoints are loaded.
_WITH_ULTRALYTICS = frozenset(
    {
        *("ultralytics", "torchvision", "cv2", "PIL", "yaml", "requests", "psutil", "matplotlib"),
        *("scipy", "polars", "tqdm", "thop", "ultralytics_thop", "sympy", "networkx"),
    }
)
_STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})


@dataclass(frozen=True)
class TorchFile:
    """An inspected file.

    `kind` is TORCHSCRIPT, ULTRALYTICS or, for any other file of torch's, PYTORCH, which has a
    `refusal`. `facts` is read from the file, ready for JSON.
    """

    kind: str
    facts: dict[str, Any]
    refusal: Refusal | None = None


def read_torch_file(path: Path) -> TorchFile:
    """Inspect the file at `path`. Raises InputError when torch cannot have written it."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
        # Of archives the entries decide, not the first bytes.
        refuse_foreign(path, PYTORCH_FILE, PICKLE, ZIP)
        if start[:1] == b"\x80":
            return _refused(
                "it is in the format of PyTorch before 1.6", "Save it again with a newer PyTorch."
            )
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive)
    except ZIP_ERRORS as error:
        if zipfile.is_zipfile(path):
            refuse_foreign(path, PYTORCH_FILE)
        raise InputError(
            f"{path} is not a PyTorch file, or is cut short",
            "Copy it again; a PyTorch file is a zip archive that torch.save or torch.jit.save "
            "wrote.",
        ) from error


def _read_archive(archive: zipfile.ZipFile) -> TorchFile:
    names = archive.namelist()
    # All entries are in one folder, named after the file that was written.
    inside = {name.partition("/")[2]: name for name in names}
    if "constants.pkl" in inside and any(name.startswith("code/") for name in inside):
        return TorchFile(TORCHSCRIPT, _config(archive, inside.get("extra/config.txt")))
    if "archive_format" in inside or any(name.startswith("models/") for name in inside):
        return _refused(
            "it is an exported program (.pt2)",
            "Export the network to ONNX with opset 17, or save it as TorchScript.",
        )
    if "data.pkl" not in inside:
        raise ValueError("torch writes no such archive")
    modules = _modules(_read(archive, inside["data.pkl"], _MOST_PICKLE_BYTES))
    return _checkpoint(modules)


def _checkpoint(modules: set[str]) -> TorchFile:
    plain = {*_PLAIN_MODULES, *sys.stdlib_module_names}
    foreign = sorted({m for m in modules if m.partition(".")[0] not in plain})
    packages = {module.partition(".")[0] for module in foreign}
    facts = {"modules": sorted(packages)}
    if "ultralytics" in packages:
        # A fork's or a user's own layers: the class cannot be loaded without its source.
        if own := [m for m in foreign if m.partition(".")[0] not in _WITH_ULTRALYTICS]:
            return _refused(
                f"it was trained with code that Ultralytics does not have ({', '.join(own[:3])})",
                "Export it to ONNX where it was trained: `yolo export model=FILE format=onnx "
                "opset=17`.",
                facts,
            )
        return TorchFile(ULTRALYTICS, facts)
    if any(module.startswith("models.") for module in foreign):
        return _refused(
            "it is a checkpoint of YOLOv5's or YOLOv7's own repository, whose code it needs",
            "Export it there: `python export.py --weights FILE --include onnx --opset 17`.",
            facts,
        )
    if any(module.startswith("torch.nn.modules") for module in modules) or foreign:
        return _refused("it needs the network's own source code to be loaded", _TO_TORCHSCRIPT)
    return _refused(
        "it holds weights only (a state_dict), not the network they belong to", _TO_TORCHSCRIPT
    )


def _refused(reason: str, hint: str, facts: dict[str, Any] | None = None) -> TorchFile:
    return TorchFile(PYTORCH, facts or {}, Refusal(reason, hint))


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{name} is larger than any that torch writes")
    return data


def _config(archive: zipfile.ZipFile, name: str | None) -> dict[str, Any]:
    """Read what Ultralytics adds to its TorchScript archives: task, image size, class names."""
    if name is None:
        return {}
    config = parse_json(_read(archive, name, _MOST_CONFIG_BYTES))
    if not isinstance(config, dict):
        return {}
    return {key: config[key] for key in ("task", "imgsz", "names") if key in config}


def _modules(pickle: bytes) -> set[str]:
    """List the modules of all classes and functions that a pickle names."""
    return {module for module, _ in _globals(pickle)}


def _globals(pickle: bytes) -> Iterator[tuple[str, str]]:
    """Yield the `module, name` pairs of a pickle, from its opcodes alone.

    Raises ValueError for a malformed pickle.
    """
    memo: dict[int, str] = {}
    texts: list[str] = []
    for opcode, found, _ in pickletools.genops(io.BytesIO(pickle)):
        argument = "" if found is None else str(found)
        if opcode.name == "GLOBAL":
            module, _, name = argument.partition(" ")
            yield module, name
        elif opcode.name == "STACK_GLOBAL":
            if len(texts) < 2:
                raise ValueError("a class without a name")
            yield texts[-2], texts[-1]
        elif opcode.name in _STRINGS:
            texts.append(argument)
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET") and int(argument) in memo:
            texts.append(memo[int(argument)])
        elif opcode.name in ("BINPUT", "LONG_BINPUT", "PUT") and texts:
            memo[int(argument)] = texts[-1]
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = texts[-1] if texts else ""
