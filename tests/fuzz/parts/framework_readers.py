"""The readers of other frameworks' files, none of which is loaded, and good files made here."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from foreign_files import (
    CAFFE,
    CHECKPOINT,
    LAYERS_ONLY,
    OWN_NETWORK,
    STATE_DICT,
    YOLOV5_CHECKPOINT,
    write_saved,
    write_tflite,
    write_torchscript,
)
from rig import Rig, nothing_but_refusals

from recam_deploy.frameworks import recognise

_CONFIG = {"task": "detect", "imgsz": [64, 64], "names": {"0": "a"}, "stride": 32}
_FLOAT32, _INT8 = 0, 9

PICKLES = (STATE_DICT, CHECKPOINT, YOLOV5_CHECKPOINT, OWN_NETWORK, LAYERS_ONLY)
TORCHSCRIPT_CONFIG = b'{"task": "detect", "imgsz": [64, 64], "names": {"0": "a"}}'
CAFFE_TEXT = CAFFE.encode()


def _made(write: Callable[[Path], Path]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "m").read_bytes()


def _tflite(path: Path) -> Path:
    tensors = [
        ("image", (1, 64, 64, 3), _FLOAT32, False),
        ("classes", (-1, 4), _INT8, True),
    ]
    return write_tflite(path, tensors, [0], [1])


TFLITE = _made(_tflite)
TORCH = (
    _made(lambda path: write_torchscript(path, _CONFIG)),
    _made(lambda path: write_saved(path, CHECKPOINT)),
)


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip archive with right checksums, so that what is in it is read."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for name, data in files.items():
            target.writestr(name, data)
    return made.getvalue()


def saved(pickle: bytes) -> bytes:
    """What torch.save writes around a pickle."""
    return archive({"archive/data.pkl": pickle, "archive/version": b"3\n"})


def scripted(config: bytes) -> bytes:
    """What torch.jit.save writes, with the metadata of its exporter."""
    empty = b"\x80\x02)."
    return archive(
        {
            "archive/constants.pkl": empty,
            "archive/data.pkl": empty,
            "archive/code/__torch__.py": b"",
            "archive/extra/config.txt": config,
        }
    )


def read_torch(rig: Rig, data: bytes) -> None:
    for name in ("m.pt", "m.torchscript"):
        _read(rig, name, data)


def read_saved(rig: Rig, pickle: bytes) -> None:
    """A pickle in an archive that is whole. It must never be run."""
    read_torch(rig, saved(pickle))


def read_scripted(rig: Rig, config: bytes) -> None:
    """The metadata in an archive that is whole."""
    read_torch(rig, scripted(config))


def read_tflite_file(rig: Rig, data: bytes) -> None:
    _read(rig, "m.tflite", data)


def read_caffe_files(rig: Rig, text: bytes) -> None:
    (rig.folder / "m.caffemodel").write_bytes(b"weights")
    _read(rig, "m.prototxt", text)


def _read(rig: Rig, name: str, data: bytes) -> None:
    path = rig.folder / name
    path.write_bytes(data)
    with nothing_but_refusals():
        model = recognise(path)
        assert model is None or model.path == path
