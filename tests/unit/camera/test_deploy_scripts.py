"""The switch on the camera: whole or not at all, in every shell it may meet."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from shells import Run

from recam_deploy.camera.exit_codes import ExitCode
from recam_deploy.ssh.command import load


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "Mo dels"
    folder.mkdir()
    (folder / "model.cvimodel").write_text("old")
    (folder / "model.json").write_text("{old}")
    (folder / ".recam-a.cvimodel").write_text("new")
    return folder


def switch_words(models: Path, **changed: str) -> list[str]:
    """The arguments of a switch to `.recam-a.cvimodel`, with its info coming in."""
    words = {
        "models": str(models),
        "model": str(models / ".recam-a.cvimodel"),
        "model_sha": sha("new"),
        "info_action": "write",
        "info": str(models / ".recam-model.json"),
        "info_sha": sha("{new}"),
        "info_source": "",
        "expected": sha("old"),
        "history": str(models.parent / "history"),
        "keep": "00000001-aaaaaaaaaaaa",
        "kept": "",
        "record": '{"id": "b"}',
    }
    return list((words | changed).values())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_switch_replaces_both_keeps_the_old_and_writes_the_record(
    run: Run, models: Path
) -> None:
    done = run(load("switch"), *switch_words(models), data="{new}")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"active {sha('new')}\n", "")
    assert names(models) == ["model.cvimodel", "model.json"]
    assert (models / "model.json").read_text() == "{new}"
    history = models.parent / "history"
    assert names(history) == ["00000001-aaaaaaaaaaaa", "active.json"]
    kept = history / "00000001-aaaaaaaaaaaa"
    assert {path.name: path.read_text() for path in kept.iterdir()} == {
        "model.cvimodel": "old",
        "model.json": "{old}",
        "sha256": sha("old") + "\n",
    }
    assert (history / "active.json").read_text() == '{"id": "b"}\n'


def test_no_name_of_ours_is_written_through_a_link(run: Run, models: Path) -> None:
    outside, history = models.parent / "outside", models.parent / "history"
    outside.write_text("precious")
    history.mkdir()
    for place in (history / ".recam-new-record", models / ".recam-model.json"):
        place.symlink_to(outside)
    assert run(load("switch"), *switch_words(models), data="{new}").returncode == 0
    assert outside.read_text() == "precious"
    assert (history / "active.json").read_text() == '{"id": "b"}\n'
    assert not (history / "active.json").is_symlink()


def test_only_the_info_is_switched_where_the_model_stays(run: Run, models: Path) -> None:
    words = switch_words(models, model="", model_sha="", keep="")
    assert run(load("switch"), *words, data="{new}").returncode == 0
    assert (models / "model.cvimodel").read_text() == "old"
    assert (models / "model.json").read_text() == "{new}"


def test_an_info_is_copied_or_removed_for_a_model_of_the_history(run: Run, models: Path) -> None:
    source = models.parent / "kept.json"
    source.write_text("{kept}")
    copied = switch_words(
        models, info_action="copy", info_source=str(source), info_sha=sha("{kept}")
    )
    assert run(load("switch"), *copied).returncode == 0
    assert (models / "model.json").read_text() == "{kept}"
    nothing = {"info": "", "info_sha": "", "model": "", "model_sha": "", "expected": sha("new")}
    removed = switch_words(models, info_action="remove", keep="", **nothing)
    assert run(load("switch"), *removed).returncode == 0
    assert names(models) == ["model.cvimodel"]


@pytest.mark.parametrize(
    ("changed", "data", "status"),
    [
        ({"model_sha": sha("other")}, "{new}", ExitCode.INSTALL_DAMAGED),
        ({}, "{ne", ExitCode.INSTALL_DAMAGED),
        ({"expected": sha("another")}, "{new}", ExitCode.CHANGED_MEANWHILE),
        ({"expected": "absent"}, "{new}", ExitCode.CHANGED_MEANWHILE),
    ],
)
def test_nothing_is_switched_when_anything_is_not_as_planned(
    run: Run, models: Path, changed: dict[str, str], data: str, status: int
) -> None:
    done = run(load("switch"), *switch_words(models, **changed), data=data)
    assert done.returncode == status, done.stderr
    assert (models / "model.cvimodel").read_text() == "old"
    assert (models / "model.json").read_text() == "{old}"
    assert not (models.parent / "history" / "active.json").exists()


def test_a_folder_in_the_way_stops_before_the_first_rename(run: Run, models: Path) -> None:
    (models / "model.json").unlink()
    (models / "model.json").mkdir()
    done = run(load("switch"), *switch_words(models), data="{new}")
    assert done.returncode == ExitCode.INSTALL_IN_THE_WAY
    assert (models / "model.cvimodel").read_text() == "old"


def test_a_link_as_active_model_is_replaced_and_its_content_kept(run: Run, models: Path) -> None:
    outside = models.parent / "outside"
    outside.write_text("old")
    (models / "model.cvimodel").unlink()
    (models / "model.cvimodel").symlink_to(outside)
    assert run(load("switch"), *switch_words(models), data="{new}").returncode == 0
    assert outside.read_text() == "old"
    assert not (models / "model.cvimodel").is_symlink()
    kept = models.parent / "history/00000001-aaaaaaaaaaaa/model.cvimodel"
    assert kept.read_text() == "old"
    assert not kept.is_symlink()


def test_the_history_keeps_the_newest_and_moves_what_it_has(run: Run, models: Path) -> None:
    history = models.parent / "history"
    for order in (1, 2, 3):
        (history / f"0000000{order}-{order:012d}").mkdir(parents=True)
    (history / "2024-holidays").mkdir()
    words = switch_words(models, keep="00000004-000000000002", kept="00000002-000000000002")
    done = run(load("switch"), *words, "00000001-000000000001", "00000000-gone", data="{new}")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(history) == [
        "00000003-000000000003",
        "00000004-000000000002",
        "2024-holidays",
        "active.json",
    ]


def test_what_is_forgotten_is_never_what_a_link_leads_to(run: Run, models: Path) -> None:
    history, outside = models.parent / "history", models.parent / "outside"
    history.mkdir()
    outside.mkdir()
    (outside / "precious").touch()
    (history / "00000001-000000000001").symlink_to(outside)
    words = switch_words(models)
    assert run(load("switch"), *words, "00000001-000000000001", data="{new}").returncode == 0
    assert names(history) == ["00000001-aaaaaaaaaaaa", "active.json"]
    assert names(outside) == ["precious"]


@pytest.mark.parametrize("switches", [True, False])
def test_what_is_active_shares_no_bytes_with_the_history(
    run: Run, models: Path, switches: bool
) -> None:
    words = switch_words(models, **({} if switches else {"model": "", "model_sha": ""}))
    assert run(load("switch"), *words, data="{new}").returncode == 0
    (models / "model.cvimodel").write_text("written over in place, as scp does")
    kept = models.parent / "history/00000001-aaaaaaaaaaaa/model.cvimodel"
    assert kept.read_text() == "old"


def test_a_staged_model_is_checked_and_made_from_the_history(run: Run, models: Path) -> None:
    staged = models / ".recam-b.cvimodel"
    kept = models.parent / "history/00000001-aaaaaaaaaaaa/model.cvimodel"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    assert run(load("stage"), staged, sha("kept"), kept).returncode == 0
    assert staged.read_text() == "kept"
    assert not staged.samefile(kept)
    assert run(load("stage"), staged, sha("other"), "").returncode == ExitCode.INSTALL_DAMAGED
    assert not staged.exists()
    assert kept.read_text() == "kept"


def test_a_damaged_model_of_the_history_is_forgotten(run: Run, models: Path) -> None:
    staged = models / ".recam-b.cvimodel"
    kept = models.parent / "history/00000001-aaaaaaaaaaaa/model.cvimodel"
    kept.parent.mkdir(parents=True)
    kept.write_text("damaged")
    assert run(load("stage"), staged, sha("kept"), kept).returncode == ExitCode.INSTALL_DAMAGED
    assert not staged.exists()
    assert names(models.parent / "history") == []


def test_appending_goes_on_where_it_was_told_and_not_through_a_link(
    run: Run, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    part.write_text("abcXXX")
    assert run(load("append"), part, "3", "plain", data="def").returncode == 0
    assert part.read_text() == "abcdef"
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    part.unlink()
    part.symlink_to(outside)
    assert run(load("append"), part, "0", "plain", data="new").returncode == 0
    assert (part.read_text(), outside.read_text()) == ("new", "untouched")
    assert not part.is_symlink()


# Makes what comes in packed.
PACK = 'gzip -c >"$1.gz"; exec <"$1.gz"\n'


def test_what_comes_in_packed_is_unpacked(run: Run, tmp_path: Path) -> None:
    part, stored = tmp_path / "part", tmp_path / "stored"
    part.write_text("abcXXX")
    done = run(PACK + load("append"), part, "3", "gzip", data="def")
    assert (done.returncode, done.stdout, part.read_text()) == (0, "gzip\n", "abcdef")
    stored.write_text("abc")
    assert run(PACK + load("store"), stored, "600", "3", "gzip", data="def").returncode == 0
    assert (stored.read_text(), stored.stat().st_mode & 0o777) == ("abcdef", 0o600)


def test_what_was_cut_off_while_packed_is_kept_as_far_as_it_came(run: Run, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_text("abc")
    cut = PACK + 'head -c 15 "$1.gz" >"$1.cut"; exec <"$1.cut"\n'
    assert run(cut + load("append"), part, "3", "gzip", data="defghi" * 9).returncode == 0
    assert ("abc" + "defghi" * 9).startswith(part.read_text())


def test_a_camera_without_gunzip_does_not_say_that_it_unpacks(run: Run, tmp_path: Path) -> None:
    without = "command() { return 1; }\n" + load("append")
    done = run(without, tmp_path / "part", "0", "plain", data="abc")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "part").read_text() == "abc"


def test_the_pieces_of_a_file_are_told(run: Run, tmp_path: Path) -> None:
    part = tmp_path / "pa rt"
    part.write_text("abcdefgh")
    told = run(load("pieces"), part, "3").stdout.split()
    assert told == ["8", sha("abc"), sha("def"), sha("gh")]
    assert run(load("pieces"), tmp_path / "none", "3").stdout == ""


def test_cleaning_removes_only_what_is_ours(run: Run, models: Path) -> None:
    history = models.parent / "history"
    (history / ".recam-new-00000001-a").mkdir(parents=True)
    (history / ".recam-new-record").write_text("what was meant")
    (history / "00000001-aaaaaaaaaaaa").mkdir()
    (models / ".recam-link").symlink_to(models.parent / "nowhere")
    (models / "other.part").write_text("x")
    (models / ".recam-b.cvimodel").write_text("part of this one")
    done = run(load("clean"), models, history, models / ".recam-b.cvimodel")
    assert done.returncode == 0, done.stderr
    assert names(models) == [".recam-b.cvimodel", "model.cvimodel", "model.json", "other.part"]
    assert names(history) == [".recam-new-record", "00000001-aaaaaaaaaaaa"]
    assert run(load("clean"), models.parent / "none", history, "").returncode == 0


def test_the_history_is_listed(run: Run, models: Path) -> None:
    history = models.parent / "history"
    kept = history / "00000001-aaaaaaaaaaaa"
    kept.mkdir(parents=True)
    (kept / "model.cvimodel").write_text("m")
    (kept / "model.json").write_text("{}")
    (kept / "sha256").write_text(sha("m") + "\n")
    (history / "00000002-unfinished").mkdir()
    said = run(load("list_history"), history, "N", "100").stdout
    assert said == (
        f"\nN entry=00000001-aaaaaaaaaaaa {sha('m')} 1\nN info={sha('{}')}\n{{}}\nN end\n"
    )
