"""Recognise a camera's firmware and product, and say what each can run."""

from __future__ import annotations

import re

_VERSION = re.compile(r"recamera\D{0,40}?(\d{1,3}(?:\.\d{1,3}){1,3})", re.IGNORECASE)
_PRO = re.compile(r"rv1126|rockchip|recamera[ _-]?pro\b", re.IGNORECASE)

PRO = (
    "this is a reCamera Pro: its chip runs .rknn models, and recam makes .cvimodel ones",
    "Use a reCamera with the SG2002 chip, or convert for the Pro with RKNN-Toolkit2.",
)
"""The message and the hint for a reCamera Pro."""
FAMILY_SINCE = {"yolo26-detect": (0, 2, 3)}
"""The first firmware that decodes a family, where not all do: SSCMA-Micro has YOLO26 since f0a7cc0,
and sscma-example-sg200x pins that since its tag 0.2.3."""

LAST_STRICT = (0, 2, 4)
"""The last firmware that refuses a model of no family, and the newest that is out: SSCMA-Micro
60e2ede. The next one (e830d54, pinned by sscma-example-sg200x since April 2026) decodes BiSeNetV2
and YOLO26 pose, and takes what else it does not know for YOLO26 pose or segmentation."""


def version_in(text: str) -> str:
    """Find the version in the text of /etc/issue; "" where that is not the camera's own system."""
    found = _VERSION.search(text)
    return found[1] if found else ""


def numbers_of(version: str) -> tuple[int, ...]:
    """Split "0.2.4" into numbers; empty for an unknown version."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal() and len(part) < 5)


def is_pro(name: str) -> bool:
    """Recognise a reCamera Pro, a Rockchip RV1126B, by its device tree's model or its own name.

    Source: Seeed-Studio/wiki-documents, reCamera_Pro/Reference/model_compatibility.md. Not verified
    on one.
    """
    return bool(_PRO.search(name))
