"""Pictures are found in whatever a user names (cases 14, 17 and 20)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from recam_deploy.detection.pictures import read_picture
from recam_deploy.errors import InputError
from recam_deploy.picture_sets import find_pictures, read_picture_list

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path, "PNG")


def found(source: Path, below: Path) -> list[str]:
    return [str(path.relative_to(below)) for path in find_pictures(source).pictures]


def test_other_files_in_a_folder_are_passed_over_and_counted(tmp_path: Path) -> None:
    """Hidden ones are not: among them what macOS writes beside each picture."""
    put(tmp_path / "b.jpg", tmp_path / "a.PNG", tmp_path / "c.jfif", tmp_path / "d.JPE")
    put(tmp_path / "e.tif", tmp_path / "f.gif", tmp_path / ".hidden" / "g.png")
    for name in ("._b.jpg", "Thumbs.db", "labels.txt", ".DS_Store", "no suffix"):
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "nowhere.jpg").symlink_to("none")
    result = find_pictures(tmp_path)
    names = [path.name for path in result.pictures]
    assert names == ["a.PNG", "b.jpg", "c.jfif", "d.JPE", "e.tif", "f.gif"]
    assert result.passed_over == {".db": 1, ".txt": 1, "no suffix": 1, "no regular file": 2}


def test_case_14_what_a_file_is_counts_where_its_suffix_says_heic(tmp_path: Path) -> None:
    put(tmp_path / "really-png.HEIC", tmp_path / "without")
    (tmp_path / "IMG_1.HEIC").write_bytes(b"x")
    (tmp_path / "IMG_2.heic").write_bytes(b"y")
    result = find_pictures(tmp_path)
    assert [path.name for path in result.pictures] == ["really-png.HEIC", "without"]
    assert result.passed_over == {".heic": 2}


def test_case_14_a_folder_of_heic_alone_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is hidden, as where it is not installed."""
    from recam_deploy.detection import heif, picture_faults, pictures
    from recam_deploy.picture_sets import found as found_pictures

    for module in (heif, picture_faults, pictures, found_pictures):
        monkeypatch.setattr(module, "heic_is_read", lambda: False)
    for number in range(50):
        (tmp_path / f"IMG_{number:04}.HEIC").write_bytes(HEIC)
    with pytest.raises(
        InputError, match=r"holds no pictures that are read, but 50 \.heic"
    ) as caught:
        find_pictures(tmp_path)
    assert "pip install" in caught.value.hint
    assert "[heic]" in caught.value.hint


def test_case_20_subfolders_are_read_but_for_labels_and_masks(tmp_path: Path) -> None:
    put(tmp_path / "images" / "train" / "a.png", tmp_path / "images" / "val" / "b.png")
    put(tmp_path / "masks" / "train" / "a.png", tmp_path / "c.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0 0 1 1\n")
    result = find_pictures(tmp_path)
    assert found(tmp_path, tmp_path) == ["c.png", "images/train/a.png", "images/val/b.png"]
    assert result.passed_over == {"labels or masks": 1, ".txt": 1}
    assert found(tmp_path / "masks", tmp_path / "masks") == ["train/a.png"]


def test_case_20_links_and_loops_are_followed_once(tmp_path: Path) -> None:
    put(tmp_path / "set" / "real" / "a.png", tmp_path / "elsewhere" / "b.png")
    base = tmp_path / "set"
    (base / "real" / "up").symlink_to("..")
    (base / "again").symlink_to("real")
    (base / "itself").symlink_to("itself")
    (base / "other").symlink_to("../elsewhere")
    assert found(base, base) == ["other/b.png", "real/a.png"]


