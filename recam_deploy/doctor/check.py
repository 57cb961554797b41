"""Represent one line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    """The outcome of a check; with a warning the camera works for now."""

    ok = "ok"
    warn = "warn"
    fail = "fail"


@dataclass(frozen=True)
class Check:
    """One check: its id (`area.what`), its status, the fact found, and the remedy."""

    id: str
    status: Status
    fact: str
    remedy: str = ""

    @property
    def area(self) -> str:
        """The part that was checked: machine, network, ssh, camera, model or node_red."""
        return self.id.partition(".")[0]

    def as_json(self) -> dict[str, str]:
        """Return its object in `doctor --json`."""
        return {
            "id": self.id,
            "area": self.area,
            "status": self.status.value,
            "fact": self.fact,
            "remedy": self.remedy,
        }


def ok(name: str, fact: str) -> Check:
    """Make a check that passed."""
    return Check(name, Status.ok, fact)


def warn(name: str, fact: str, remedy: str) -> Check:
    """Make a check of something that works, or may work, but needs attention."""
    return Check(name, Status.warn, fact, remedy)


def fail(name: str, fact: str, remedy: str) -> Check:
    """Make a check that failed."""
    return Check(name, Status.fail, fact, remedy)
