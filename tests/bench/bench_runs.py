"""What the benches of whole conversions share: a cold cache, and the command that is measured."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def cold_cache(folder: Path, cache: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a `recam` whose cache, below `folder`, holds no steps, and borrows the
    compiler of `cache`."""
    cold = folder / "cache"
    cold.mkdir(parents=True)
    (cold / "toolchain").symlink_to(cache / "toolchain")
    return {**environ, "RECAM_CACHE_DIR": str(cold)}


def conversion(model: Path, pictures: Path, images: int, output: Path) -> list[str]:
    """`recam convert`, which ends well however far the result is from float."""
    words = [sys.executable, "-m", "recam_deploy", "convert", str(model), "--json"]
    words += ["--calibration", str(pictures), "--images", str(images), "--min-cosine", "0"]
    return [*words, "--min-matched", "0", "-o", str(output)]
