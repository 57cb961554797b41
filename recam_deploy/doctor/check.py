"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    """How a check came out; a warning does not keep the camera from working today."""

    ok = "ok"
    warn = "warn"
    fail = "fail"


@dataclass(frozen=True)
class Check:
    """What was looked at (`area.what`), how it is, the fact seen, and what to do about it."""

    id: str
    status: Status
    fact: str
    remedy: str = ""

    @property
    def area(self) -> str:
        """The part of the whole that it is about: machine, network, ssh, camera, ..."""
        return self.id.partition(".")[0]

    def as_json(self) -> dict[str, str]:
        """As `doctor --json` shows it."""
        return {
            "id": self.id,
            "area": self.area,
            "status": self.status.value,
            "fact": self.fact,
            "remedy": self.remedy,
        }


def ok(name: str, fact: str) -> Check:
    """All is well."""
    return Check(name, Status.ok, fact)


def warn(name: str, fact: str, remedy: str) -> Check:
    """It works, or may work, and should be looked at."""
    return Check(name, Status.warn, fact, remedy)


def fail(name: str, fact: str, remedy: str) -> Check:
    """It does not work."""
    return Check(name, Status.fail, fact, remedy)
