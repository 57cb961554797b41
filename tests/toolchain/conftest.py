"""The compiler for tests that need it, installed in the user's cache at first need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain import Toolchain, ensure


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """The cache that recam itself would use, so that the compiler is downloaded once."""
    named = os.environ.get("RECAM_CACHE_DIR")
    return Path(named).absolute() if named else user_cache_path("recam")


@pytest.fixture(scope="session")
def toolchain(cache_dir: Path) -> Toolchain:
    """The real compiler."""
    return ensure(cache_dir, SilentProgress())
