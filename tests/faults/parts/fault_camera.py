"""A camera to make faults on, and recam run against it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cvimodels import description, seal, yolo11_tensors
from fault_proxy import Proxy
from fault_shims import Shims
from planted import secret
from recam_processes import RecamProcess
from typer.testing import CliRunner

from recam_deploy.artifact import load_artifact
from recam_deploy.camera.model_info import model_info
from recam_deploy.cli.main import app

SECRET = secret("the password of the cameras for faults")
INFO_TEXT = '{"classes": ["old"], "checksum": "x"}'


@dataclass(frozen=True)
class Ended:
    """A `recam` command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        result: dict[str, Any] = json.loads(self.out)
        return result

    def failed(self, kind: str) -> str:
        """The message of the expected failure of this kind, with its hint."""
        assert self.code == 1, f"exit {self.code}: {self.out}{self.err}"
        error = self.document["error"]
        assert error["kind"] == kind, error
        assert error["hint"], error
        assert "\n" not in error["message"], error
        return f"{error['message']} {error['hint']}"

    def fine(self) -> dict[str, Any]:
        """The document of a run that ended well."""
        assert self.code == 0, f"exit {self.code}: {self.out}{self.err}"
        return self.document


@dataclass
class FaultCamera:
    """A camera of files on this machine behind a proxy, reached by the variables `environment`."""

    kind: str
    userdata: Path
    runner: Path
    shims: Shims
    proxy: Proxy
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes]
    folder: Path
    ended: list[Ended] = field(default_factory=list)

    @property
    def models(self) -> Path:
        return self.userdata / "Models"

    @property
    def active(self) -> Path:
        return self.models / "model.cvimodel"

    @property
    def info(self) -> Path:
        return self.models / "model.json"

    @property
    def work(self) -> Path:
        return self.userdata / "recam"

    @property
    def history(self) -> Path:
        return self.work / "history"

    def parts(self) -> list[Path]:
        """What an interrupted upload left."""
        return sorted(self.models.glob(".recam-*"))

    def artifact(self, name: str, size: int = 3000, chip: str = "cv181x") -> Path:
        """A whole cvimodel of about `size` bytes, different for each name."""
        path = self.folder / f"{name}.cvimodel"
        noise = hashlib.shake_256(name.encode()).digest(size)
        path.write_bytes(seal(description(*yolo11_tensors(256)), noise, chip))
        return path

    def wanted_info(self, artifact: Path) -> dict[str, Any]:
        """The model.json that a deployment of `artifact` writes."""
        return model_info(load_artifact(artifact))

    def recam(self, *words: str | Path, **variables: str) -> Ended:
        """Run `recam` here, in this process, to its end."""
        arguments = [str(word) for word in (*words, "--json")]
        result = CliRunner().invoke(app, arguments, env=self.environment | variables)
        return self._ended(Ended(result.exit_code, result.stdout, result.stderr))

    def start(self, *words: str | Path, **variables: str) -> RecamProcess:
        """Start `recam` as a process of its own, which can be killed."""
        environment = os.environ | self.environment | variables
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        return RecamProcess([*map(str, words), "--json"], environment, folder)

    def finish(self, process: RecamProcess) -> Ended:
        """Wait for a process of `start`."""
        return self._ended(Ended(*process.wait()))

    def _ended(self, ended: Ended) -> Ended:
        assert SECRET not in ended.out + ended.err
        assert "Traceback" not in ended.err
        self.ended.append(ended)
        return ended

    def deploy(self, artifact: Path, *words: str, **variables: str) -> Ended:
        """`recam deploy`."""
        return self.recam("deploy", artifact, *words, **variables)

    def history_document(self) -> dict[str, Any]:
        """What `recam history` says; it must be the truth about every file that it names."""
        document = self.recam("history").fine()
        by_id = {entry["id"]: entry for entry in document["entries"]}
        if self.active.is_file():
            active = by_id[document["active"]]
            assert active["sha256"] == sha256(self.active)
        else:
            assert document["active"] is None
        for entry in self.history.glob("[0-9]*"):
            assert by_id[entry.name.partition("-")[2]]["sha256"] == sha256(entry / "model.cvimodel")
        return document

    def recorded(self) -> dict[str, Any]:
        """What the last deployment wrote down."""
        result: dict[str, Any] = json.loads((self.history / "active.json").read_text())
        return result

    def holds_one_of(self, *models: Path | bytes) -> bytes:
        """The active model, byte for byte one of these; and the record tells the truth."""
        found = self.active.read_bytes()
        allowed = [model if isinstance(model, bytes) else model.read_bytes() for model in models]
        assert found in allowed, "the active model is none of those that were deployed"
        json.loads(self.info.read_text())
        self.history_document()
        return found

    def reset(self, clean: bool = True) -> None:
        """As new: an old model with its info, no history, no faults."""
        self.shims.clear()
        self.ended.clear()
        if clean:
            for path in self.userdata.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.models.mkdir(exist_ok=True)
        self.active.write_bytes(b"the old model")
        self.info.write_text(INFO_TEXT)
        self.runner.unlink(missing_ok=True)

    def put_runner(self, body: str) -> None:
        """A test binary that does what a shell script says."""
        self.runner.write_text(f"#!/bin/sh\n{body}\n")
        self.runner.chmod(0o755)

    def passwords_tried(self) -> int:
        """How many passwords the server was offered."""
        time.sleep(0.2)
        return self.log.read_text(errors="replace").count("password for")


def sha256(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def running(word: str) -> bool:
    """Whether a process with this word in its command line runs."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if word in (entry / "cmdline").read_bytes().decode(errors="replace"):
                    return True
            except OSError:
                continue
    return False


GOOD_RUNNER = 'echo "x: 0.5, y: 0.5, w: 0.5, h: 0.25, score: 0.9, target: 1"; cp "$2" "$3"'

StartVirtual = Callable[..., FaultCamera]
"""Starts a virtual camera with options of its own."""
