"""Define the paths of a compiler installed on this machine, and the environment of its tools.

tpu_mlir-1.7-<hash>/        one environment; <hash> is that of `lock_digest`
  toolchain.json            the manifest, written last
  env/                      a virtual environment of CPython 3.10 with requirements.lock
  stand-ins/bin/dot         instead of Graphviz
  stand-ins/python/plotly/  instead of plotly
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .compiler import Call

TPU_MLIR_VERSION = "1.7"

# Enters the folder's name. Raise it when anything but the lock's packages changes in the folder.
LAYOUT_VERSION = 2

MANIFEST = "toolchain.json"

# The libraries in the wheel's lib/third_party that the compiler for the cv18xx chips loads. The
# others are removed: the bundled glibc (libc, libm, libpthread 2.35) crashes every process on a
# newer system, libpython hides that of an interpreter built with a shared one, and libgcc_s must
# match the system's glibc. Leaving the folder out of LD_LIBRARY_PATH is not enough, for the
# binaries' RUNPATH names it.
BUNDLED_LIBRARIES = frozenset({"libdnnl.so.3", "libomp.so.5", "libstdc++.so.6", "libz.so.1"})

# run_qtable draws a graph with Graphviz after its search, and fails without `dot`, though it does
# not use the graph. Every tool imports plotly, which only draws under --debug_cmd.
STAND_INS: Mapping[str, str] = {
    "bin/dot": "#!/bin/sh\n# Instead of Graphviz: nobody looks at what run_qtable draws.\nexit 0\n",
    "python/plotly/__init__.py": '"""Instead of plotly, which the tools import and never use."""\n',
    "python/plotly/graph_objects.py": "",
    "python/plotly/subplots.py": (
        "def make_subplots(*args, **kwargs):\n"
        '    raise RuntimeError("plotly is not installed in this environment of the compiler")\n'
    ),
}

# The variables that the tools inherit; others (PYTHONHOME, LD_PRELOAD, a caller's virtual
# environment) can break them.
_INHERITED = ("HOME", "USER", "LOGNAME", "TMPDIR", "TMP", "TEMP", "TZ", "LANG", "LANGUAGE")
THREAD_SETTINGS = ("OMP_", "OPENBLAS_", "MKL_", "KMP_")
_INHERITED_PREFIXES = ("LC_", *THREAD_SETTINGS)
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Toolchain:
    """An installed compiler.

    `root` is its folder, `python` its interpreter, `package` the folder of tpu_mlir, `libraries`
    the folders that its programs load libraries from, in search order, `version` tpu_mlir's.
    """

    root: Path
    python: Path
    package: Path
    libraries: tuple[Path, ...]
    version: str

    @classmethod
    def at(cls, root: Path) -> Toolchain:
        """Return the compiler whose folder is `root`, which need not exist."""
        package = root / "env" / "lib" / "python3.10" / "site-packages" / "tpu_mlir"
        return cls(
            root=root,
            python=root / "env" / "bin" / "python3",
            package=package,
            libraries=(package / "lib" / "third_party", package / "lib"),
            version=TPU_MLIR_VERSION,
        )

    @property
    def simulator_libraries(self) -> tuple[Path, ...]:
        """Return the folders for LD_LIBRARY_PATH that let any Python load `libcviruntime.so`.

        Its RUNPATH finds the other libraries, so a process keeps its own libstdc++.
        """
        return (self.package / "lib",)

    def script(self, tool: str) -> Path:
        """Return the path of a tool's script, for instance of "model_transform"."""
        return self.package / "python" / "tools" / f"{tool}.py"

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of a tool's process; `base` is the caller's.

        The scripts start `tpuc-opt` and each other by bare name through a shell, so PATH must hold
        their folders. They are run directly: the wheel's console entries would replace
        LD_LIBRARY_PATH.
        """
        kept = {
            name: value
            for name, value in base.items()
            if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
        }
        own_path = (
            self.root / "stand-ins" / "bin",
            self.package / "bin",
            self.package / "python" / "tools",
            self.python.parent,
        )
        python_path = (
            self.package,
            self.package / "python",
            self.package / "customlayer" / "python",
            self.root / "stand-ins" / "python",
        )
        return {
            "LANG": "C.UTF-8",
            **kept,
            "PATH": _joined(*own_path, base.get("PATH") or _SYSTEM_PATH),
            "PYTHONPATH": _joined(*python_path),
            "LD_LIBRARY_PATH": _joined(*self.libraries),
            "TPUC_ROOT": str(self.package),
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "PYTHONNOUSERSITE": "1",
        }

    @contextlib.contextmanager
    def calling(
        self,
        words: Sequence[str | Path],
        work_dir: Path,
        environ: Mapping[str, str],
        reads: Sequence[Path] = (),
    ) -> Iterator[Call]:
        """Implement `Compiler.calling`; the program can read every file of the user."""
        yield Call(tuple(str(word) for word in words), self.environment(environ))


def _joined(*folders: Path | str) -> str:
    return os.pathsep.join(str(folder) for folder in folders)


def requirements_lock() -> bytes:
    """Return the contents of requirements.lock as shipped."""
    return lock_path().read_bytes()


def lock_path() -> Path:
    """Return the path of requirements.lock."""
    return Path(__file__).with_name("requirements.lock")


def lock_digest() -> str:
    """Return the sha256 (hex) that names an environment.

    It is of requirements.lock, the stand-ins, the kept libraries and the layout's version.
    """
    digest = hashlib.sha256(requirements_lock())
    for name, text in sorted(STAND_INS.items()):
        digest.update(f"\0{name}\0{text}".encode())
    digest.update(f"\0layout {LAYOUT_VERSION}\0{sorted(BUNDLED_LIBRARIES)}".encode())
    return digest.hexdigest()


def toolchain_folder(cache_dir: Path) -> Path:
    """Return the folder of all environments in the user's cache."""
    return cache_dir / "toolchain"


def toolchain_root(cache_dir: Path) -> Path:
    """Return the folder of the environment that this release of recam uses."""
    return toolchain_folder(cache_dir) / f"tpu_mlir-{TPU_MLIR_VERSION}-{lock_digest()[:12]}"
