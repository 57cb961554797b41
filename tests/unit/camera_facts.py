"""A camera in good order, as facts."""

from __future__ import annotations

from recam_deploy.camera.facts import CameraFacts, FolderFacts

FOLDER = FolderFacts(
    exists=True,
    is_link=False,
    writable=True,
    size=10_000_000_000,
    free=1_000_000_000,
    mount="/userdata",
    read_only=False,
    leftover_bytes=0,
)
FACTS = CameraFacts(
    machine="riscv64",
    device="Cvitek. SG2002",
    firmware="reCamera V0.2.4",
    clock=1_750_000_000,
    has_sudo=True,
    missing=(),
    ram_bytes=100_000_000,
    ion_bytes=None,
    history=FOLDER,
    active_bytes=0,
    info_sha256=None,
    kept=(),
    record="",
    pending="",
    lock="",
    uid=1000,
    has_timeout=True,
    has_sha256sum=True,
    has_python3=True,
    models=FOLDER,
    work=FOLDER,
    active_sha256="b" * 64,
    active_is_folder=False,
    runner_sha256=None,
    runner_runs=False,
    has_runtime=True,
    info=None,
)
