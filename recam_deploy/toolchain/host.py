"""Decide whether the compiler can run on this machine.

The tpu_mlir 1.7 wheel is tagged for any platform, but holds x86-64 ELF files that need symbols of
glibc 2.34 or later (as their dynamic symbol tables say; Ubuntu 22.04 has 2.35).
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from ..errors import ToolchainError

MINIMUM_GLIBC = (2, 34)

_ANOTHER_WAY = (
    "Use a Linux x86-64 machine (a virtual machine will do), or run the compiler in Docker: "
    "`--toolchain docker`."
)


@dataclass(frozen=True)
class HostFacts:
    """A machine: `system` and `machine` as `platform` names them; `glibc` is None without one."""

    system: str
    machine: str
    glibc: tuple[int, ...] | None


def host_facts() -> HostFacts:
    """Read the facts of this machine."""
    return HostFacts(platform.system(), platform.machine(), _glibc_version())


def _glibc_version() -> tuple[int, ...] | None:
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return None
    name, _, version = (text or "").partition(" ")
    numbers = version.split(".")
    if name != "glibc" or not all(number.isdigit() for number in numbers):
        return None
    return tuple(int(number) for number in numbers)


def obstacle(facts: HostFacts) -> str | None:
    """Say in one sentence why the compiler cannot run on such a machine; None when it can."""
    if facts.system != "Linux":
        name = {"Darwin": "macOS"}.get(facts.system, facts.system or "this system")
        return f"The compiler runs on Linux only, and this is {name}"
    if facts.machine not in ("x86_64", "AMD64"):
        return f"The compiler needs an x86-64 processor, and this machine is {facts.machine}"
    if facts.glibc is None:
        return "The compiler needs glibc, and this Linux has another C library (Alpine has musl)"
    if facts.glibc < MINIMUM_GLIBC:
        needed, found = (".".join(map(str, v)) for v in (MINIMUM_GLIBC, facts.glibc))
        return f"The compiler needs glibc {needed} or later, and this machine has {found}"
    return None


def check_host(facts: HostFacts | None = None) -> None:
    """Raise ToolchainError, with an alternative in the hint, where the compiler cannot run."""
    facts = facts or host_facts()
    reason = obstacle(facts)
    if reason is None:
        return
    hint = _ANOTHER_WAY
    if facts.system == "Windows":
        hint = f"Use WSL 2 with Ubuntu 22.04 or later. Or: {hint[0].lower()}{hint[1:]}"
    raise ToolchainError(reason, hint)
