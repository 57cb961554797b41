"""A table has every name that the compiler asks for, and its values are those of the network."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import Builder

from recam_deploy.calibrator import calibrate as calibrating
from recam_deploy.calibrator.calibrate import CalibratorOptions, NotCalibratedError, calibrate
from recam_deploy.calibrator.collecting import collect, in_parallel, workers
from recam_deploy.calibrator.correspondence import correspond
from recam_deploy.calibrator.observing import ObservedModel, Patches, float_shapes, sample_places
from recam_deploy.errors import InputError
from recam_deploy.network.runtime import Array, Runtime
from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain import check_calibration_table, read_calibration_table
from recam_deploy.toolchain.mlir import Operation, read_operations

PICTURES = tuple(Path(f"{index}.png") for index in range(6))
SILENT = SilentProgress()


def read(path: Path) -> Array:
    """A picture of noise that its name decides."""
    random = np.random.default_rng(int(path.stem))
    return random.random((1, 3, 8, 8), np.float32)


def model() -> onnx.ModelProto:
    builder = Builder()
    conv = builder.conv("images", "conv", (3, 4))
    builder.node("Relu", [conv], "relu")
    builder.node("Reshape", ["relu", builder.constant("rows", [1, 4, 64])], "out")
    return builder.model({"out": [1, 4, 64]}, inputs={"images": [1, 3, 8, 8]})


def mlir(*lines: str) -> str:
    names = ["images", "relu_Relu", *(f"extra{i}" for i in range(len(lines)))]
    named = "".join(f'#loc{i} = loc("{name}")\n' for i, name in enumerate(names, 1))
    return (
        '  %1 = "top.Input"(%arg0) {} : (tensor<1x3x8x8xf32>) -> tensor<1x3x8x8xf32> loc(#loc1)\n'
        '  %2 = "top.Weight"() : () -> tensor<4x3x1x1xf32> loc(#loc9)\n'
        '  %4 = "top.Conv"(%1, %2) {do_relu = true} : (tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32>)'
        " -> tensor<1x4x8x8xf32> loc(#loc2)\n" + "".join(lines) + named
    )


TURNED = '  %5 = "top.Permute"(%4) {} : (tensor<1x4x8x8xf32>) -> tensor<1x8x8x4xf32> loc(#loc3)\n'
UNKNOWN = '  %6 = "top.Softmax"(%4) {} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> loc(#loc3)\n'

Folder = Callable[..., tuple[Path, Path]]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    def make(*lines: str) -> tuple[Path, Path]:
        onnx.save(model(), tmp_path / "network.onnx")
        (tmp_path / "network.mlir").write_text(mlir(*lines))
        return tmp_path / "network.onnx", tmp_path / "network.mlir"

    return make


def test_operations_know_their_inputs_and_shapes() -> None:
    assert read_operations(mlir(TURNED)) == (
        Operation("Input", "images", (), (1, 3, 8, 8)),
        Operation("Conv", "relu_Relu", ("images",), (1, 4, 8, 8)),
        Operation("Permute", "extra0", ("relu_Relu",), (1, 8, 8, 4)),
    )


def test_names_that_only_the_compiler_has_are_derived(folder: Folder, tmp_path: Path) -> None:
    prepared, translated = folder(TURNED)
    table = tmp_path / "table"
    table.write_text(calibrate(prepared, translated, PICTURES, read, SILENT))
    check_calibration_table(table, translated)
    values = read_calibration_table(table)
    assert list(values) == ["images", "relu_Relu", "extra0"]
    assert values["extra0"].maximum == values["relu_Relu"].maximum


def test_extremes_are_those_of_all_pictures(folder: Folder, tmp_path: Path) -> None:
    prepared, translated = folder()
    table = tmp_path / "table"
    table.write_text(calibrate(prepared, translated, PICTURES, read, SILENT))
    images = np.concatenate([read(path) for path in PICTURES])
    outputs = [Runtime(prepared).run({"images": read(path)})[0] for path in PICTURES]
    values = read_calibration_table(table)
    assert values["images"].maximum == pytest.approx(float(images.max()), abs=1e-6)
    assert values["images"].minimum == pytest.approx(float(images.min()), abs=1e-6)
    assert values["relu_Relu"].maximum == pytest.approx(float(np.max(outputs)), abs=1e-6)
    for value in values.values():
        assert 0 < value.threshold <= max(abs(value.minimum), abs(value.maximum)) + 1e-6


def test_the_same_pictures_give_the_same_table(folder: Folder) -> None:
    prepared, translated = folder(TURNED)
    once, again = (calibrate(prepared, translated, PICTURES, read, SILENT) for _ in range(2))
    assert once == again


def test_tuning_can_be_left_out(folder: Folder) -> None:
    prepared, translated = folder()
    options = CalibratorOptions(tune_num=0)
    assert "# tune number: 0" in calibrate(prepared, translated, PICTURES, read, SILENT, options)


def test_thresholds_are_tuned_on_no_more_pictures_than_memory_holds(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is wanted, 100 pictures at 640 say, would be ten gigabytes."""
    prepared, translated = folder()
    a_picture = 4 * 3 * 8 * 8
    monkeypatch.setattr(calibrating, "_TUNING_BYTES", 2 * a_picture)
    options = CalibratorOptions(tune_num=6)
    told: list[str] = []
    monkeypatch.setattr(SILENT, "say", told.append)
    table = calibrate(prepared, translated, PICTURES, read, SILENT, options)
    assert "# tune number: 2" in table
    assert told == ["thresholds are tuned on 2 pictures, to limit memory"]


