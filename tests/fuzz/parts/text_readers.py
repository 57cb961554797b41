"""The readers of a user's text files: class names, tables and lists; and of the cache's records."""

from __future__ import annotations

import math
from pathlib import Path

from networks import a_network
from rig import Rig, nothing_but_refusals

from recam_deploy.class_names import read_labels
from recam_deploy.conversion.calibration import CalibrationSet, read_data_list
from recam_deploy.conversion.from_settings import read_options
from recam_deploy.settings import ConvertSettings
from recam_deploy.step_cache import StepCache
from recam_deploy.toolchain import read_calibration_table

NETWORK = a_network()
PICTURES = CalibrationSet(Path("d"), ((Path("d/1.jpg"), "11"),))

LABELS = (
    b"train: ../train\nnc: 2\nnames: ['a', b]\n",
    b"names:\n  1: b\n  0: a\n",
    b"# c\n0: a\n1, 'b'\n",
    b"a, b; c\n",
    b'{"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], "names": {"a": 0}}',
    "ä\nб\n".encode("utf-16"),
)


def read_names(rig: Rig, data: bytes) -> None:
    """A file of class names, under each of the names that such files have."""
    for suffix in ("txt", "yaml", "json"):
        path = rig.folder / f"names.{suffix}"
        path.write_bytes(data)
        with nothing_but_refusals():
            names = read_labels(path)
            assert names
            assert len(set(names)) == len(names)
            assert all(isinstance(name, str) and name.strip() for name in names)


TABLE = b"# header\na 0.5 -1 1\nb_Conv 2.25 -3e1 4\n"


def read_tables(rig: Rig, data: bytes) -> None:
    """A calibration table, a quantization table and a list of pictures."""
    path = rig.folder / "table.txt"
    path.write_bytes(data)
    with nothing_but_refusals():
        table = read_calibration_table(path)
        assert all(math.isfinite(line.threshold) for line in table.values())
    for name in ("calibration_table", "quantize_table"):
        with nothing_but_refusals():
            read_options(ConvertSettings.model_validate({name: path}), NETWORK, PICTURES)
    with nothing_but_refusals():
        read_data_list(path, None)


def read_record(rig: Rig, data: bytes) -> None:
    """The record of a finished step: one that is not whole is built again."""
    cache = StepCache(rig.folder / "steps")
    folder = cache.run("s", "s-1", lambda place: None).folder
    (folder / "step.json").write_bytes(data)
    assert cache.find("s-1") in (None, folder)
    cache.run("s", "s-1", lambda place: None)
