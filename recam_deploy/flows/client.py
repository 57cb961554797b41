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
from urllib.parse import quote

from ..errors import CameraError, ConnectionFailedError, FlowError, NodeRedError, RedirectError
from ..http import HttpService, Reply
from ..settings import CameraSettings
from ..tls import Trust
from .document import NO_FLOWS, FlowDocument, Node, parse_document
from .login import Credentials
from .login import NodeRedLogin as NodeRedLogin
from .patience import Patience
from .record import EMPTY, Record
from .redirects import redirect_hint

logger = logging.getLogger(__name__)

DeploymentType = Literal["full", "nodes", "reload"]

_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_V2 = {**_JSON, "Node-RED-API-Version": "v2"}
_RECORD = "/library/local/flows/recam/pushed.json"
_DEPLOY_SECONDS = 60.0  # stopping the old nodes can take 15 s each (settings.js, nodeCloseTimeout)
_LOGINS = 2  # a proxy's and Node-RED's own
# Where people put Node-RED: its documentation, add-ons and proxies use these.
_ROOTS = ("", "/admin", "/red", "/nodered", "/node-red", "/nr", "/editor")
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
        patience: float | None = None,
        ask: Callable[[], NodeRedLogin | None] | None = None,
        say: Callable[[str], None] | None = None,
        root: str = "",
        trust: Trust | None = None,
        silence: float | None = None,
    ) -> None:
        def service(root: str) -> HttpService:
            return HttpService(
                host,
                port,
                "Node-RED",
                timeout=timeout,
                hint=_HINT,
                root=root,
                trust=trust,
                settings="camera.node_red_",
            )

        self._service, self._root = service, root
        self._http = service(root)
        self._patience = Patience(self._http, timeout, patience, say, silence)
        self._credentials = Credentials(self._http, login, ask)

    @classmethod
    def from_settings(
        cls,
        camera: CameraSettings,
        ask: Callable[[], NodeRedLogin | None] | None = None,
        say: Callable[[str], None] | None = None,
        silence: float | None = None,
    ) -> NodeRed:
        """Make a client for the camera in the settings.

        `ask` is called at most once, when Node-RED needs a login and the settings have none. `say`
        tells that Node-RED is slow. One that says nothing is given up after `silence` seconds, by
        default half of camera.node_red_timeout.
        """
        tls = Trust(camera.node_red_ca, camera.node_red_fingerprint)
        return cls(
            camera.direct_host,
            camera.node_red_port,
            NodeRedLogin.from_settings(camera),
            timeout=camera.timeout,
            patience=camera.node_red_timeout,
            ask=ask,
            say=say,
            root=camera.node_red_root,
            trust=tls if camera.node_red_tls else None,
            silence=silence,
        )

    def __enter__(self) -> NodeRed:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def read(self) -> FlowDocument:
        """Read the present flows with their revision."""
        reply = self._call("GET", "/flows", _V2)
        if self._json(reply) is None:  # its flows.json holds JSON that is no flow
            return FlowDocument((), NO_FLOWS)
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
        known = {} if rev == NO_FLOWS else {"rev": rev}
        body = json.dumps({"flows": nodes, **known}).encode()
        headers = {**_V2, "Node-RED-Deployment-Type": kind}
        reply = self._call("POST", "/flows", headers, body)
        if reply.status == 409:
            raise RevisionConflictError
        new = self._object(reply).get("rev")
        if not isinstance(new, str) or not new:
            raise self._unclear("it has no new revision")
        return new

    def restart(self) -> None:
        """Restart all nodes from the stored flows, which do not change."""
        headers = {**_V2, "Node-RED-Deployment-Type": "reload"}
        self._object(self._call("POST", "/flows", headers, b"{}"))

    def start(self) -> None:
        """Start the flows, where Node-RED allows that."""
        body = b'{"state": "start"}'
        reply = self._request("POST", "/flows/state", _JSON, body)
        if reply.status != 404:
            self._accepted(reply)

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

    def credentials(self, node: Node) -> dict[str, Any] | None:
        """Read what is set of a node's credentials, not their values; None if that is refused."""
        path = "/credentials/" + "/".join(quote(node[key], safe="") for key in ("type", "id"))
        try:
            reply = self._request("GET", path, _JSON)
            value = reply.json() if reply.status == 200 else None
        except (CameraError, ValueError):
            return None
        return value if isinstance(value, dict) else None

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
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> Reply:
        """Make one call and return its reply. Raises as the class says."""
        return self._accepted(self._request(method, path, headers, body))

    def _request(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> Reply:
        """Make one call; log in first when it is asked for. Returns the reply of any status."""
        reply = self._exchange(method, path, headers, body)
        for _ in range(_LOGINS):
            if reply.status != 401 or not self._credentials.answer(reply):
                break
            reply = self._exchange(method, path, headers, body)
        return reply

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> Reply:
        headers = {**headers, **self._credentials.headers()}
        least = _DEPLOY_SECONDS if method == "POST" else 0.0
        try:
            return self._patience.exchange(method, path, headers, body, least)
        except RedirectError as error:
            hint = redirect_hint(self._http.base, path, error.location)
            raise RedirectError(error.message, hint, error.location) from error

    def _accepted(self, reply: Reply) -> Reply:
        """Return the reply; a 409 is for the caller.

        Raises AuthenticationError or NodeRedError for another refusal.
        """
        if reply.status in (401, 403):
            raise self._credentials.refusal(reply.status)
        if reply.status == 404:
            raise self._elsewhere("has no Admin API at this address")
        if reply.status != 409 and not 200 <= reply.status < 300:
            raise NodeRedError(
                f"{self._http.where} refused with status {reply.status}{_reason(reply)}",
                "This call changed nothing. Look at Node-RED's log.",
            )
        return reply

    def _elsewhere(self, problem: str) -> NodeRedError:
        """Return the error for a server that is no Admin API; look for one below usual paths."""
        for root in _ROOTS:
            if root != self._root and self._answers_below(root):
                return NodeRedError(
                    f"{self._http.where} {problem}; Node-RED answers "
                    f"{f'below {root}' if root else 'without a path'}",
                    f'Set camera.node_red_root = "{root}" (RECAM_NODE_RED_ROOT={root}).'
                    if root
                    else "Take camera.node_red_root out of the settings.",
                )
        return NodeRedError(
            f"{self._http.where} {problem}",
            "Check that Node-RED listens there: the port is the setting camera.node_red_port. Its "
            "editor may be below a path (httpAdminRoot in its settings.js, or a proxy): that is "
            "the setting camera.node_red_root.",
        )

    def _answers_below(self, root: str) -> bool:
        """Return whether there is an Admin API below a path; no token is sent there."""
        http = self._service(root)
        try:
            reply = http.exchange("GET", "/auth/login", headers=self._credentials.proxy_headers())
            said = reply.json()
        except (CameraError, ValueError):
            return False
        finally:
            http.close()
        return reply.status == 200 and isinstance(said, dict) and (not said or "type" in said)

    def _json(self, reply: Reply) -> Any:
        try:
            return reply.json()
        except ValueError as error:
            if reply.body.lstrip()[:1] == b"<":
                raise self._elsewhere("answers with a web page") from error
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
