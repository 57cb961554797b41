"""Node-RED's Admin API on the camera: its flows as one document with a revision.

Read in Node-RED 4.0.9: packages/node_modules/@node-red/editor-api/lib/admin/flows.js (the calls),
.../runtime/lib/api/flows.js (a stale `rev` is a 409, and no `rev` overwrites whatever is there,
so `write` cannot be called without one), .../editor-api/lib/auth/ (401, tokens).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
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
from ..settings import CameraSettings
from .document import FlowDocument, Node, parse_document

DeploymentType = Literal["full", "nodes", "reload"]

_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_V2 = {**_JSON, "Node-RED-API-Version": "v2"}
_DEPLOY_SECONDS = 60.0  # stopping the old nodes can take 15 s each (settings.js, nodeCloseTimeout)
_BACK_SECONDS = 30.0
_POLL_SECONDS = 0.5
_HINT = (
    "Check that Node-RED runs: after switching on, a camera needs about two minutes for it. "
    "The port is the setting camera.node_red_port."
)


class RevisionConflictError(Exception):
    """Node-RED's flows are no longer those that were read; `push` catches it."""


@dataclass(frozen=True)
class NodeRedFacts:
    """What the camera's Node-RED is: its version ("" when it does not say) and its node types."""

    version: str
    types: frozenset[str]


@dataclass(frozen=True)
class Login:
    """How to log in where Node-RED asks for it: a token, or a user with a password."""

    token: SecretStr | None = None
    user: str | None = None
    password: SecretStr | None = None

    @classmethod
    def from_settings(cls, camera: CameraSettings) -> Login:
        """What the settings say."""
        return cls(camera.node_red_token, camera.node_red_user, camera.node_red_password)


class NodeRed:
    """The Admin API of one Node-RED; a context manager.

    Every call raises ConnectionFailedError when it cannot be reached (InterruptedExchangeError:
    it may have been done all the same), AuthenticationError when it asks for a login that we do
    not have or refuses ours, and NodeRedError for an answer that is none.
    """

    def __init__(
        self,
        host: str,
        port: int,
        login: Login,
        *,
        timeout: float,
        ask: Callable[[], Login | None] | None = None,
    ) -> None:
        self._http = HttpService(host, port, "Node-RED", timeout=timeout, hint=_HINT)
        self._login = login
        self._token = login.token
        self._ask = ask

    @classmethod
    def from_settings(
        cls, camera: CameraSettings, ask: Callable[[], Login | None] | None = None
    ) -> NodeRed:
        """The Node-RED of the camera that the settings name.

        `ask` is called at most once: when a login is asked for, and the settings have none.
        """
        return cls(
            str(camera.host),
            camera.node_red_port,
            Login.from_settings(camera),
            timeout=camera.timeout,
            ask=ask,
        )

    def __enter__(self) -> NodeRed:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def read(self) -> FlowDocument:
        """The flows as they are now, with their revision."""
        reply = self._call("GET", "/flows", _V2)
        document = self._object(reply)
        rev = document.get("rev")
        if not isinstance(rev, str) or not rev:
            raise self._unclear("its flows have no revision")
        try:
            nodes = parse_document(json.dumps(document.get("flows")), "what Node-RED has")
        except FlowError as error:
            raise NodeRedError(error.message, "Mend it in Node-RED's editor first.") from error
        return FlowDocument(nodes, rev)

    def write(self, nodes: tuple[Node, ...], rev: str, kind: DeploymentType = "full") -> str:
        """Replace all flows, if they are still those of `rev`; returns the new revision.

        Raises RevisionConflictError when they are not: then nothing was changed.
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
            raise self._unclear("it names no new revision")
        return new

    def restart(self) -> None:
        """Start all nodes anew from the stored flows, which stay as they are."""
        headers = {**_V2, "Node-RED-Deployment-Type": "reload"}
        self._object(self._call("POST", "/flows", headers, b"{}", timeout=_DEPLOY_SECONDS))

    def facts(self) -> NodeRedFacts:
        """Its version and the node types that are installed and enabled."""
        listed = self._json(self._call("GET", "/nodes", _JSON))
        if not isinstance(listed, list):
            raise self._unclear("its list of node types is none")
        types: set[str] = set()
        for entry in listed:
            if isinstance(entry, dict) and entry.get("enabled") and not entry.get("err"):
                named = entry.get("types")
                named = named if isinstance(named, list) else []
                types.update(kind for kind in named if isinstance(kind, str))
        settings = self._json(self._call("GET", "/settings", _JSON))
        version = settings.get("version") if isinstance(settings, dict) else None
        return NodeRedFacts(version if isinstance(version, str) else "", frozenset(types))

    def runs(self) -> bool | None:
        """Whether the flows are started; None where this Node-RED does not tell (before 3.0)."""
        reply = self._answer("GET", "/flows/state", _JSON)
        if reply.status == 404:
            return None
        return bool(self._object(self._accepted(reply)).get("state") == "start")

    def read_when_back(self) -> FlowDocument:
        """`read`, waiting for a Node-RED that does not answer just now."""
        until = time.monotonic() + _BACK_SECONDS
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
        """The reply to one call, unless it says no."""
        return self._accepted(self._answer(method, path, headers, body, timeout))

    def _answer(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Whatever comes back; where a login is asked for and a password is known, it is used
        once."""
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
            token = self._token.get_secret_value()
            if not token.isascii() or not token.isprintable():
                raise AuthenticationError("the Node-RED token has characters that none has", "")
            headers = {**headers, "Authorization": f"Bearer {token}"}
        return self._http.exchange(method, path, headers=headers, body=body, timeout=timeout)

    def _log_in(self) -> SecretStr:
        """A token for the user and password. Raises AuthenticationError; asks once only."""
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
                "Node-RED refuses all for ten minutes.",
            )
        token = self._object(reply).get("access_token")
        if not isinstance(token, str) or not token:
            raise self._unclear("it gives no token")
        return SecretStr(token)

    def _accepted(self, reply: Reply) -> Reply:
        """The reply, unless it says no; a 409 is for the caller."""
        if reply.status in (401, 403):
            raise self._locked(reply.status)
        if reply.status == 404:
            raise NodeRedError(
                f"{self._http.where} has no Admin API at this address",
                "Is it Node-RED that listens there? The port is the setting camera.node_red_port.",
            )
        if reply.status != 409 and not 200 <= reply.status < 300:
            raise NodeRedError(
                f"{self._http.where} refused with status {reply.status}{_words(reply)}",
                "Its own log says more; nothing was changed by this call.",
            )
        return reply

    def _locked(self, status: int) -> AuthenticationError:
        if status == 403 or self._login.token is not None:
            what = "does not allow this user to do that" if status == 403 else "refused the token"
            return AuthenticationError(
                f"{self._http.where} {what}",
                "Tokens run out after a week: get a new one, or set RECAM_NODERED_USER and "
                "RECAM_NODERED_PASSWORD.",
            )
        if self._token is not None:
            return AuthenticationError(
                f"{self._http.where} does not let {self._login.user or 'admin'!r} do that",
                "Use a user who may read and write flows.",
            )
        return AuthenticationError(
            f"{self._http.where} asks for a login",
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
            f"the answer of {self._http.where} is not to be understood: {why}",
            "Is it Node-RED that listens there? It takes version 1.0 or newer.",
        )


def _words(reply: Reply) -> str:
    """Node-RED's own words for a refusal, if it has any."""
    try:
        value = reply.json()
    except ValueError:
        return ""
    said = value.get("message") if isinstance(value, dict) else None
    return f": {said[:200]}" if isinstance(said, str) and said else ""
