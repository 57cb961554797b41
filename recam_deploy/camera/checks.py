"""Refuse a deployment before anything is written: wrong model, unsuitable camera, full disk.

Some cvimodels load on the camera, which then decodes them wrongly and reports no error. They are
recognised by their tensors, by the rules of SSCMA-Micro `sscma/core/model/` (see
`cvimodel.family`). `recam convert` makes none of these; other converters do.

Checks of the camera alone yield errors: a deployment raises the first, `recam doctor` shows it as a
failed check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from .. import cvimodel
from ..artifact import Artifact
from ..cvimodel import ROW_BYTES, CviModel
from ..errors import (
    CameraError,
    DeploymentError,
    InputError,
    SudoError,
    UnsupportedModelError,
    VerificationError,
)
from .facts import CameraFacts
from .firmware import FAMILY_SINCE, LAST_STRICT, PRO, is_pro, numbers_of
from .foreign import foreign_warnings, newer_than_known
from .paths import CameraPaths

RESERVE_BYTES = 50_000_000  # kept free: a full /userdata breaks the camera's own system
_RAW = "raw"  # the family in the manifest of a network that was converted as it is
_MAPS = ("yolo11-detect", "yolov8-detect", "yolo26-detect")
# By the type of the first output; other types are read as nothing.
_DECODED_TYPES = {
    **dict.fromkeys((*_MAPS, "yolo11-pose"), ("float32", "int8")),
    "yolo11-seg": ("float32",),
}
_CONVERT = (
    "Convert the ONNX model with `recam convert`, which cuts it where the camera can decode it."
)


def check_before_connecting(artifact: Artifact) -> list[str]:
    """Raise what `check_chip` and `check_read_right` do; return warnings of wrong live results."""
    check_chip(artifact)
    layout = check_read_right(artifact)
    reasons = [wrong_rows(layout), wrong_format(layout), swapped_scales(layout)]
    # A manifest says what the outputs mean, or that the network is used as it is.
    reasons += [newer_than_known(layout)] if artifact.family else foreign_warnings(layout)
    return [f"{artifact.cvimodel.name} {reason}" for reason in reasons if reason]


def check_chip(artifact: Artifact) -> None:
    """Raise InputError for a model of another chip."""
    if artifact.chip != cvimodel.CHIP:
        raise InputError(
            f"{artifact.cvimodel} is for the chip {artifact.chip or '(none named)'}; "
            f"a reCamera's is {cvimodel.CHIP}",
            f"Convert the model for {cvimodel.CHIP}: `recam convert` does.",
        )


def refuse_rejected(artifact: Artifact, *, force: bool) -> None:
    """Raise VerificationError for a model that failed its conversion's check, unless `force`."""
    if artifact.rejected and not force:
        raise rejected_error(artifact.cvimodel.name)


def rejected_error(name: str) -> VerificationError:
    """Return the error for a model whose conversion was rejected."""
    return VerificationError(
        f"{name} failed recam's check: it is too far from the float model",
        "Convert it again with pictures of what the camera will see, or add --force to use it as "
        "it is.",
    )


def check_read_right(artifact: Artifact) -> CviModel:
    """Read the layout of a cvimodel, and return it.

    Raises UnsupportedModelError when the camera would decode it wrongly, and InputError when the
    file is damaged.
    """
    layout = artifact.read().layout
    if reason := misreading(layout, artifact.labels):
        raise UnsupportedModelError(f"{artifact.cvimodel.name}: {reason}", _CONVERT)
    return layout


def misreading(model: CviModel, labels: tuple[str, ...]) -> str | None:
    """Return why the camera would misread a model with these class names, else None."""
    if model.family == "yolo11-pose" and len(labels) > 1:
        shape = "×".join(map(str, model.outputs[0].shape))
        return (
            f"the camera would decode the output {shape} as that of a pose model, which has one "
            f"class, but there are {len(labels)} class names; a detector that keeps its decoding "
            "has such an output when it has 4, 7, 10, … classes"
        )
    if model.family == "yolov8-detect" and model.outputs[0].dtype == "float32":
        return (
            "its outputs are three boxes and then three classes; the camera decodes that order "
            "with its YOLOv8 decoder, which reads float boxes from a class tensor"
        )
    return _misread_types(model)


