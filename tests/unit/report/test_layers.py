"""Layers are matched by the compiler's names, and their errors told where they arise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx_models import Builder

from recam_deploy.cvimodel.values import Value, read_tensor
from recam_deploy.detection.match import Pairing
from recam_deploy.errors import InputError
from recam_deploy.network.float_model import FloatModel, normalized
from recam_deploy.network.model import Network, Preprocessing
from recam_deploy.progress import Progress, SilentProgress
from recam_deploy.report.html import render
from recam_deploy.report.layers import LayerError, LayerErrors, LayerMeter

from .comparisons import HOSTILE, Reader, compared, comparison

IMAGE = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
MODEL = Path("m.cvimodel")


def model() -> onnx.ModelProto:
    """images -> a -> b (Relu) -> c -> out (a reshaped c), and d beside them from b."""
    builder = Builder()
    a = builder.conv("images", "a", (3, 4), stride=2)
    b = builder.node("Relu", [a], "b")
    c = builder.conv(b, "c", (4, 4))
    builder.conv(b, "d", (4, 2))
    flat = builder.constant("flat", [1, -1])
    builder.node("Reshape", [c, flat], "out")
    return onnx.shape_inference.infer_shapes(
        builder.model({"out": [1, 4 * 32 * 32], "d": [1, 2, 32, 32]})
    )


class Tpu:
    """Gives tensors by the compiler's names: those of the float model, moved away from them."""

    def __init__(self, errors: dict[str, float], dtype: str = "int8") -> None:
        self._errors = errors
        self._dtype = dtype

    def run_layers(
        self, model: Path, images: Sequence[npt.NDArray[Any]], progress: Progress
    ) -> list[dict[str, Value]]:
        assert model == MODEL
        found = []
        for image in images:
            values = floats(image, [name.rpartition("_")[0] for name in self._errors])
            found.append(
                {
                    name: Value(self._dtype, value * np.float32(1 + error))
                    for (name, error), value in zip(self._errors.items(), values, strict=True)
                }
            )
        return found


def floats(image: npt.NDArray[np.uint8], names: Sequence[str]) -> list[npt.NDArray[np.float32]]:
    whole = model()
    del whole.graph.output[:]
    for name in names:
        whole.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, None))
    return FloatModel(whole.SerializeToString()).run(normalized(image))


def network() -> Network:
    return comparison([compared("a", Pairing())]).subject.network


def measured(errors: dict[str, float], dtype: str = "int8", pictures: int = 1) -> LayerErrors:
    tpu = Tpu(errors, dtype)
    meter = LayerMeter(tpu, MODEL, pictures, complete=True, quantize_table="x_Conv BF16\n\n")
    for image in (IMAGE, 255 - IMAGE):
        (found,) = tpu.run_layers(MODEL, [image], SilentProgress())
        outputs = [found[name].array for name in ("out_Reshape", "d_Conv") if name in found]
        meter.add(network(), model(), model(), image, outputs, SilentProgress())
    result = meter.result()
    assert result is not None
    return result


def test_layers_are_matched_by_name_in_the_networks_order() -> None:
    result = measured({"d_Conv": 0.25, "c_Conv": 0.5, "b_Relu": 0.125, "a_Mul": 0.0})
    assert [(layer.name, layer.op) for layer in result.layers] == [
        ("b_Relu", "Relu"),
        ("c_Conv", "Conv"),
        ("d_Conv", "Conv"),
    ]
    assert [layer.error for layer in result.layers] == pytest.approx([0.125, 0.5, 0.25], rel=1e-5)
    assert all(layer.cosine == pytest.approx(1) for layer in result.layers)
    assert (result.operators, result.images) == (5, 1)


def test_a_layer_adds_what_its_inputs_do_not_carry_even_past_fused_ones() -> None:
    result = measured({"a_Conv": 0.1, "c_Conv": 0.4, "d_Conv": 0.05})
    added = {layer.name: layer.added for layer in result.layers}
    assert added == pytest.approx({"a_Conv": 0.1, "c_Conv": 0.3, "d_Conv": -0.05}, rel=1e-4)
    assert [layer.name for layer in result.worst(5)] == ["c_Conv", "a_Conv"]


def test_a_reshaped_tensor_speaks_for_the_layer_that_computed_it() -> None:
    alone = measured({"out_Reshape": 0.5, "d_Conv": 0.0}).layers
    assert [(layer.name, layer.op) for layer in alone] == [("d_Conv", "Conv"), ("c_Conv", "Conv")]
    both = measured({"out_Reshape": 0.5, "c_Conv": 0.5, "d_Conv": 0.0}).layers
    assert [layer.name for layer in both] == ["c_Conv", "d_Conv", "out_Reshape"]


def test_more_pictures_are_measured_only_when_asked_for() -> None:
    assert measured({"b_Relu": 0.5}, pictures=1).images == 1
    two = measured({"b_Relu": 0.5}, pictures=5)
    assert two.images == 2
    assert two.layers[0].error == pytest.approx(0.5)


