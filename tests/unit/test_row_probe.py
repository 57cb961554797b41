"""The network that tells how the camera's rows lie is right on pictures of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image
from row_probe import CLASSES, SIDE, write_row_probe

from recam_deploy.resources import resource

PICTURES = sorted(resource("device/demo").glob("test/*.jpg"))
PITCH = 320


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> onnxruntime.InferenceSession:
    path = write_row_probe(tmp_path_factory.mktemp("probe") / "row_probe.onnx")
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def verdict(probe: onnxruntime.InferenceSession, picture: NDArray[np.uint8]) -> str:
    values = (picture.transpose(2, 0, 1)[None] / 255).astype(np.float32)
    (scores,) = probe.run(None, {"images": values})
    assert scores.max() > 0.6
    return CLASSES[int(scores.argmax())]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_told_from_the_same_with_padded_rows(
    probe: onnxruntime.InferenceSession, path: Path
) -> None:
    picture = np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE)))
    padded = np.zeros((SIDE, PITCH), np.uint8)
    padded[:, : 3 * SIDE] = picture.reshape(SIDE, -1)
    slid = padded.reshape(-1)[: picture.size].reshape(picture.shape)
    assert (verdict(probe, picture), verdict(probe, slid)) == ("straight", "sheared")