def _misread_types(model: CviModel) -> str | None:
    """Return why the camera would misread outputs of these types, else None.

    Source: `postprocess` in the `ma_model_*.cpp` of SSCMA-Micro 60e2ede.
    """
    types = [tensor.dtype for tensor in model.outputs]
    if model.family in _MAPS and set(types[:6]) != {types[0]}:
        return (
            f"its outputs are of several types ({', '.join(types[:6])}), and the camera reads all "
            f"of them as {types[0]}"
        )
    undecoded = _undecoded_type(model.family or "", types)
    if undecoded:
        return f"it has {undecoded} outputs, which the camera does not decode: it finds nothing"
    if model.family == "fomo" and types[0] == "int8":
        return "the camera decodes it as a FOMO model, on which its node service crashes"
    return None


def _undecoded_type(family: str, types: list[str]) -> str | None:
    if family and "bfloat16" in types:
        return "bfloat16"
    return types[0] if types[0] not in _DECODED_TYPES.get(family, types) else None


def wrong_rows(layout: CviModel) -> str | None:
    """Return why the live picture of a model with dense rows is sheared, else None."""
    if layout.rows != "dense":
        return None
    return (
        f"was built without --aligned_input, and its rows of {layout.inputs[0].row_bytes} bytes "
        f"are no multiple of {ROW_BYTES}: its live picture is sheared, though tests pass; convert "
        "it again with `recam convert`"
    )


def wrong_format(layout: CviModel) -> str | None:
    """Return why a model whose input is no packed RGB picture gets a wrong one, else None.

    Source: sscma-example-sg200x solutions/sscma-node/main/node/camera.cpp, `onStart`.
    """
    inputs = layout.inputs
    if len(inputs) != 1 or inputs[0].shape[3:] == (3,):
        return None
    return (
        "takes a picture that is not packed RGB, for which the camera has no video format: its "
        "live picture is wrong, though tests may pass"
    )


def swapped_scales(layout: CviModel) -> str | None:
    """Return in which INT8 outputs of a detector the camera mixes up the scales, else None.

    Seeed's own preset is such a model, so it is not refused.
    """
    unequal = layout.unequal_scales
    if not unequal:
        return None
    shown = ", ".join(
        f"{box:.4g} and {logits:.4g} at stride {stride}"
        for stride, (box, logits) in unequal.items()
    )
    return (
        f"has INT8 outputs whose boxes and classes differ in scale ({shown}), and the camera "
        "multiplies each with the other's: scores and boxes are wrong; convert it with `recam "
        "convert --int8-outputs`, which gives both the same scale"
    )


def refuse_too_large(artifact: Artifact, facts: CameraFacts) -> None:
    """Raise DeploymentError for a model that needs more memory than the TPU has in all."""
    if facts.ion_bytes is None:
        return
    needed = artifact.read().layout.ion_bytes
    if needed > facts.ion_bytes:
        raise DeploymentError(
            f"the model needs {_mb(needed)} of the TPU's memory (ION), and the camera has "
            f"{_mb(facts.ion_bytes)} in all",
            "Use a smaller model or input, or INT8 instead of BF16.",
        )


def refuse_other_firmware(artifact: Artifact, version: str) -> None:
    """Raise DeploymentError for a model that needs another firmware than the camera's.

    `version` is the camera's, such as "0.2.4"; an unknown one passes.
    """
    refuse_family(artifact.family, lambda: artifact.read().layout, version)


def refuse_family(named: str, layout: Callable[[], CviModel], version: str) -> None:
    """Raise as `refuse_other_firmware`; `named` is the family that recam gave the model, or "".

    `layout` is called only where the family alone does not decide.
    """
    numbers = numbers_of(version)
    if not numbers:
        return
    raw = named == _RAW
    if raw and numbers <= LAST_STRICT:
        return
    family = ("" if raw else named) or layout().family
    least = FAMILY_SINCE.get(family or "")
    # A firmware that does not decode a raw network refuses it, and then does no harm.
    if least and numbers < least and not raw:
        raise DeploymentError(
            f"{family} needs firmware {_dotted(least)} or newer, and the camera has {version}",
            "Update it on the camera's web page, Settings > System, or use a YOLO11 model.",
        )
    if not family:
        _refuse_undecoded(layout(), numbers, version)


def _refuse_undecoded(layout: CviModel, numbers: tuple[int, ...], version: str) -> None:
    """Raise DeploymentError for a model without a family that this firmware refuses or misreads."""
    if layout.newer_family and numbers <= LAST_STRICT:
        raise DeploymentError(
            f"{layout.newer_family} needs firmware newer than {_dotted(LAST_STRICT)}, and the "
            f"camera has {version}",
            "Update it on the camera's web page, Settings > System, once a newer one is out.",
        )
    # With two to eight outputs it is read as a segmentation model, which shows nothing.
    read_as_pose = len(layout.outputs) == 1 or len(layout.outputs) >= 9
    if not layout.newer_family and read_as_pose and numbers > LAST_STRICT:
        raise DeploymentError(
            f"the camera decodes no model with the outputs {_shapes(layout)}, and its firmware "
            f"{version} would read them as those of a YOLO26 pose model, and show wrong results "
            "or crash",
            f"{_CONVERT} Firmware {_dotted(LAST_STRICT)} and older refuse such a model.",
        )