def test_a_tensor_that_the_graph_cannot_give_is_told(folder: Folder) -> None:
    prepared, translated = folder(UNKNOWN)
    with pytest.raises(NotCalibratedError, match="the ONNX graph has no values for extra0"):
        calibrate(prepared, translated, PICTURES, read, SILENT)


def test_a_name_is_only_taken_for_a_tensor_of_its_size() -> None:
    found = correspond([Operation("Softmax", "a_b_Softmax", (), (1, 10))], {"a": (1, 10)})
    assert found.onnx == {"a_b_Softmax": "a"}
    assert correspond([Operation("Softmax", "a_Softmax", (), (1, 9))], {"a": (1, 10)}).missing


def test_a_tensor_is_not_taken_for_another_that_is_called_as_the_compiler_calls_it() -> None:
    shapes = {"a": (1, 10), "a_Relu": (1, 10), "in_Relu": (1, 10)}
    made = [
        Operation("Input", "in_Relu", (), (1, 10)),
        Operation("Relu", "a_Relu", (), (1, 10)),
        Operation("Softmax", "a_Relu_Softmax", (), (1, 10)),
    ]
    assert correspond(made, shapes).onnx == {
        "in_Relu": "in_Relu",
        "a_Relu": "a",
        "a_Relu_Softmax": "a_Relu",
    }


def test_patches_are_the_tensors_own_values() -> None:
    observed = ObservedModel(model())
    observed.patches("images", Patches(2, ((0, 3), (6, 6))))
    observed.sample("images", 192, 10)
    runtime = Runtime(observed.serialized())
    image = read(PICTURES[0])
    patches, sample = runtime.run({"images": image})
    assert (patches[0] == image[0, :, 0:2, 3:5]).all()
    assert (patches[1] == image[0, :, 6:8, 6:8]).all()
    assert (sample == image.ravel()[sample_places(192, 10)]).all()


def test_only_as_many_pictures_are_begun_as_are_worked_on() -> None:
    """However slowly the results are taken, those that wait for it stay few."""
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return item

    results = in_parallel(work, range(50))
    for expected in range(50):
        assert next(results) == expected
        assert len(begun) <= expected + 1 + workers()


def test_samples_are_kept_of_few_pictures_and_of_what_is_asked_for() -> None:
    shaped = onnx.shape_inference.infer_shapes(model())
    with SILENT.step("") as step:
        found = collect(
            shaped,
            ["images", "relu"],
            PICTURES,
            read,
            samples=10,
            keep={"relu"},
            keep_pictures=2,
            step=step,
        )
    assert set(found.samples) == {"relu"}
    assert sorted(found.samples["relu"]) == [0, 1]
    assert all(len(values) == 10 for values in found.samples["relu"].values())
    assert float_shapes(shaped)["relu"] == (1, 4, 8, 8)


def test_a_picture_that_cannot_be_read_ends_the_calibration(folder: Folder) -> None:
    prepared, translated = folder()

    def failing(path: Path) -> Array:
        if path.stem == "3":
            raise OSError("gone")
        return read(path)

    with pytest.raises(OSError, match="gone"):
        calibrate(prepared, translated, PICTURES, failing, SILENT)


@pytest.mark.parametrize(("operator", "lowered_by"), [("Log", 2.0), ("Sqrt", 2.0), ("Sqrt", 0.5)])
def test_values_that_are_not_finite_are_told_with_their_tensor_and_picture(
    operator: str, lowered_by: float
) -> None:
    """Of a histogram up to infinity no threshold can be had; nor may a NaN among others be passed
    over, as onnxruntime's extremes do."""
    builder = Builder()
    amount = builder.constant("amount", [lowered_by], np.float32)
    builder.node("Sub", ["images", amount], "lowered")
    builder.node("Relu", ["lowered"], "zeros")
    builder.node(operator, ["zeros" if operator == "Log" else "lowered"], "odd")
    model = builder.model({"odd": [1, 3, 8, 8]}, inputs={"images": [1, 3, 8, 8]})
    shaped = onnx.shape_inference.infer_shapes(model)
    look = functools.partial(collect, samples=999, keep=(), keep_pictures=0)
    with SILENT.step("") as step, pytest.raises(InputError, match=r"not finite: odd on 0\.png"):
        look(shaped, ["odd"], PICTURES[:1], read, step=step)
