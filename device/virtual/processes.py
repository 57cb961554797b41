"""Read facts about processes that the standard library does not tell: ``/proc`` does."""

from __future__ import annotations

from pathlib import Path


def start_of(pid: int) -> str | None:
    """Return ``<boot id>/<start time in clock ticks since boot>`` of a live process.

    No two processes of one machine ever share number and this text. None where the
    process is gone or there is no ``/proc``.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    # The second field, the name, may hold spaces and brackets: count after its end.
    return f"{boot}/{stat.rpartition(')')[2].split()[19]}"


def of_session(leader: int) -> list[int]:
    """Return the numbers of the live processes in the session that ``leader`` began.

    A session holds more than a process group: ``timeout`` and shells with job control
    put what they start in groups of their own.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        state, _, _, session, *_ = stat.rpartition(")")[2].split()
        if int(session) == leader and state not in "ZX":
            found.append(int(entry.name))
    return found