def decoded_family(model: CviModel) -> str | None:
    """Return the family that some firmware decodes the model as, else None."""
    return model.family or model.newer_family


def check_decoded(artifact: Artifact) -> None:
    """Raise UnsupportedModelError for a model whose outputs no program of the camera decodes."""
    layout = artifact.read().layout
    if not decoded_family(layout):
        raise UnsupportedModelError(
            f"{artifact.cvimodel.name}: no program of the camera decodes a model with the outputs "
            f"{_shapes(layout)}",
            _CONVERT,
        )


def _shapes(model: CviModel) -> str:
    """List the outputs' shapes, at most 120 characters of them."""
    return ", ".join("×".join(map(str, tensor.shape)) for tensor in model.outputs)[:120]


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def refuse_unsuitable(facts: CameraFacts, paths: CameraPaths) -> None:
    """Raise the first of `product_errors`, `folder_errors` and `tool_errors`."""
    errors = chain(product_errors(facts), folder_errors(facts, paths), tool_errors(facts))
    for error in errors:
        raise error


def product_errors(facts: CameraFacts) -> Iterator[DeploymentError]:
    """Yield an error for a camera that runs no cvimodel."""
    if is_pro(facts.device):
        yield DeploymentError(*PRO)


def refuse_full(facts: CameraFacts, *, new: int, old: int) -> None:
    """Raise the first of `space_errors`."""
    for error in space_errors(facts, new=new, old=old):
        raise error


def needs_root(facts: CameraFacts) -> bool:
    """Return whether the user may not write to the folders, so that scripts need sudo."""
    return facts.uid != 0 and not (facts.models.writable and facts.history.writable)


def folder_errors(facts: CameraFacts, paths: CameraPaths) -> Iterator[CameraError]:
    """Yield an error for each folder that cannot be written to, and for one named as the model.

    A folder is refused when it is a link, read-only, or not writable where there is no sudo.
    """
    for path, folder in (
        (paths.models, facts.models),
        (paths.work, facts.work),
        (paths.history, facts.history),
    ):
        if folder.is_link:
            yield DeploymentError(
                f"{path} on the camera is a symbolic link, or lies behind one; recam does not "
                "write through it",
                "Set camera.models (or camera.work) to the folder that the link leads to.",
            )
        if folder.read_only:
            yield DeploymentError(
                f"{path} on the camera is on a read-only file system ({folder.mount})",
                "Restart the camera; if that does not help, its storage needs repair.",
            )
    if facts.active_is_folder:
        yield DeploymentError(
            f"{paths.active_model} on the camera is a folder",
            "Rename or remove it, then deploy again.",
        )
    if needs_root(facts) and not facts.has_sudo:
        closed = paths.history if facts.models.writable else paths.models
        yield SudoError(
            f"the camera has no sudo, and the user may not write to {closed}",
            "Connect as root, or install sudo there.",
        )


def tool_errors(facts: CameraFacts) -> Iterator[DeploymentError]:
    """Yield an error for programs that are missing."""
    if not facts.has_sha256sum and not facts.has_python3:
        yield DeploymentError(
            "the camera has neither sha256sum nor python3, so no upload could be checked",
            "Update the camera's firmware.",
        )
    if facts.missing:
        yield DeploymentError(
            f"the camera lacks programs that are needed: {', '.join(facts.missing)}",
            "Check the address: every firmware of a reCamera has them.",
        )


def space_errors(facts: CameraFacts, *, new: int, old: int) -> Iterator[DeploymentError]:
    """Yield an error for each file system that would have less than RESERVE_BYTES left.

    `new` bytes are written beside the active model, `old` ones into the history.
    """
    if facts.models.mount == facts.history.mount:
        places = [(facts.models, new + old)]
    else:
        places = [(facts.models, new), (facts.history, old)]
    for folder, bytes_here in places:
        free = folder.free + folder.leftover_bytes
        needed = bytes_here + RESERVE_BYTES
        if free < needed:
            yield DeploymentError(
                f"not enough space on the camera: {_mb(free)} free on {folder.mount}, "
                f"{_mb(needed)} needed ({_mb(RESERVE_BYTES)} of it to stay free)",
                "Remove recordings or old models there.",
            )


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
