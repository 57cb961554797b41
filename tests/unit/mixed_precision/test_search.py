"""The layers kept in BF16 are those whose errors reach the outputs, and no more of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import a_network
from onnx_models import Builder

from recam_deploy.conversion.calibration import CalibrationSet
from recam_deploy.conversion.from_settings import read_options
from recam_deploy.errors import InputError
from recam_deploy.mixed_precision.search import FloatLayers, find_float_layers
from recam_deploy.network.float_model import FloatModel
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import ConvertSettings

IMAGES = [np.random.default_rng(n).normal(0, 1, (1, 3, 8, 8)).astype(np.float32) for n in (1, 2)]


def chain() -> onnx.ModelProto:
    builder = Builder()
    tensor = "images"
    for index, channels in enumerate([(3, 8), (8, 8), (8, 8), (8, 4)]):
        conv = builder.conv(tensor, f"conv{index}", channels)
        tensor = builder.node("Relu", [conv], f"relu{index}" if index < 3 else "output0")
    return builder.model({"output0": [1, 4, 8, 8]}, inputs={"images": [1, 3, 8, 8]})


def thresholds(**factors: float) -> dict[str, float]:
    """Each tensor's own range, times its factor."""
    model = chain()
    names = {f"conv{n}": f"conv{n}_Conv" for n in range(4)}
    names |= {f"relu{n}": f"relu{n}_Relu" for n in range(3)}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    names = {"output0": "output0_Relu", **names}
    found = FloatModel(model.SerializeToString()).run(IMAGES[0])
    table = {n: float(np.abs(t).max()) for n, t in zip(names.values(), found, strict=True)}
    table["images"] = float(np.abs(IMAGES[0]).max())
    return {name: value * factors.get(name, 1.0) for name, value in table.items()}


def find(expected: float, table: dict[str, float], most: int | None = None) -> FloatLayers:
    return find_float_layers(
        chain(), table, IMAGES, SilentProgress(), expected_cos=expected, max_float_layers=most
    )


def test_what_is_lost_early_is_not_forgotten() -> None:
    """A threshold a hundred times too wide leaves the second layer a level or two."""
    found = find(0.99, thresholds(conv1_Conv=100))
    assert found.int8_cosine < 0.9
    assert found.cosine >= 0.99
    assert found.names == ("conv1_Conv", "relu1_Relu")
    assert found.casts == 2
    assert {entry.layer for entry in found.losses[:2]} == set(found.layers)
    lines = found.table().splitlines()
    assert lines[0].startswith("# ")
    assert lines[1:] == ["conv1_Conv BF16", "relu1_Relu BF16"]


def test_nothing_is_kept_where_int8_is_good_enough() -> None:
    found = find(0.9, thresholds())
    assert found.layers == ()
    assert found.cosine == found.int8_cosine >= 0.9
    assert [line for line in found.table().splitlines() if not line.startswith("#")] == []


def test_beyond_what_bf16_reaches_the_search_ends_close_to_it() -> None:
    found = find(1.0, thresholds(conv1_Conv=100))
    assert 0.999 < found.bf16_cosine < 1
    assert found.cosine >= found.bf16_cosine - 5e-4
    assert len(found.names) < 8


@pytest.mark.parametrize(("most", "kept"), [(0, 0), (1, 1), (2, 2), (5, 5), (99, 8)])
def test_as_many_layers_are_kept_as_allowed_where_they_are_too_few(most: int, kept: int) -> None:
    wide = thresholds(conv1_Conv=100, conv2_Conv=100)
    assert len(find(1.0, wide, most).names) <= kept
    limited = find(0.9999, wide, most)
    assert len(limited.names) == kept or limited.cosine >= 0.9999


def test_a_family_keeps_its_float_tail_whatever_the_cosine() -> None:
    found = find_float_layers(
        chain(), thresholds(), IMAGES, SilentProgress(), expected_cos=0.5, always=("relu2", "gone")
    )
    assert found.names == ("relu2_Relu",)
    limited = find_float_layers(
        chain(),
        thresholds(conv1_Conv=100),
        IMAGES,
        SilentProgress(),
        expected_cos=0.999,
        always=("relu2",),
        max_float_layers=3,
    )
    assert limited.names == ("conv1_Conv", "relu1_Relu", "relu2_Relu")


def test_losses_are_told_in_the_compilers_form() -> None:
    found = find(0.99, thresholds(conv1_Conv=100))
    words = found.loss_table().splitlines()[0].split()
    assert words[:4] == ["No.0", ":", "Layer:", "conv1_Conv"]
    assert float(words[-1]) == pytest.approx(1 - found.losses[0].loss, abs=1e-6)


NETWORK = a_network(cut_at=("output0",), output_shapes=((1, 4, 8, 8),))

PICTURES = CalibrationSet(Path("d"), ((Path("d/1.jpg"), "11"),))


@pytest.mark.parametrize(
    ("given", "by_compiler"),
    [
        ({}, False),
        ({"expected_cos": 0.998}, False),
        ({"search": "run_qtable"}, True),
        ({"min_layer_cos": 0.9}, True),
        ({"debug_cmd": "debug_log"}, True),
        ({"global_compare_layers": ("a",)}, True),
    ],
)
def test_the_compilers_search_is_taken_for_its_own_parameters(
    given: dict[str, object], by_compiler: bool
) -> None:
    search = read_options(ConvertSettings.model_validate(given), NETWORK, PICTURES).search
    assert search is not None
    assert search.by_compiler is by_compiler


def test_parameters_of_the_compilers_search_are_refused_for_ours() -> None:
    settings = ConvertSettings(search="recam", min_layer_cos=0.9)
    with pytest.raises(InputError, match="min_layer_cos is a parameter of run_qtable"):
        read_options(settings, NETWORK, PICTURES)
