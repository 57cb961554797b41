"""A manifest may hold anything: only what is harmless is taken from it and compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cvimodels import write_cvimodel

from recam_deploy.artifact import Artifact, load_artifact
from recam_deploy.conversion.commands import deploy_command
from recam_deploy.conversion.layer_dump import compile_layer_dump
from recam_deploy.conversion.options import CheckPicture, DeployOptions
from recam_deploy.progress import SilentProgress
from recam_deploy.step_cache import StepCache
from recam_deploy.toolchain import Call

KEYS = {"transform": "transform-" + "0" * 24, "compile": "compile-" + "a" * 24}
OPTIONS = "--mlir network.mlir --quantize BF16 --quant_input --op_divide"
COMMAND = f"model_deploy.py {OPTIONS} --model network.cvimodel"
OWN = ["--disable_layer_group", "--model", "network.cvimodel"]


class CalledError(Exception):
    """The compiler was asked to run this."""


@dataclass(frozen=True)
class NoCompiler:
    """Stops where the compiler would be started."""

    version: str = "1.7"
    python: Path = Path("python")

    def script(self, tool: str) -> Path:
        return Path(f"{tool}.py")

    def calling(
        self,
        words: Sequence[str | Path],
        work_dir: Path,
        environ: Mapping[str, str],
        reads: Sequence[Path] = (),
    ) -> AbstractContextManager[Call]:
        raise CalledError(*map(str, words))


def write_tables(folder: Path) -> None:
    """The files that the compiler's input is checked by, of a network without tensors."""
    (folder / "network.mlir").write_text("")
    (folder / "calibration_table").write_text("a 1 -1 1\n")


def made(tmp_path: Path, **provenance: Any) -> Artifact:
    """An artifact whose conversion is in the cache, with these changes to its manifest."""
    cache = StepCache(tmp_path / "steps")
    for name, key in KEYS.items():
        cache.run(name, key, write_tables)
    steps = [{"name": name, "key": key} for name, key in KEYS.items()]
    document = {"steps": steps, "commands": [COMMAND], **provenance}
    bare = load_artifact(write_cvimodel(tmp_path / "m.cvimodel"))
    return Artifact(**{**vars(bare), "provenance": document})


def asked(artifact: Artifact, cache_dir: Path) -> list[str]:
    """The words with which the compiler would be started."""
    with pytest.raises(CalledError) as called:
        compile_layer_dump(artifact, NoCompiler(), cache_dir, SilentProgress())
    return list(called.value.args)


def test_the_manifests_own_command_is_run_with_a_tensor_each(tmp_path: Path) -> None:
    words = asked(made(tmp_path), tmp_path)
    assert words == ["python", "apart.py", "model_deploy.py", *OPTIONS.split(), *OWN]


@pytest.mark.parametrize(
    "more",
    [
        "--test_input test_input.jpg --excepts /a/b,c --compare_all",
        "--model ../out.cvimodel",
    ],
)
def test_checks_and_the_file_name_are_left_out(tmp_path: Path, more: str) -> None:
    words = asked(made(tmp_path, commands=[f"{COMMAND} {more}"]), tmp_path)
    assert words[3:] == [*OPTIONS.split(), *OWN]


@pytest.mark.parametrize(
    "provenance",
    [
        {"commands": [COMMAND + " --quantize_table 'x; touch CANARY'"]},
        {"commands": [COMMAND + " --chip '$(touch CANARY)'"]},
        {"commands": [COMMAND + " --chip"]},
        {"commands": [COMMAND + " --quant_weights"]},
        {"commands": [COMMAND + " --model_version 'x; touch CANARY'"]},
        {"commands": [COMMAND + " --disable_layer_group --addr_mode '$(touch CANARY)'"]},
        {"commands": [COMMAND.replace("network.mlir", "../network.mlir")]},
        {"commands": ["model_deploy.py"]},
        {"commands": ["model_deploy.py 'unclosed"]},
        {"commands": ["rm.py -r x"]},
        {"commands": None},
        {"commands": 7},
        {"steps": None},
        {"steps": ["compile", {"name": "compile"}, {"name": "compile", "key": 3}]},
        {"steps": [{"name": "compile", "key": "../../compile-" + "a" * 24}]},
        {"steps": [{"name": "compile", "key": "compile-" + "b" * 24}]},
    ],
)
def test_anything_else_is_not_compiled(tmp_path: Path, provenance: dict[str, Any]) -> None:
    artifact = made(tmp_path, **provenance)
    assert compile_layer_dump(artifact, NoCompiler(), tmp_path, SilentProgress()) is None


@pytest.mark.parametrize("quantization", ["int8", "mixed", "bf16"])
def test_no_option_that_changes_the_network_is_lost(tmp_path: Path, quantization: str) -> None:
    """With every option of a compilation set, all words but those of its checks are kept."""
    options = DeployOptions(
        op_divide=True,
        int8_outputs=True,
        compare_all=True,
        excepts=("x",),
        skip_validation=True,
    )
    assert all(vars(options).values()), "an option is not set here"
    plain = deploy_command(quantization, options, None)
    checked = deploy_command(quantization, options, CheckPicture(Path("a.jpg"), "aa"))
    wanted = list(plain.arguments[: plain.arguments.index("--model")])
    words = asked(made(tmp_path, commands=[checked.display()]), tmp_path)
    assert words[3:] == [*wanted, *OWN]
