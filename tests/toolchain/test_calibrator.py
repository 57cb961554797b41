"""Our calibrator beside the compiler's: mathematics, pixels, and a model with both tables."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import (
    SIZE,
    Builder,
    anchored_detector,
    detector,
    query_detector,
)
from PIL import Image

from recam_deploy import process
from recam_deploy.calibrator.calibrate import calibrate
from recam_deploy.calibrator.thresholds import BINS, LEVELS, kl_threshold
from recam_deploy.conversion.calibration import read_calibration_set
from recam_deploy.conversion.commands import (
    CVIMODEL_FILE,
    INT8,
    MLIR_FILE,
    ONNX_FILE,
    TABLE_FILE,
    calibrate_command,
    deploy_command,
    transform_command,
)
from recam_deploy.conversion.options import CalibrationOptions, DeployOptions, TransformOptions
from recam_deploy.conversion.work_folder import link_pictures
from recam_deploy.detection.letterbox import sampled
from recam_deploy.detection.pictures import read_picture
from recam_deploy.network.float_model import (
    FloatModel,
    cosine,
    float_input,
    network_image,
    network_input,
)
from recam_deploy.network.lowering import lower
from recam_deploy.network.model import Network, NetworkInput, Preprocessing
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network
from recam_deploy.network.runtime import Array
from recam_deploy.progress import SilentProgress
from recam_deploy.resources import resource
from recam_deploy.toolchain import (
    Toolchain,
    ToolCommand,
    check_calibration_table,
    read_calibration_table,
    run_tool,
)
from recam_deploy.toolchain.simulator import Simulator

pytestmark = pytest.mark.toolchain

SILENT = SilentProgress()
IMAGES = 8


def histograms() -> list[np.ndarray]:
    """Many shapes: falling, even, two humps, sparse."""
    random = np.random.default_rng(5)
    places = np.arange(BINS)
    falling = [1e6 * np.exp(-places / scale) for scale in (20, 100, 400, 3000)]
    humps = [1e5 * np.exp(-(((places - centre) / 90) ** 2)) for centre in (300, 900, 1700)]
    shapes = [*falling, *humps, falling[0] + humps[2], np.full(BINS, 7.0)]
    noisy = [random.poisson(shape + level) for shape in shapes for level in (0, 0.3, 3)]
    return [np.asarray(counts, np.int64) for counts in noisy]


def test_thresholds_are_those_of_the_compilers_library(toolchain: Toolchain) -> None:
    (path,) = toolchain.root.rglob("lib/calibration_math.so")
    library = ctypes.CDLL(str(path))
    library.kl_diversity_hist.restype = ctypes.c_float
    agreed = 0
    for counts in histograms():
        small = counts.astype(np.int32)
        pointer = small.ctypes.data_as(ctypes.POINTER(ctypes.c_int))
        theirs = library.kl_diversity_hist(
            pointer, ctypes.c_float(0.01), ctypes.c_longlong(BINS), ctypes.c_longlong(LEVELS)
        )
        agreed += abs(kl_threshold(counts, 0.01) - theirs) < 1e-4
    # It adds in single precision, so it may differ between two that are nearly as good.
    assert agreed >= 0.95 * len(histograms())


def test_pixels_are_those_of_the_compilers_opencv(toolchain: Toolchain, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    cases = []
    for index, (source, target) in enumerate(
        [((640, 480), (320, 240)), ((333, 517), (206, 320)), ((90, 61), (320, 217))]
    ):
        pixels = random.integers(0, 256, (source[1], source[0], 3), dtype=np.uint8)
        np.save(tmp_path / f"{index}.npy", pixels)
        cases.append((target, pixels))
    (tmp_path / "resize.py").write_text(
        "import cv2, json, numpy as np\n"
        "for i, size in enumerate(json.load(open('sizes.json'))):\n"
        "    np.save(f'{i}.out.npy', cv2.resize(np.load(f'{i}.npy'), tuple(size)))\n"
    )
    (tmp_path / "sizes.json").write_text(json.dumps([target for target, _ in cases]))
    done = process.run((str(toolchain.python), "resize.py"), cwd=tmp_path)
    assert done.returncode == 0, done.output
    for index, (target, pixels) in enumerate(cases):
        ours = np.asarray(sampled(Image.fromarray(pixels), target))
        assert (ours == np.load(tmp_path / f"{index}.out.npy")).all()


def test_the_bundled_model_is_as_good_with_either_table(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    demo = resource("device/demo")
    network, graph = read_network(demo / "shapes.onnx", (), Preprocessing())
    pictures = read_calibration_set(demo / "calibration", IMAGES).paths
    onnx.save(prepare(graph, network), tmp_path / ONNX_FILE)

    def use(command: ToolCommand) -> None:
        run_tool(toolchain, command, tmp_path, tmp_path / "log", SILENT)

    use(transform_command(network, TransformOptions()))
    link_pictures(pictures, tmp_path)
    use(calibrate_command(IMAGES, CalibrationOptions()))
    stock = (tmp_path / TABLE_FILE).rename(tmp_path / "stock")
    fast = tmp_path / "fast"
    fast.write_text(
        calibrate(
            tmp_path / ONNX_FILE,
            tmp_path / MLIR_FILE,
            pictures,
            lambda path: network_input(network, path),
            SILENT,
        )
    )
    check_calibration_table(fast, tmp_path / MLIR_FILE)
    theirs, ours = read_calibration_table(stock), read_calibration_table(fast)
    assert list(ours) == list(theirs)
    apart = [abs(ours[n].threshold / theirs[n].threshold - 1) for n in theirs]
    assert np.median(apart) < 1e-3
    for name, value in theirs.items():
        assert ours[name].maximum == pytest.approx(value.maximum, rel=1e-3, abs=1e-4)

    _, image = network_image(network, read_picture(demo / "test" / "test-10000.jpg"))
    wanted = FloatModel(tmp_path / ONNX_FILE).run(float_input(network, image))
    least = []
    for table in (stock, fast):
        (tmp_path / TABLE_FILE).write_bytes(table.read_bytes())
        use(deploy_command(INT8, DeployOptions(), None))
        (outputs,) = Simulator(toolchain).run(tmp_path / CVIMODEL_FILE, [image], SILENT)
        pairs = zip(wanted, outputs, strict=True)
        least.append(min(cosine(a.ravel(), b.ravel()) for a, b in pairs))
    assert least[1] >= least[0] - 0.005


def activations() -> onnx.ModelProto:
    """What exporters write for common activations, and YOLOX's first slices."""
    builder = Builder()
    corners = []
    for index in range(4):
        start = builder.constant(f"from{index}", [index % 2, index // 2])
        end = builder.constant(f"to{index}", [2**31, 2**31])
        axes, steps = (
            builder.constant(f"axes{index}", [2, 3]),
            builder.constant(f"by{index}", [2, 2]),
        )
        corners.append(builder.node("Slice", ["images", start, end, axes, steps], f"part{index}"))
    source = builder.node("Concat", corners, "focus", axis=1)
    source = builder.conv(source, "stem", (12, 8))
    for op in ("Relu", "LeakyRelu", "Elu", "HardSwish", "Tanh", "HardSigmoid"):
        source = builder.node(op, [source], f"act_{op}")
        source = builder.conv(source, f"conv_{op}", (8, 8))
    source = builder.node("MaxPool", [source], "pooled", kernel_shape=[3, 3], pads=[1] * 4)
    gate = builder.node("Sigmoid", [source], "gate")
    swish = builder.node("Mul", [source, gate], "swish")
    mean = builder.node("GlobalAveragePool", [swish], "mean")
    scaled = builder.node("Mul", [swish, mean], "scaled")
    total = builder.node("Add", [scaled, swish], "total")
    rows = builder.node("Reshape", [total, builder.constant("rows", [1, 8, -1])], "rows_of")
    turned = builder.node("Transpose", [rows], "turned", perm=[0, 2, 1])
    builder.node("Softmax", [turned], "out", axis=-1)
    return builder.model({"out": [1, (SIZE // 2) ** 2, 8]})


def _raw_network() -> Network:
    return Network(
        path=Path("tiny.onnx"),
        sha256="",
        ir_version=8,
        opset=17,
        family="raw",
        input=NetworkInput("images", SIZE, SIZE),
        cut_at=(),
        output_shapes=(),
        classes=0,
        labels=(),
    )


@pytest.mark.parametrize(
    "make",
    [detector, anchored_detector, query_detector, activations],
    ids=lambda make: make.__name__,
)
def test_every_tensor_that_the_compiler_asks_for_is_in_the_table(
    make: Callable[[], onnx.ModelProto], toolchain: Toolchain, tmp_path: Path
) -> None:
    onnx.save(lower(make()), tmp_path / ONNX_FILE)
    command = transform_command(_raw_network(), TransformOptions())
    run_tool(toolchain, command, tmp_path, tmp_path / "log", SILENT)

    def noise(path: Path) -> Array:
        return np.random.default_rng(int(path.stem)).random((1, 3, SIZE, SIZE), np.float32)

    table = tmp_path / "table"
    pictures = [Path(f"{index}.png") for index in range(3)]
    table.write_text(calibrate(tmp_path / ONNX_FILE, tmp_path / MLIR_FILE, pictures, noise, SILENT))
    check_calibration_table(table, tmp_path / MLIR_FILE)


def test_the_compiler_computes_what_onnx_means(toolchain: Toolchain, tmp_path: Path) -> None:
    """So each tensor has the same range in both calibrators' tables."""
    network = _raw_network()
    pictures = read_calibration_set(resource("device/demo/calibration"), 2).paths
    onnx.save(lower(activations()), tmp_path / ONNX_FILE)
    link_pictures(pictures, tmp_path)
    for command in (
        transform_command(network, TransformOptions()),
        calibrate_command(2, CalibrationOptions(tune_num=0)),
    ):
        run_tool(toolchain, command, tmp_path, tmp_path / "log", SILENT)
    ours = tmp_path / "ours"
    read = partial(network_input, network)
    ours.write_text(calibrate(tmp_path / ONNX_FILE, tmp_path / MLIR_FILE, pictures, read, SILENT))
    found = read_calibration_table(ours)
    for name, theirs in read_calibration_table(tmp_path / TABLE_FILE).items():
        assert found[name].minimum == pytest.approx(theirs.minimum, rel=1e-3, abs=1e-4), name
        assert found[name].maximum == pytest.approx(theirs.maximum, rel=1e-3, abs=1e-4), name
