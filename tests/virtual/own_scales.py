"""Compile a network with `--quant_output` alone, so that each INT8 output has its own scale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from recam_deploy.conversion.commands import CVIMODEL_FILE, deploy_command
from recam_deploy.conversion.options import DeployOptions
from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain import find, run_tool


def build_own_scales(manifest: Path, cache: Path, folder: Path) -> Path:
    """Compile in `folder`, from the cached steps of a conversion to INT8; return the cvimodel."""
    keys = {step["name"]: step["key"] for step in json.loads(manifest.read_text())["steps"]}
    for name in ("transform", "calibrate"):
        shutil.copytree(cache / "steps" / keys[name], folder, dirs_exist_ok=True)
    toolchain = find(cache)
    assert toolchain
    command = deploy_command("int8", DeployOptions(int8_outputs=True), None)
    run_tool(toolchain, command, folder, folder / "log", SilentProgress())
    return folder / CVIMODEL_FILE