def test_case_20_a_subfolder_that_may_not_be_read_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the system call fails for one folder."""
    put(tmp_path / "a.png", tmp_path / "shut" / "b.png")
    scandir = os.scandir

    def guarded(path: Path) -> object:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    result = find_pictures(tmp_path)
    assert [path.name for path in result.pictures] == ["a.png"]
    assert result.passed_over == {"unreadable folder": 1}


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("x.zip", b"PK\x03\x04", "an archive", "Unpack"),
        ("x.tar.gz", b"\x1f\x8b", "an archive", "Unpack"),
        ("x.mp4", b"\0\0\0\x20ftypisom", "a video", "ffmpeg"),
        ("coco.json", b'{"images": []}', "JSON text", ""),
        ("x.bin", bytes(range(200, 255)), "is not a folder", "folder of pictures"),
        ("empty/", b"", "holds no pictures", "Put JPEG"),
        ("none", None, "none does not exist", "folder of pictures"),
    ],
)
def test_case_20_anything_else_is_refused_with_the_way_out(
    tmp_path: Path, name: str, content: bytes | None, message: str, hint: str
) -> None:
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        find_pictures(path)
    assert hint in caught.value.hint


YAMLS = {
    "Ultralytics": ("set.yaml", "path: ../{base}\ntrain: images/train\nval: images/val\n"),
    "beside datasets": ("project/set.yaml", "path: {base}\nval: images/val\n"),
    "Roboflow": ("data.yaml", "train: ../images/train\nval: ../images/val\n"),
    "another computer": ("data.yaml", "val: /content/drive/{base}/images/val\n"),
    "another path": ("data.yaml", "path: /content/{base}\nval: images/val\n"),
    "Windows": ("data.yaml", "path: C:\\data\\{base}\nval: images\\val\n"),
    "a list of paths": ("data.yaml", "val: [images/val]\n"),
    "a list file": ("data.yaml", "val: val.txt\n"),
    "no val": ("data.yaml", "val:\ntrain: images/val\n"),
    "val after the others": (
        "data.yaml",
        "test: images/train\ntrain: images/train\nval: images/val\n",
    ),
    "train before test": ("data.yaml", "test: images/train\ntrain: images/val\n"),
    "test alone": ("data.yaml", "train:\ntest: images/val\n"),
    "val not there": ("data.yaml", "val: images/gone\ntrain: images/val\n"),
}


@pytest.mark.parametrize("kind", YAMLS)
def test_case_20_a_data_yaml_says_where_the_pictures_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name, text = YAMLS[kind]
    base = tmp_path / "datasets"
    put(base / "images" / "val" / "a.png", base / "images" / "train" / "b.png")
    (base / "val.txt").write_text("./images/val/a.png\n")
    file = tmp_path / name if "/" in name else base / name
    file.parent.mkdir(exist_ok=True)
    if kind == "beside datasets":
        put(tmp_path / "datasets" / "coco8" / "images" / "val" / "a.png")
        text = text.format(base="coco8")
    file.write_text(text.format(base=base.name))
    monkeypatch.chdir(tmp_path.parent)
    result = find_pictures(file)
    assert [path.name for path in result.pictures] == ["a.png"]
    part = next((f"`{p}`" for p in ("val", "train") if f"{p}: images/val" in text), None)
    assert result.part == (part or ("`test`" if kind == "test alone" else "`val`"))


def test_case_20_a_data_yaml_without_its_pictures_says_where_they_were_looked_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "data.yaml").write_text("path: gone\nval: images/val\n")
    with pytest.raises(InputError, match="images/val as `val`, which is not there") as caught:
        find_pictures(tmp_path / "data.yaml")
    assert str(tmp_path) in caught.value.hint
    (tmp_path / "data.yaml").write_text("names: [a]\n")
    with pytest.raises(InputError, match="names no pictures"):
        find_pictures(tmp_path / "data.yaml")


LINES = {
    "plain": "images/val/a b.png",
    "dotted": "./images/val/a b.png",
    "Windows": "images\\val\\a b.png",
    "quoted": '"images/val/a b.png"',
    "label": "images/val/a b.png 3",
    "boxes": "images/val/a b.png 10,20,30,40,0 5,6,7,8,1",
    "table": "images/val/a b.png,cat",
    "from above": "ds/images/val/a b.png",
}


@pytest.mark.parametrize("kind", LINES)
def test_case_17_lists_are_read_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    put(tmp_path / "ds" / "images" / "val" / "a b.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = f"\ufeff# a comment\r\n\r\n{LINES[kind]}\r\n"
    listed = tmp_path / "ds" / "val.txt"
    listed.write_bytes(text.encode())
    wanted = (tmp_path / "ds" / "images" / "val" / "a b.png").resolve()
    for result in (read_picture_list(listed), find_pictures(listed)):
        assert [path.resolve() for path in result.pictures] == [wanted]


def test_a_list_is_relative_to_the_current_folder_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.png", tmp_path / "ds" / "a.png")
    (tmp_path / "ds" / "list.txt").write_text("a.png\n")
    monkeypatch.chdir(tmp_path)
    assert read_picture_list(tmp_path / "ds" / "list.txt").pictures == (Path("a.png"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.png\nnowhere.png\n", r"nowhere.png cannot be read: no such file \(line 2 of "),
        ("~nobody-here/a.png\n", "no such file"),
        ("x" * 5000, "no such file"),
        ("# nothing\n\n", "names no pictures"),
        ("a\0b\n", "no text file"),
    ],
)
def test_case_17_a_list_that_cannot_be_followed_says_where_it_was_looked(
    tmp_path: Path, content: str, message: str
) -> None:
    put(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_picture_list(tmp_path / "list.txt")
    if "no such file" in message:
        assert str(tmp_path) in caught.value.hint


def test_lists_of_other_encodings_are_read(tmp_path: Path) -> None:
    """UTF-16 from PowerShell; and names of a file system that are no UTF-8."""
    name = os.fsdecode(b"caf\xe9.png")
    put(tmp_path / "a.png")
    (tmp_path / name).write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "wide.txt").write_text("a.png\n", encoding="utf-16")
    (tmp_path / "bytes.txt").write_bytes(b"caf\xe9.png\n")
    assert read_picture_list(tmp_path / "wide.txt").pictures == (tmp_path / "a.png",)
    assert read_picture_list(tmp_path / "bytes.txt").pictures == (tmp_path / name,)


def test_case_14_a_stereo_jpeg_of_a_phone_is_a_picture(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 8))
    picture.save(tmp_path / "a.mpo", save_all=True, append_images=[picture])
    assert [path.name for path in find_pictures(tmp_path).pictures] == ["a.mpo"]
    assert read_picture(tmp_path / "a.mpo").size == (8, 8)


def test_a_model_given_as_pictures_is_told_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    with pytest.raises(InputError) as caught:
        find_pictures(tmp_path / "m.onnx")
    assert "an ONNX model" in caught.value.message
    assert "folder of pictures" in (caught.value.hint or "")
