"""Log in to Node-RED, and to a proxy in front of it, as the server's challenge asks.

Node-RED's own login takes a user and password and gives a token; with a strategy (OAuth) only
a browser can log in. A proxy's basic authentication goes into the same header. Source: Node-RED
4.1.0, packages/node_modules/@node-red/editor-api/lib/auth/index.js (`login`, `getToken`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import SecretStr

from ..errors import AuthenticationError
from ..http import HttpService, Reply
from ..redaction import keep_secret
from ..settings import CameraSettings

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]*)(?=\s|$)")
_VARIABLES = "RECAM_NODERED_USER and RECAM_NODERED_PASSWORD"


@dataclass(frozen=True)
class NodeRedLogin:
    """A login for Node-RED: a token, or a user with a password.

    `basic_user` and `basic_password` are for a proxy in front; without them it gets Node-RED's.
    """

    token: SecretStr | None = None
    user: str | None = None
    password: SecretStr | None = None
    basic_user: str | None = None
    basic_password: SecretStr | None = None

    @classmethod
    def from_settings(cls, camera: CameraSettings) -> NodeRedLogin:
        """Return the login in the settings; it may be empty."""
        return cls(
            camera.node_red_token,
            camera.node_red_user,
            camera.node_red_password,
            camera.node_red_basic_user,
            camera.node_red_basic_password,
        )


class Credentials:
    """What is sent to log in, found out step by step from the server's refusals.

    `ask` is called at most once, when a login is needed and none was given.
    """

    def __init__(
        self,
        http: HttpService,
        login: NodeRedLogin,
        ask: Callable[[], NodeRedLogin | None] | None = None,
    ) -> None:
        self._http, self._login, self._ask = http, login, ask
        self._token = login.token
        self._basic = False

    def headers(self) -> dict[str, str]:
        """Return the header that logs in; none before a login was asked for or given."""
        if self._basic:
            user, password = self._basic_login()
            word = base64.b64encode(f"{user}:{password}".encode()).decode()
            keep_secret(word)
            return {"Authorization": f"Basic {word}"}
        if self._token is None:
            return {}
        keep_secret(self._token)
        token = self._token.get_secret_value()
        if not token.isascii() or not token.isprintable():
            raise AuthenticationError(
                "the Node-RED token holds characters that no token has",
                f"Copy it again, or set {_VARIABLES}.",
            )
        return {"Authorization": f"Bearer {token}"}

    def proxy_headers(self) -> dict[str, str]:
        """Return the header for the proxy alone; none where no proxy asked."""
        return self.headers() if self._basic else {}

    def answer(self, reply: Reply) -> bool:
        """Prepare what a 401 asks for; return whether to try again with it.

        Raises AuthenticationError when it asks for what cannot be given.
        """
        schemes = [found.lower() for found in _SCHEME.findall(reply.challenges)]
        if "bearer" not in schemes and schemes:
            return self._answer_proxy(reply, schemes)
        if self._basic:
            raise AuthenticationError(
                f"{self._http.where} asks for two logins: a proxy's, and behind it Node-RED's own",
                "Both go into one header, so only one can be sent. Let the proxy pass this "
                "machine, or reach Node-RED through `ssh -L`.",
            )
        if self._token is not None:
            return False
        self._token = self._log_in()
        return True

    def _answer_proxy(self, reply: Reply, schemes: list[str]) -> bool:
        realm = re.search(r'realm="([^"]{1,80})"', reply.challenges)
        asks = f"{self._http.where} stands behind a login of its own" + (
            f" ({realm[1]!r})" if realm else ""
        )
        if "basic" not in schemes:
            raise AuthenticationError(
                f"{asks} of the kind {schemes[0]}, which recam does not know",
                "Let the proxy ask for basic authentication, or reach Node-RED through `ssh -L`.",
            )
        if self._basic:
            raise AuthenticationError(
                f"{asks}, which refused the user {self._basic_login()[0]!r} or the password",
                "Check RECAM_NODE_RED_BASIC_USER and RECAM_NODE_RED_BASIC_PASSWORD, or without "
                f"them {_VARIABLES}.",
            )
        if not (self._login.basic_password or self._login.password):
            self._login = (self._ask and self._ask()) or self._login
            self._ask = None
        if not (self._login.basic_password or self._login.password):
            raise AuthenticationError(
                f"{asks}, and needs a user and a password (basic authentication)",
                "Set RECAM_NODE_RED_BASIC_USER and RECAM_NODE_RED_BASIC_PASSWORD.",
            )
        self._basic = True
        return True

    def _basic_login(self) -> tuple[str, str]:
        login = self._login
        if login.basic_password:
            return (
                login.basic_user or login.user or "admin",
                login.basic_password.get_secret_value(),
            )
        password = login.password.get_secret_value() if login.password else ""
        return login.basic_user or login.user or "admin", password

    def _log_in(self) -> SecretStr:
        """Get a token for a user and password; ask for them once. Raises AuthenticationError."""
        self._refuse_strategy()
        if not (self._login.token or self._login.password) and self._ask:
            self._login, self._ask = self._ask() or self._login, None
        login = self._login
        if login.token:
            return login.token
        if not login.password:
            raise self.refusal(401)
        user = login.user or "admin"
        form = {
            "client_id": "node-red-admin",
            "grant_type": "password",
            "scope": "*",
            "username": user,
            "password": login.password.get_secret_value(),
        }
        reply = self._http.exchange(
            "POST", "/auth/token", headers=_FORM, body=urlencode(form).encode()
        )
        if reply.status != 200:
            raise AuthenticationError(
                f"{self._http.where} refused the password of {user!r}",
                f"Check {_VARIABLES}. After several wrong ones Node-RED refuses all logins for ten "
                "minutes.",
            )
        try:
            value = reply.json()
        except ValueError:
            value = None
        token = value.get("access_token") if isinstance(value, dict) else None
        if not isinstance(token, str) or not token:
            raise AuthenticationError(
                f"{self._http.where} accepted the password, but its answer has no token",
                "Check that Node-RED 1.0 or newer listens there.",
            )
        keep_secret(token)
        return SecretStr(token)

    def _refuse_strategy(self) -> None:
        """Raise AuthenticationError where only a browser can log in."""
        reply = self._http.exchange("GET", "/auth/login", headers={"Accept": "application/json"})
        try:
            said = reply.json() if reply.status == 200 else None
        except ValueError:
            return
        if not isinstance(said, dict) or said.get("type") != "strategy":
            return
        prompts = said.get("prompts")
        first = prompts[0] if isinstance(prompts, list) and prompts else {}
        label = str(first.get("label", "")) if isinstance(first, dict) else ""
        raise AuthenticationError(
            f"{self._http.where} lets users log in with a browser only"
            + (f" ({label[:80]!r})" if label else ""),
            "Its adminAuth is a strategy such as OAuth. Set RECAM_NODERED_TOKEN to a token that "
            "its adminAuth.tokens accepts, or to the access_token of a browser that is logged in.",
        )

    def refusal(self, status: int) -> AuthenticationError:
        """Return the error for a 401 or 403 after all that could be sent."""
        where = self._http.where
        if status == 403 or self._login.token is not None:
            what = "does not allow this user to do that" if status == 403 else "refused the token"
            return AuthenticationError(
                f"{where} {what}",
                f"Tokens expire after a week. Get a new one, or set {_VARIABLES}.",
            )
        if self._token is not None:
            return AuthenticationError(
                f"{where} does not let {self._login.user or 'admin'!r} do that",
                "Use a user who may read and write flows.",
            )
        return AuthenticationError(
            f"{where} needs a login", f"Set {_VARIABLES}, or RECAM_NODERED_TOKEN."
        )
