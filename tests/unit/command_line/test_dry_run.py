"""A dry run says what a conversion would run, and on which pictures, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from recam_deploy.cli.main import app

runner = CliRunner()


def test_a_dry_run_prints_the_commands_and_writes_nothing(
    tmp_path: Path, model: Path, pictures: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    words = ["convert", str(model), "--calibration", str(pictures), "--dry-run"]
    words += ["--calibrator", "stock"]
    document = json.loads(runner.invoke(app, [*words, "--json"]).stdout)
    assert [c.split()[0] for c in document["commands"]] == [
        "model_transform.py",
        "run_calibration.py",
        "model_deploy.py",
    ]
    lines = runner.invoke(app, words).stdout.splitlines()
    assert [line for line in lines if not line.startswith("# ")] == document["commands"]
    assert [line.split(":")[0] for line in lines[:2]] == ["# network.onnx", "# images.txt"]
    assert sorted(tmp_path.rglob("*")) == before


def test_cases_14_and_20_a_conversion_tells_which_pictures_it_takes(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `images` of the settings written out, which is the most that are taken (row 11)."""
    for number in range(30):
        folder = tmp_path / "set" / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number:02}.png")
    (tmp_path / "set" / "bad.jpg").write_bytes(b"")
    for number in range(5):
        (tmp_path / "set" / f"IMG_{number}.HEIC").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recam.toml").write_text('[convert]\ndataset = "set"\nimages = 100\n')
    words = ["convert", str(model), "--dry-run"]
    given = json.loads(runner.invoke(app, [*words, "--json"]).stdout)["calibration"]
    warnings = given.pop("warnings")
    assert given == {
        "source": str(tmp_path / "set"),
        "taken": 30,
        "of": 31,
        "folders": 2,
        "passed_over": {".heic": 5, "unreadable": 1},
    }
    assert "set/bad.jpg: it is empty" in warnings[0]
    assert "5 .heic" in warnings[1]
    result = runner.invoke(app, [*words, "--images", "10"])
    assert "# pictures: 10 of 31 pictures, from 2 folders" in result.stdout
    assert "set/bad.jpg" in result.stderr


@pytest.mark.parametrize(
    ("words", "environment", "asked"),
    [
        ([], {}, False),
        (["--int8-outputs"], {}, True),
        ([], {"RECAM_CONVERT_INT8_OUTPUTS": "true"}, True),
    ],
    ids=["by default", "flag", "setting"],
)
@pytest.mark.usefixtures("pictures")
def test_int8_outputs_are_made_only_where_they_are_asked_for(
    model: Path, words: list[str], environment: dict[str, str], asked: bool
) -> None:
    convert = ["convert", str(model), "--calibration", "pictures", "--dry-run", "--json"]
    result = runner.invoke(app, [*convert, *words], env=environment)
    more = " --quant_output" if asked else ""
    assert json.loads(result.stdout)["commands"][-1] == (
        "model_deploy.py --mlir network.mlir --quantize INT8 --calibration_table calibration_table "
        f"--chip cv181x --quant_input{more} --fuse_preprocess --aligned_input "
        "--customization_format RGB_PACKED --model network.cvimodel"
    )