def test_a_network_that_takes_the_centre_of_the_picture_can_be_measured() -> None:
    """resize_dims: the cvimodel's picture is larger than the network's input."""
    centred = replace(network(), preprocessing=Preprocessing(resize_dims=(80, 72)))
    image = np.random.default_rng(0).integers(0, 255, (80, 72, 3), np.uint8)
    outputs = floats(image[8:72, 4:68], ["out", "d"])

    class Centre(Tpu):
        def run_layers(
            self, model: Path, images: Sequence[npt.NDArray[Any]], progress: Progress
        ) -> list[dict[str, Value]]:
            return super().run_layers(model, [picture[8:72, 4:68] for picture in images], progress)

    meter = LayerMeter(Centre({"out_Reshape": 0.0, "d_Conv": 0.0, "b_Relu": 0.5}), MODEL)
    meter.add(centred, model(), model(), image, outputs, SilentProgress())
    result = meter.result()
    assert result is not None
    assert {layer.name: layer.error for layer in result.layers}["b_Relu"] == pytest.approx(0.5)


def test_layers_in_bf16_are_not_among_those_to_keep_in_it() -> None:
    result = measured({"b_Relu": 0.5}, dtype="bfloat16")
    assert [layer.precision for layer in result.layers] == ["bf16"]
    assert result.worst(5) == ()


def test_a_cvimodel_with_other_outputs_is_refused() -> None:
    meter = LayerMeter(Tpu({"d_Conv": 0.0}), MODEL)
    (other,) = floats(255 - IMAGE, ["d"])
    with pytest.raises(InputError, match="outputs differ"):
        meter.add(network(), model(), model(), IMAGE, [other], SilentProgress())


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_not_finite_still_gives_numbers(value: float) -> None:
    (layer,) = measured({"b_Relu": value}).layers
    assert (layer.cosine, layer.error) == (0.0, 1.0)
    json.dumps(layer.as_json(), allow_nan=False)


def test_integers_and_bfloat16_become_reals(tmp_path: Path) -> None:
    file = tmp_path / "t"
    np.array([-3, 4], np.int8).tofile(file)
    info = {"shape": [1, 2], "zero_point": 1, "qscale": 0.5}
    assert read_tensor(file, {**info, "dtype": "int8"}).array.tolist() == [[-2.0, 1.5]]
    np.array([0x3FC0, 0xC000], np.uint16).tofile(file)
    assert read_tensor(file, {**info, "dtype": "bfloat16"}).array.tolist() == [[1.5, -2.0]]


def told(errors: LayerErrors) -> Reader:
    reader = Reader(render(replace(comparison([compared("a.jpg", Pairing())]), layers=errors)))
    reader.check_self_contained()
    return reader


def dots(reader: Reader) -> list[dict[str, str | None]]:
    """The layers' dots in their chart, without those of the key and of the chart of outputs."""
    kinds = ("lossy", "plain", "exact")
    circles = [attributes for tag, attributes in reader.tags if tag == "circle"]
    return [a for a in circles if a["class"] in kinds and a["cx"] != "8"]


def layers(*added: float, name: str = "layer") -> tuple[LayerError, ...]:
    return tuple(
        LayerError(f"{name}{index}_Conv", "Conv", "int8", 0.9, 0.5 + rise, 0.5)
        for index, rise in enumerate(added)
    )


def test_the_worst_layers_are_listed_with_the_table_that_keeps_them() -> None:
    errors = LayerErrors(layers(0.1, 0.3, 0.2, -0.1), 9, 1, True, ("layer1_Conv BF16", "t BF16"))
    reader = told(errors)
    assert "Of the 9 operators of the ONNX model, 4 have" in reader.text
    assert "1layer1_ConvConv+30.00 %80.00 %0.9000" in reader.text
    assert "layer2_Conv BF16\nlayer0_Conv BF16\nlayer1_Conv BF16\nt BF16" in reader.text
    assert [a["class"] for a in dots(reader)] == ["lossy"] * 3 + ["plain"]


@pytest.mark.parametrize("count", [1, 2, 400])
def test_every_layer_has_its_dot_on_the_chart(count: int) -> None:
    reader = told(LayerErrors(layers(*np.linspace(0, 2, count)), 400, 1, False))
    assert len(dots(reader)) == count
    assert all(52 <= float(a["cx"] or "") <= 1020 for a in dots(reader))
    assert all(24 <= float(a["cy"] or "") <= 224 for a in dots(reader))
    assert "no longer in its cache" in reader.text


def test_layers_without_loss_or_none_at_all_are_said() -> None:
    exact = LayerErrors((LayerError("a_Conv", "Conv", "bf16", 1.0, 0.0, 0.0),), 3, 1, True)
    assert "nothing to keep in BF16" in told(exact).text
    assert "none could be compared" in told(LayerErrors((), 3, 1, True)).text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_layers_stay_text(text: str) -> None:
    hostile = LayerErrors(layers(0.5, name=text), 3, 1, True, (f"{text} BF16",))
    plain = told(LayerErrors(layers(0.5), 3, 1, True, ("x BF16",)))
    assert {tag for tag, _ in told(hostile).tags} == {tag for tag, _ in plain.tags}
