"""Call Node-RED's Admin API: read and write its flows as one document with a revision.

Source: Node-RED 4.0.9, also run with 4.1.0: packages/node_modules/@node-red/editor-api/lib/admin/
flows.js (the calls), .../runtime/lib/api/flows.js (a stale `rev` is a 409; without one all flows
are overwritten, so `write` needs one), .../editor-api/lib/auth/ (401, tokens).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import SecretStr

from ..errors import (
    AuthenticationError,
    ConnectionFailedError,
    FlowError,
    NodeRedError,
)
from ..http import HttpService, Reply
from ..redaction import keep_secret
from ..settings import CameraSettings
from .document import FlowDocument, Node, parse_document
from .record import EMPTY, Record

logger = logging.getLogger(__name__)

DeploymentType = Literal["full", "nodes", "reload"]

_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_V2 = {**_JSON, "Node-RED-API-Version": "v2"}
_RECORD = "/library/local/flows/recam/pushed.json"
_DEPLOY_SECONDS = 60.0  # stopping the old nodes can take 15 s each (settings.js, nodeCloseTimeout)
_RESTART_SECONDS = 30.0
_POLL_SECONDS = 0.5
_HINT = (
    "Check that Node-RED runs; it needs about two minutes after the camera's start. "
    "The port is the setting camera.node_red_port."
)


class RevisionConflictError(Exception):
    """Node-RED's flows have changed since they were read; `push` catches it."""


@dataclass(frozen=True)
class NodeRedFacts:
    """Node-RED's version ("" when unknown), its node types, and their modules' versions."""

    version: str
    types: frozenset[str]
    modules: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeRedLogin:
    """A login for Node-RED: a token, or a user with a password."""

    token: SecretStr | None = None
    user: str | None = None
    password: SecretStr | None = None

    @classmethod
    def from_settings(cls, camera: CameraSettings) -> NodeRedLogin:
        """Return the login in the settings; it may be empty."""
        return cls(camera.node_red_token, camera.node_red_user, camera.node_red_password)


