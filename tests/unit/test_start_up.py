"""Commands load what they need, and the list of commands loads none of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors

from recam_deploy.cli.main import _Commands

HEAVY = {"onnx", "onnxruntime", "google.protobuf"}
PROBE = """
import json, sys
sys.argv = ["recam", *json.loads(sys.argv[1])]
from recam_deploy.__main__ import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(folder: Path, *words: str) -> tuple[int, set[str], str]:
    """How a command ended, what it had loaded by then, and its stdout."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RECAM_")}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(words)],
        cwd=folder,
        env=environment | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, set(modules), done.stdout


@pytest.mark.parametrize("command", ["deploy", "test", "flow push"])
def test_what_only_talks_to_the_camera_loads_no_model_library(tmp_path: Path, command: str) -> None:
    model = tmp_path / "model.cvimodel"
    model.write_bytes(cvimodel_bytes(*yolo11_tensors()))
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "recam.toml").write_text(
        f"[camera]\nnode_red_port = 1\nmqtt_port = 1\npreview_port = 1\nwork = '{tmp_path}'\n"
    )
    words = {
        "deploy": ["deploy", str(model)],
        "test": ["test", str(model), "--image", str(tmp_path / "a.jpg")],
        "flow push": ["flow", "push", "--yes"],
    }[command]
    code, modules, out = loaded(tmp_path, *words, "--host", "127.0.0.1", "--json")
    assert code == 1
    assert not HEAVY & modules, out


def test_the_list_of_commands_loads_none_of_them(tmp_path: Path) -> None:
    code, modules, out = loaded(tmp_path, "--help")
    assert code == 0
    assert "deploy" in out
    for unwanted in ("recam_deploy.cli.deploy", "pydantic", "numpy", "rich.markdown"):
        assert unwanted not in modules


@pytest.mark.parametrize("entry", _Commands.entries, ids=lambda entry: entry.name)
def test_the_list_says_what_the_command_itself_says(entry: object) -> None:
    command = entry.load()  # type: ignore[attr-defined]
    first = (command.short_help or command.help).split("\n\n")[0]
    assert " ".join(first.split()) == entry.line  # type: ignore[attr-defined]
    assert command.name == entry.name  # type: ignore[attr-defined]
