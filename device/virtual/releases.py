"""The firmware that is played, by name.

Releases 0.2.3 and 0.2.4 of sscma-example-sg200x are built with SSCMA-Micro 60e2ede. Since April
2026 its main branch (c705d18) pins e830d54, which no release has yet: it knows BiSeNetV2 and YOLO26
pose, and refuses nearly nothing. Here that one is called `next`, and says that it is 0.2.5.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """A firmware: its name on our command line, and the version that it tells of itself."""

    name: str
    version: str


CURRENT = Release("0.2.4", "0.2.4")
NEXT = Release("next", "0.2.5")
RELEASES = {release.name: release for release in (CURRENT, NEXT)}
