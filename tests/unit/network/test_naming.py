"""Names that the compiler's tables and files cannot hold are replaced, whatever the exporter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import Builder, detector

from recam_deploy.network.naming import make_names_plain
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network, read_raw_network
from recam_deploy.network.runtime import Runtime

ODD = ("a b/conv", "#conv", 'con"v', "été/conv", "a\nconv", "c,onv", "con\\v")


def model(middle: str, output: str = "out", image: str = "images") -> onnx.ModelProto:
    builder = Builder()
    builder.conv(image, middle, (3, 4))
    builder.node("Relu", [middle], output)
    return builder.model({output: [1, 4, 8, 8]}, inputs={image: [1, 3, 8, 8]})


@pytest.mark.parametrize("name", ODD)
def test_no_name_is_left_that_a_table_could_not_hold(name: str) -> None:
    odd = model(name, f"{name} out", f"{name} in")
    renamed = make_names_plain(odd)
    assert set(renamed) == {name, f"{name} out", f"{name} in", f"{name}_w"}
    onnx.checker.check_model(odd, full_check=True)
    for plain in renamed.values():
        assert plain.isascii()
        assert not set(plain) & set(' #"\\,\n')


def test_what_the_network_computes_stays() -> None:
    image = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)
    odd = model("a b", "c d", "e f")
    before = Runtime(odd.SerializeToString()).run({"e f": image})[0]
    make_names_plain(odd)
    assert (Runtime(odd.SerializeToString()).run({"e_f": image})[0] == before).all()


def test_two_names_never_become_one() -> None:
    odd = model("a b", "a_b")
    assert make_names_plain(odd)["a b"] == "a_b_2"


def test_plain_names_stay_as_they_are() -> None:
    plain = detector(2)
    copy = onnx.ModelProto.FromString(plain.SerializeToString())
    assert make_names_plain(copy) == {}
    assert copy == plain


def test_a_model_may_be_told_to_end_at_a_name_of_its_own(tmp_path: Path) -> None:
    onnx.save(model("a b"), tmp_path / "m.onnx")
    network, graph = read_raw_network(tmp_path / "m.onnx", output_names=("a b",))
    assert network.cut_at == ("a_b",)
    assert prepare(graph, network).graph.output[0].name == "a_b"


def test_a_detector_with_odd_names_is_known_by_its_structure(tmp_path: Path) -> None:
    odd = detector(2)
    for node in odd.graph.node:
        node.input[:] = [f"{name} é" if name else "" for name in node.input]
        node.output[:] = [f"{name} é" for name in node.output]
    for value in (*odd.graph.input, *odd.graph.output):
        value.name += " é"
    for tensor in odd.graph.initializer:
        tensor.name += " é"
    onnx.save(odd, tmp_path / "m.onnx")
    network, _ = read_network(tmp_path / "m.onnx")
    assert network.family == "yolo11-detect"
    assert network.input.name == "images_"
