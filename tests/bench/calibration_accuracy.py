"""Is our calibration table as good as the compiler's own? Both, side by side, on each model.

    python tests/bench/calibration_accuracy.py [--data FOLDER] [--only NAME] [--work FOLDER]

For each model: the outputs' cosine against float and the detections matched, in the simulator; and
how far the thresholds differ. With --work the compiler's own tables, which take minutes, are kept
and used again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from bench_models import Subject, subjects

from recam_deploy.calibrator.calibrate import calibrate
from recam_deploy.conversion import verification
from recam_deploy.conversion.commands import (
    CVIMODEL_FILE,
    INT8,
    MLIR_FILE,
    ONNX_FILE,
    QUANTIZE_TABLE_FILE,
    TABLE_FILE,
    calibrate_command,
    deploy_command,
    transform_command,
)
from recam_deploy.conversion.options import (
    CalibrationOptions,
    DeployOptions,
    TransformOptions,
)
from recam_deploy.conversion.work_folder import link_pictures
from recam_deploy.detection.decode import suppress
from recam_deploy.detection.letterbox import Letterbox
from recam_deploy.detection.match import Agreement, agreement
from recam_deploy.detection.pictures import read_picture
from recam_deploy.detection.types import Detection
from recam_deploy.network.float_model import (
    FloatModel,
    float_input,
    network_image,
    network_input,
    output_cosines,
)
from recam_deploy.network.model import RAW, Network
from recam_deploy.network.prepare import prepare
from recam_deploy.picture_sets import find_pictures
from recam_deploy.settings import load_settings
from recam_deploy.terminal import Terminal
from recam_deploy.toolchain import (
    Compiler,
    ToolCommand,
    ensure,
    read_calibration_table,
    run_tool,
)
from recam_deploy.toolchain.simulator import Simulator

Array = npt.NDArray[np.float32]

_STOCK, _FAST = "stock", "fast"


class Workshop:
    """One subject, prepared and translated in a folder of its own."""

    def __init__(self, subject: Subject, folder: Path, compiler: Compiler, images: int) -> None:
        self.folder = folder
        self.compiler = compiler
        self.subject = subject
        self.progress = Terminal(as_json=False)
        self.network, graph = subject.read()
        self.pictures = subject.pictures()
        self.images = images
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(prepare(graph, self.network), folder / ONNX_FILE)
        self._tool(transform_command(self.network, TransformOptions()))

    def _tool(self, command: ToolCommand) -> None:
        run_tool(self.compiler, command, self.folder, self.folder / "log", self.progress)

    def table(self, kind: str) -> tuple[Path, float]:
        """The table of a kind, and the seconds it took; 0 for one from an earlier run."""
        kept = self.folder / f"table-{kind}"
        if kind == _STOCK and kept.is_file():
            return kept, 0.0
        started = time.monotonic()
        if kind == _STOCK:
            links = link_pictures(self.pictures.paths, self.folder)
            count = len(self.pictures.paths)
            self._tool(calibrate_command(count, CalibrationOptions()))
            for link in links:
                link.unlink()
            (self.folder / TABLE_FILE).rename(kept)
        else:
            text = calibrate(
                self.folder / ONNX_FILE,
                self.folder / MLIR_FILE,
                self.pictures.paths,
                lambda path: network_input(self.network, path),
                self.progress,
            )
            kept.write_text(text, encoding="utf-8")
        return kept, time.monotonic() - started

    def judge(
        self, table: Path, quantization: str = INT8, kept: str = ""
    ) -> tuple[tuple[float, ...], Agreement]:
        """Compile with a calibration table and, for mixed precision, the quantization table `kept`,
        run the test pictures, compare with float."""
        (self.folder / TABLE_FILE).write_bytes(table.read_bytes())
        (self.folder / QUANTIZE_TABLE_FILE).write_text(kept, encoding="utf-8")
        self._tool(deploy_command(quantization, DeployOptions(), None))
        network = self.network
        pictures = [
            read_picture(p) for p in find_pictures(self.subject.test).pictures[: self.images]
        ]
        placed = [network_image(network, picture) for picture in pictures]
        model = FloatModel(self.folder / ONNX_FILE)
        references = [model.run(float_input(network, image)) for _, image in placed]
        images = [image for _, image in placed]
        found = Simulator(self.compiler).run(self.folder / CVIMODEL_FILE, images, self.progress)
        counts = Agreement()
        for (box, _), reference, outputs in zip(placed, references, found, strict=True):
            counts += agreement(
                detections(network, reference, box), detections(network, outputs, box)
            )
        return output_cosines(references, found), counts


def detections(network: Network, outputs: list[Array], letterbox: Letterbox) -> list[Detection]:
    """What any of the subjects' outputs mean; YOLOX, which is raw, included."""
    if network.family != RAW:
        return verification.decode(network, outputs, letterbox)
    cells, strides = [], []
    for stride in (8, 16, 32):
        rows, columns = (side // stride for side in (network.input.height, network.input.width))
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full(rows * columns, stride))
    stride_of = np.concatenate(strides)[:, None]
    values = outputs[0].reshape(len(stride_of), -1)
    centre = (values[:, :2] + np.concatenate(cells)) * stride_of
    half = np.exp(values[:, 2:4]) * stride_of / 2
    corners = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    scores = values[:, 4:5] * values[:, 5:]
    best, classes = scores.max(axis=1), scores.argmax(axis=1)
    chosen = np.flatnonzero(best > 0.25)
    kept = chosen[list(suppress(corners[chosen], best[chosen], 0.45))]
    return [
        Detection(
            int(classes[i]),
            str(classes[i]),
            float(best[i]),
            letterbox.to_source(tuple(corners[i].tolist())),
        )
        for i in kept
    ]


def differences(stock: Path, fast: Path) -> str:
    """How far the thresholds of two tables are apart, relative to the first's."""
    first, second = read_calibration_table(stock), read_calibration_table(fast)
    apart = np.array(
        [abs(second[n].threshold - t.threshold) / t.threshold for n, t in first.items()]
    )
    return (
        f"thresholds: median {np.median(apart):.2g}, 95th percentile "
        f"{np.percentile(apart, 95):.3f}, equal to 0.1 % {np.mean(apart < 1e-3):.0%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="see bench_models.py")
    parser.add_argument("--only", action="append")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    compiler = ensure(load_settings().cache_dir, Terminal(as_json=False))
    with tempfile.TemporaryDirectory(prefix="recam-bench-") as scratch:
        work = options.work or Path(scratch)
        for name, subject in subjects(options.data).items():
            if name not in (options.only or ("demo", "yolo11n-320", "yolox-nano")):
                continue
            shop = Workshop(subject, work / name, compiler, options.images)
            tables = {kind: shop.table(kind) for kind in (_STOCK, _FAST)}
            for kind, (table, seconds) in tables.items():
                cosines, counts = shop.judge(table)
                print(
                    f"{name} {kind}: {seconds:.1f} s, cosine "
                    f"{' '.join(f'{value:.4f}' for value in cosines)}, matched {counts.matched} of "
                    f"{counts.reference}, {counts.extra} extra",
                    flush=True,
                )
            print(f"{name} {differences(tables[_STOCK][0], tables[_FAST][0])}", flush=True)


if __name__ == "__main__":
    main()
