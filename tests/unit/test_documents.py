"""The documents: links lead somewhere, README.md stays short, examples are taken as they stand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from recam_deploy.settings import Settings, load_settings
from recam_deploy.settings.schema import GeneralSettings

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
MAP = ROOT / "recam_deploy" / "README.md"
SETTINGS = ROOT / "recam_deploy" / "settings" / "README.md"
MOST_LINES = 220

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_TAKEN_OUT = frozenset({".venv", "build", "dist", "node_modules"})


def documents() -> list[Path]:
    """All Markdown files of the project, not those of installed packages."""
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == 0 and found.stdout:
        paths = [ROOT / name for name in found.stdout.splitlines()]
    else:
        paths = [p for p in ROOT.rglob("*.md") if not _TAKEN_OUT & set(p.relative_to(ROOT).parts)]
    return sorted(path for path in paths if path.is_file())


def links(document: Path) -> Iterator[str]:
    """What the document links to, but for other sites."""
    text = _FENCED.sub("", document.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(document: Path) -> set[str]:
    """The anchors of the document's headings, as GitHub makes them."""
    text = _FENCED.sub("", document.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(text)
    }


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    if not (ROOT / ".github").is_dir():
        pytest.skip("this is not the whole project: .github is missing, as in an sdist")
    for target in links(document):
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{target} leads nowhere"
        assert there.is_relative_to(ROOT), f"{target} leads out of the project"
        assert not anchor or anchor in anchors(there), f"{target} names no heading"


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_readme_begins_with_the_two_commands() -> None:
    first = _FENCED.search(README.read_text(encoding="utf-8"))
    assert first is not None
    assert first[2].splitlines() == ["./start demo", "./start tests"]


def test_the_map_names_the_one_module_that_imports_each_library() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pairs = re.findall(
        r'^protected_modules = \["(\w+)"\]\nallowed_importers = \["recam_deploy\.([\w.]+)"',
        text,
        re.M,
    )
    assert pairs
    words = " ".join(MAP.read_text(encoding="utf-8").split())
    for library, module in pairs:
        path = f"{module.replace('.', '/')}.py"
        assert f"{library} [{path}]({path})" in words


def test_every_setting_is_described() -> None:
    words = set(re.findall(r"\w+", SETTINGS.read_text(encoding="utf-8")))
    fields = {name for table in Settings.tables.values() for name in table.model_fields}
    assert not (fields | set(GeneralSettings.model_fields)) - words


def test_the_settings_file_that_is_shown_is_read(tmp_path: Path) -> None:
    (shown,) = (
        text
        for kind, text in _FENCED.findall(SETTINGS.read_text(encoding="utf-8"))
        if kind == "toml"
    )
    file = tmp_path / "recam.toml"
    file.write_text(shown, encoding="utf-8")
    settings = load_settings({"RECAM_SETTINGS": str(file)}, camera="porch")
    assert settings.camera.host == "192.168.1.40"
    file.write_text("", encoding="utf-8")
    defaults = load_settings({"RECAM_SETTINGS": str(file)})
    same = ("models", "work", "runner", "library_path", "system", "timeout", "run_timeout")
    for name in same:
        assert getattr(settings.camera, name) == getattr(defaults.camera, name)
