"""The pictures of a conversion: chosen, kept in the cache, and given to the compiler."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from networks import a_network
from PIL import Image

from recam_deploy.conversion import plan
from recam_deploy.conversion.calibration import (
    CalibrationSet,
    read_calibration_set,
    read_data_list,
)
from recam_deploy.conversion.options import ConversionOptions
from recam_deploy.conversion.plan import plan_conversion
from recam_deploy.conversion.work_folder import link_pictures
from recam_deploy.detection import pictures as reading
from recam_deploy.detection.pictures import read_picture
from recam_deploy.errors import InputError
from recam_deploy.step_cache import StepCache, step_key


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for index in range(count):
        noise = np.random.default_rng(index).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{index:03}.png")
    return folder


def test_case_7_the_choice_is_spread_over_the_names(tmp_path: Path) -> None:
    chosen = read_calibration_set(pictures(tmp_path, 6), 3)
    assert [path.name for path in chosen.paths] == ["000.png", "002.png", "004.png"]


def test_images_is_the_most_and_never_exactly_that_many(tmp_path: Path) -> None:
    """Row 11 of "Found by reading the code": the settings' own default, written out."""
    assert len(read_calibration_set(pictures(tmp_path, 4), 100).paths) == 4


@pytest.mark.parametrize("damage", ["text", "empty", "cut short"])
def test_cases_8_and_9_a_damaged_picture_is_passed_over_by_its_name(
    tmp_path: Path, damage: str
) -> None:
    path = pictures(tmp_path, 4) / "002.png"
    whole = path.read_bytes()
    path.write_bytes({"text": b"text", "empty": b"", "cut short": whole[:-60]}[damage])
    chosen = read_calibration_set(tmp_path, None)
    assert [path.name for path in chosen.paths] == ["000.png", "001.png", "003.png"]
    assert chosen.choice
    assert "002.png: " in chosen.choice.problems[0]


def test_a_folder_of_damaged_pictures_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"text")
    with pytest.raises(InputError, match=r"a\.png cannot be read as a picture: not a picture"):
        read_calibration_set(tmp_path, None)


def test_a_list_keeps_its_order(tmp_path: Path) -> None:
    pictures(tmp_path, 3)
    (tmp_path / "list.txt").write_text("002.png\n000.png\n001.png\n")
    chosen = read_data_list(tmp_path / "list.txt", None)
    assert [path.name for path in chosen.paths] == ["002.png", "000.png", "001.png"]


def test_pictures_that_an_earlier_run_read_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = pictures(tmp_path / "set", 5), StepCache(tmp_path / "steps")
    (folder / "bad.png").write_bytes(b"")
    first = read_calibration_set(folder, None, cache)
    assert not (tmp_path / "steps").exists()
    assert first.reading
    first.reading.keep(cache)
    opened: list[Path] = []
    decoded = reading._decoded

    def counting(path: Path, **options: object) -> Image.Image:
        opened.append(path)
        return decoded(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "_decoded", counting)
    second = read_calibration_set(folder, None, cache)
    assert (second.pictures, second.choice) == (first.pictures, first.choice)
    assert {path.name for path in opened} == {"bad.png"}
    shutil.copy(folder / "001.png", folder / "bad.png")
    assert len(read_calibration_set(folder, None, cache).paths) == 6


@pytest.mark.parametrize("count", [10, 16, 17])
def test_the_check_of_few_pictures_is_found_in_the_cache_of_earlier_versions(count: int) -> None:
    """With more than 16 it uses others than it did; with so few, its key is what it was."""
    chosen = CalibrationSet(Path("d"), tuple((Path(f"{n}.jpg"), f"{n}") for n in range(count)))
    options = ConversionOptions()
    made = plan_conversion(a_network(), chosen, options, quantization="int8", tpu_mlir="1.7")
    inputs = {"from": made.compile.key, "images": options.verify_images}
    earlier = step_key("verify", plan._VERIFY, inputs)
    assert (made.verify.key == earlier) is (count <= 16)


KINDS: dict[str, tuple[str, dict[str, bool]]] = {
    "a.jpg": ("RGB", {}),
    "b,c.webp": ("RGB", {"lossless": True}),
    "d.png": ("LA", {}),
    "e.gif": ("L", {}),
    "f.tif": ("F", {}),
    "g.png": ("I;16", {}),
    "h.jp2": ("RGB", {}),
}


def test_the_compiler_gets_pictures_by_names_and_in_formats_that_it_knows(tmp_path: Path) -> None:
    """Of `.webp` it says that it is no picture, and a comma in a name begins another input."""
    given = []
    for name, (mode, options) in KINDS.items():
        values = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
        grey = {"F": values / np.float32(255), "I;16": values.astype(np.uint16) * 16}
        image = Image.fromarray(grey.get(mode, values))
        image = image if mode in grey else image.convert(mode)
        image.save(tmp_path / name, None, **options)
        given.append(tmp_path / name)
    work = tmp_path / "work"
    work.mkdir()
    link_pictures(given, work)
    names = (work / "images.txt").read_text().splitlines()
    assert names == [f"picture-{number:05}.jpg" for number in range(len(given))]
    linked = [(work / name).is_symlink() for name in names]
    assert linked == [True, True, True, False, False, False, False]
    for source, name in zip(given, names, strict=True):
        with Image.open(work / name) as put:
            assert put.format in ("JPEG", "WEBP", "PNG")
            assert (np.asarray(put.convert("RGB")) == np.asarray(read_picture(source))).all()


@pytest.mark.parametrize("kept", ["null", "[]", '{"0": 5}', '{"0": "AAAA"}', "{", "[" * 100_000])
def test_thumbnails_of_another_form_are_read_from_the_pictures_again(
    tmp_path: Path, kept: str
) -> None:
    """A relative of row 15 of "Found by reading the code": a damaged cache is a miss."""
    folder, cache = pictures(tmp_path / "set", 3), StepCache(tmp_path / "cache")
    first = read_calibration_set(folder, None, cache)
    assert first.reading
    cache.run("pictures", first.reading.key, lambda place: write(place / "thumbnails.json", kept))
    assert read_calibration_set(folder, None, cache).paths == first.paths


def write(path: Path, text: str) -> None:
    path.write_text(text)
