"""Shape every answer: HTTP 200 and a JSON object, whether the call worked or not."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

OK = "OK"
HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
}


class CallError(Exception):
    """A call that failed: its ``msg`` and ``data``; ``code`` is -1 for all."""

    def __init__(self, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data or {}


def reply(
    data: Any, code: int = 0, message: str = OK, more: dict[str, Any] | None = None
) -> web.Response:
    """Make an answer; ``more`` stands beside the three members that all have."""
    body = {"code": code, "msg": message, "data": data, **(more or {})}
    return web.Response(
        body=json.dumps(body, separators=(",", ":"), sort_keys=True).encode(),
        headers=HEADERS,
        content_type="application/json",
    )