class NodeRed:
    """The Admin API of one Node-RED; a context manager.

    Every call raises ConnectionFailedError when Node-RED cannot be reached
    (InterruptedExchangeError: the call may have succeeded), AuthenticationError when a login is
    missing or refused, and NodeRedError for a refusal or an invalid answer.
    """

    def __init__(
        self,
        host: str,
        port: int,
        login: NodeRedLogin,
        *,
        timeout: float,
        ask: Callable[[], NodeRedLogin | None] | None = None,
    ) -> None:
        self._http = HttpService(host, port, "Node-RED", timeout=timeout, hint=_HINT)
        self._login = login
        self._token = login.token
        self._ask = ask

    @classmethod
    def from_settings(
        cls, camera: CameraSettings, ask: Callable[[], NodeRedLogin | None] | None = None
    ) -> NodeRed:
        """Make a client for the camera in the settings.

        `ask` is called at most once, when Node-RED needs a login and the settings have none.
        """
        return cls(
            camera.direct_host,
            camera.node_red_port,
            NodeRedLogin.from_settings(camera),
            timeout=camera.timeout,
            ask=ask,
        )

    def __enter__(self) -> NodeRed:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def read(self) -> FlowDocument:
        """Read the present flows with their revision."""
        reply = self._call("GET", "/flows", _V2)
        document = self._object(reply)
        rev = document.get("rev")
        if not isinstance(rev, str) or not rev:
            raise self._unclear("its flows have no revision")
        try:
            nodes = parse_document(json.dumps(document.get("flows")), "Node-RED's flow document")
        except FlowError as error:
            raise NodeRedError(error.message, "Correct it in Node-RED's editor first.") from error
        return FlowDocument(nodes, rev)

    def write(self, nodes: tuple[Node, ...], rev: str, kind: DeploymentType = "full") -> str:
        """Replace all flows, if their revision is still `rev`; return the new revision.

        Raises RevisionConflictError, and changes nothing, when it is another.
        """
        if not rev:
            raise ValueError("a write without a revision would overwrite whatever is there")
        body = json.dumps({"flows": nodes, "rev": rev}).encode()
        headers = {**_V2, "Node-RED-Deployment-Type": kind}
        reply = self._call("POST", "/flows", headers, body, timeout=_DEPLOY_SECONDS)
        if reply.status == 409:
            raise RevisionConflictError
        new = self._object(reply).get("rev")
        if not isinstance(new, str) or not new:
            raise self._unclear("it has no new revision")
        return new

    def restart(self) -> None:
        """Restart all nodes from the stored flows, which do not change."""
        headers = {**_V2, "Node-RED-Deployment-Type": "reload"}
        self._object(self._call("POST", "/flows", headers, b"{}", timeout=_DEPLOY_SECONDS))

    def facts(self) -> NodeRedFacts:
        """Read its version, and the node types that are installed and enabled."""
        listed = self._json(self._call("GET", "/nodes", _JSON))
        if not isinstance(listed, list):
            raise self._unclear("its node types are not a list")
        types: set[str] = set()
        modules: dict[str, str] = {}
        for entry in listed:
            if isinstance(entry, dict) and entry.get("enabled") and not entry.get("err"):
                if isinstance(module := entry.get("module"), str):
                    modules[module] = str(entry.get("version", ""))
                named = entry.get("types")
                named = named if isinstance(named, list) else []
                types.update(kind for kind in named if isinstance(kind, str))
        settings = self._json(self._call("GET", "/settings", _JSON))
        version = settings.get("version") if isinstance(settings, dict) else None
        known = version if isinstance(version, str) else ""
        logger.info("Node-RED %s, %d node types", known or "of unknown version", len(types))
        return NodeRedFacts(known, frozenset(types), modules)

    def recorded(self) -> Record:
        """Read what was pushed before; an empty record where there is none."""
        reply = self._request("GET", _RECORD, _JSON)
        return Record.parse(reply.body) if reply.status == 200 else EMPTY

    def record(self, record: Record) -> None:
        """Replace the record of what was pushed."""
        self._call("POST", _RECORD, _JSON, json.dumps(record.as_json()).encode())

    def runs(self) -> bool | None:
        """Return whether the flows run; None where Node-RED does not report it (before 3.0)."""
        reply = self._request("GET", "/flows/state", _JSON)
        if reply.status == 404:
            return None
        return bool(self._object(self._accepted(reply)).get("state") == "start")

    def read_when_back(self) -> FlowDocument:
        """Read the flows; wait up to 30 s for a Node-RED that does not answer."""
        until = time.monotonic() + _RESTART_SECONDS
        while True:
            try:
                return self.read()
            except ConnectionFailedError:
                if time.monotonic() > until:
                    raise
            time.sleep(_POLL_SECONDS)

    def _call(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Make one call and return its reply. Raises as the class says."""
        return self._accepted(self._request(method, path, headers, body, timeout))

    def _request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Make one call; log in first when Node-RED wants it. Returns the reply of any status."""
        reply = self._exchange(method, path, headers, body, timeout)
        if reply.status == 401 and self._token is None:
            self._token = self._log_in()
            reply = self._exchange(method, path, headers, body, timeout)
        return reply

    def _exchange(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout: float | None,
    ) -> Reply:
        if self._token is not None:
            keep_secret(self._token)
            token = self._token.get_secret_value()
            if not token.isascii() or not token.isprintable():
                raise AuthenticationError(
                    "the Node-RED token holds characters that no token has",
                    "Copy it again, or set RECAM_NODERED_USER and RECAM_NODERED_PASSWORD.",
                )
            headers = {**headers, "Authorization": f"Bearer {token}"}
        return self._http.exchange(method, path, headers=headers, body=body, timeout=timeout)

    def _log_in(self) -> SecretStr:
        """Get a token for a user and password; ask for them once. Raises AuthenticationError."""
        if not (self._login.token or self._login.password) and self._ask:
            self._login, self._ask = self._ask() or self._login, None
        login = self._login
        if login.token:
            return login.token
        if not login.password:
            raise self._locked(401)
        user = login.user or "admin"
        form = {
            "client_id": "node-red-admin",
            "grant_type": "password",
            "scope": "*",
            "username": user,
            "password": login.password.get_secret_value(),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = self._http.exchange(
            "POST", "/auth/token", headers=headers, body=urlencode(form).encode()
        )
        if reply.status != 200:
            raise AuthenticationError(
                f"{self._http.where} refused the password of {user!r}",
                "Check RECAM_NODERED_USER and RECAM_NODERED_PASSWORD. After several wrong ones "
                "Node-RED refuses all logins for ten minutes.",
            )
        token = self._object(reply).get("access_token")
        if not isinstance(token, str) or not token:
            raise self._unclear("it has no token")
        keep_secret(token)
        return SecretStr(token)

    def _accepted(self, reply: Reply) -> Reply:
        """Return the reply; a 409 is for the caller.

        Raises AuthenticationError or NodeRedError for another refusal.
        """
        if reply.status in (401, 403):
            raise self._locked(reply.status)
        if reply.status == 404:
            raise NodeRedError(
                f"{self._http.where} has no Admin API at this address",
                "Check that Node-RED listens there. The port is the setting camera.node_red_port.",
            )
        if reply.status != 409 and not 200 <= reply.status < 300:
            raise NodeRedError(
                f"{self._http.where} refused with status {reply.status}{_reason(reply)}",
                "This call changed nothing. Look at Node-RED's log.",
            )
        return reply

    def _locked(self, status: int) -> AuthenticationError:
        if status == 403 or self._login.token is not None:
            what = "does not allow this user to do that" if status == 403 else "refused the token"
            return AuthenticationError(
                f"{self._http.where} {what}",
                "Tokens expire after a week. Get a new one, or set RECAM_NODERED_USER and "
                "RECAM_NODERED_PASSWORD.",
            )
        if self._token is not None:
            return AuthenticationError(
                f"{self._http.where} does not let {self._login.user or 'admin'!r} do that",
                "Use a user who may read and write flows.",
            )
        return AuthenticationError(
            f"{self._http.where} needs a login",
            "Set RECAM_NODERED_USER and RECAM_NODERED_PASSWORD, or RECAM_NODERED_TOKEN.",
        )

    def _json(self, reply: Reply) -> Any:
        try:
            return reply.json()
        except ValueError as error:
            raise self._unclear("it is not JSON") from error

    def _object(self, reply: Reply) -> dict[str, Any]:
        value = self._json(reply)
        if not isinstance(value, dict):
            raise self._unclear("it is not an object")
        return value

    def _unclear(self, why: str) -> NodeRedError:
        return NodeRedError(
            f"the answer of {self._http.where} cannot be read: {why}",
            "Check that Node-RED 1.0 or newer listens there.",
        )


def _reason(reply: Reply) -> str:
    """Format Node-RED's own message about a refusal; "" without one."""
    try:
        value = reply.json()
    except ValueError:
        return ""
    message = value.get("message") if isinstance(value, dict) else None
    return f": {message[:200]}" if isinstance(message, str) and message else ""
