"""What do INT8 outputs cost? Each detector with float32 outputs, with `--int8-outputs`, and with a
scale of its own for each output, decoded as the released and as a corrected firmware do.

    (cd device/demo && python -m training.shapes --split test --count 60 FOLDER)
    PYTHONPATH=device:tests/virtual python tests/bench/int8_outputs.py FOLDER MODEL.onnx …

The models are of the bundled shapes. Counts are over all pictures, against their label files.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labelled import truth
from own_scales import build_own_scales
from PIL import Image
from virtual.sscma.engine import Engine
from virtual.sscma.families import yolo11
from virtual.sscma.input_image import Format, InputImage, input_bytes
from virtual.sscma.letterbox import letterbox, read_image
from virtual.sscma.resident import load
from virtual.sscma.results import Box

from recam_deploy import convert
from recam_deploy.cvimodel import read_model
from recam_deploy.detection.letterbox import Letterbox
from recam_deploy.detection.match import Agreement, agreement
from recam_deploy.detection.types import Detection
from recam_deploy.resources import resource
from recam_deploy.settings import load_settings
from recam_deploy.toolchain import find

NAMES = ("circle", "square", "triangle", "star", "cross")
CALIBRATION = resource("device/demo/calibration")


def built(model: Path, folder: Path) -> dict[str, Path]:
    """Convert a model in three ways; the cvimodels by name."""
    plain = convert(model, calibration=CALIBRATION, output=folder / "float.cvimodel")
    equal = convert(
        model, calibration=CALIBRATION, output=folder / "equal.cvimodel", int8_outputs=True
    )
    assert plain.artifact.manifest
    cache = load_settings().cache_dir
    own = build_own_scales(plain.artifact.manifest, cache, folder / "own")
    return {
        "float32": plain.artifact.cvimodel,
        "--int8-outputs": equal.artifact.cvimodel,
        "own scales": own,
    }


@dataclass
class Counts:
    """What a decoder finds in all pictures."""

    agreement: Agreement = field(default_factory=Agreement)
    found: int = 0


async def judged(cvimodel: Path, pictures: Sequence[Path], folder: Path) -> dict[bool, Counts]:
    """Run a cvimodel on pictures; return the counts by whether the decoder is corrected."""
    toolchain = find(load_settings().cache_dir)
    assert toolchain
    libraries = os.pathsep.join(map(str, toolchain.simulator_libraries))
    loaded = await load(Engine(libraries, folder / "engine.log", folder), cvimodel)
    side = read_model(cvimodel).input_size[0]
    sums = {False: Counts(), True: Counts()}
    try:
        for picture in pictures:
            image = InputImage(side, side, Format.PACKED)
            pixels = read_image(picture)
            assert pixels is not None, picture
            pixels = letterbox(pixels, side, side)
            out = await loaded.run(input_bytes(loaded.model, image, pixels))
            fit = Letterbox.fit(Image.open(picture).size, (side, side))
            for corrected, counts in sums.items():
                found = yolo11.decode(loaded.model, out.arrays, corrected)
                boxes = [detection(box, fit, side) for box in found]
                counts.agreement += agreement(truth(picture, NAMES), boxes, min_iou=0.5)
                counts.found += len(boxes)
    finally:
        await loaded.close()
    return sums


def detection(box: Box, fit: Letterbox, side: int) -> Detection:
    corners = (box.x - box.w / 2, box.y - box.h / 2, box.x + box.w / 2, box.y + box.h / 2)
    left, top, right, bottom = (float(edge) * side for edge in corners)
    place = fit.to_source((left, top, right, bottom))
    return Detection(int(box.target), NAMES[box.target], float(box.score), place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.onnx")
    options = parser.parse_args()
    pictures = sorted(options.pictures.glob("*.jpg"))
    for model in options.models:
        print(f"{model.name}, {len(pictures)} pictures")
        folder = Path(tempfile.mkdtemp(prefix="int8-outputs-"))
        try:
            for name, cvimodel in built(model, folder).items():
                sums = asyncio.run(judged(cvimodel, pictures, folder))
                shown = "; ".join(
                    f"{firmware} decoder: {counts.found} found, "
                    f"{counts.agreement.matched} of {counts.agreement.reference} right"
                    for firmware, counts in (("released", sums[False]), ("corrected", sums[True]))
                )
                ion = read_model(cvimodel).ion_bytes
                print(f"  {name:<14} ION {ion:>9,}, file {cvimodel.stat().st_size:>9,}; {shown}")
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
