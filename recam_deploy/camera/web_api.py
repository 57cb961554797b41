"""Call the part of the camera's HTTP API that is about models, where SSH is switched off.

Source: sscma-example-sg200x, solutions/supervisor/main/src/api_device.cpp: replies are
`{"code", "msg", "data"}` with status 200, for errors too. `uploadModel` needs no login, writes a
second file and renames it, and checks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..documents import parse_json
from ..errors import CameraApiError, ConnectionFailedError
from ..http import HttpService, Part, Reply
from ..progress import Step
from ..settings import CameraSettings

CHUNK = 512 * 1024  # what the camera's own web page sends at a time (www/src/api/device/index.ts)
INFO_LIMIT = 1 << 20
MODEL_LIMIT = 64 << 20  # more than the TPU's memory holds
_UPLOAD_SECONDS = 120.0
_HINT = (
    "Check the address, and that the camera has finished starting. The port is the setting "
    "camera.http_port. One that answers slowly needs a longer camera.timeout (RECAM_TIMEOUT, in "
    "seconds)."
)
_API = "/api/deviceMgr/"
_USERS = "/api/userMgr/"


@dataclass(frozen=True)
class ActiveInfo:
    """The camera's `model.json`: its text, the model's name and the class names (None: no list)."""

    text: str
    name: str
    classes: tuple[str, ...] | None

    @classmethod
    def parse(cls, text: str) -> ActiveInfo:
        """Parse the file's text; invalid JSON has neither name nor classes."""
        try:
            value = parse_json(text)
        except ValueError:
            value = None
        value = value if isinstance(value, dict) else {}
        name, classes = value.get("model_name"), value.get("classes")
        labels = None
        if isinstance(classes, list) and all(isinstance(label, str) for label in classes):
            labels = tuple(classes)
        return cls(text, name if isinstance(name, str) else "", labels)


@dataclass(frozen=True)
class DeviceInfo:
    """The camera's name, and its system's name and version; "" where it reports none."""

    name: str
    system: str
    version: str


class CameraApi:
    """The API of one camera; a context manager.

    Every call raises ConnectionFailedError when the camera cannot be reached, and CameraApiError
    when it refuses the call or answers with something else.
    """

    def __init__(self, camera: CameraSettings) -> None:
        self._http = HttpService(
            camera.direct_host,
            camera.http_port,
            "the camera's web API",
            timeout=camera.timeout,
            hint=_HINT,
        )

    def __enter__(self) -> CameraApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def device(self) -> DeviceInfo:
        """Read the camera's name and firmware."""
        data = self._query("queryDeviceInfo")
        values = (data.get(key) for key in ("deviceName", "osName", "osVersion"))
        return DeviceInfo(*(text[:80] if isinstance(text, str) else "" for text in values))

    def services(self) -> dict[str, int]:
        """Read the state of the camera's own services: 0 is running, anything else is not.

        `sscmaNode` runs models, `nodeRed` the flows (`queryServiceStatus` in api_device.cpp).
        """
        data = self._query("queryServiceStatus")
        known = {key: data.get(key) for key in ("sscmaNode", "nodeRed")}
        return {key: state for key, state in known.items() if type(state) is int}

    def ssh_enabled(self) -> bool | None:
        """Read whether the camera's SSH server is switched on; None where it does not report it.

        `queryUserInfo` needs no login (firmware 0.2.1 and newer, api_user.cpp).
        """
        try:
            enabled = self._query("queryUserInfo", _USERS).get("sshEnabled")
        except CameraApiError:
            return None
        return enabled if isinstance(enabled, bool) else None

    def model_info(self) -> str | None:
        """Read the text of `model.json`; None where there is none."""
        data = self._query("getModelInfo")
        text = data.get("model_info")
        if not isinstance(text, str):
            raise self._unclear("getModelInfo", "it has no model_info")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise self._unclear("getModelInfo", "it holds lone surrogates")
        return text or None

    def model_file(self) -> bytes | None:
        """Download the active cvimodel; None where there is none."""
        reply = self._http.exchange(
            "GET", _API + "getModelFile", limit=MODEL_LIMIT, timeout=_UPLOAD_SECONDS
        )
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise self._refused("getModelFile", f"status {reply.status}")
        return reply.body

    def upload(self, model: bytes, info: str, step: Step) -> bool:
        """Upload a model and its `model.json`; return whether it was sent in pieces.

        Small models, and firmware before 2026, take one request. The first piece shows which: it
        has no `model_info`, and older firmware refuses that before it changes the active model.
        """
        total = len(model)
        if total > CHUNK and self._piece(model, 0, None):
            for offset in range(CHUNK, total, CHUNK):
                step.update(done=offset, total=total)
                last = offset + CHUNK >= total
                if not self._piece(model, offset, info if last else None):
                    raise self._refused("uploadModel", f"the piece at {offset} was refused")
            step.update(done=total, total=total)
            return True
        form = (_model_part(model), Part("model_info", info.encode()))
        self._data(self._post(form), "uploadModel")
        step.update(done=total, total=total)
        return False

    def _piece(self, model: bytes, offset: int, info: str | None) -> bool:
        """Send one piece; return whether the camera accepted it as a piece."""
        piece = model[offset : offset + CHUNK]
        form = [
            _model_part(piece),
            Part("offset", str(offset).encode()),
            Part("size", str(len(model)).encode()),
        ]
        if info is not None:
            form.append(Part("model_info", info.encode()))
        code, message, data = self._answer(self._post(tuple(form)), "uploadModel")
        if code != 0 and offset == 0:
            return False
        if code != 0:
            raise self._refused("uploadModel", message)
        return isinstance(data, dict) and data.get("received") == offset + len(piece)

    def _post(self, form: tuple[Part, ...]) -> Reply:
        return self._http.exchange("POST", _API + "uploadModel", form=form, timeout=_UPLOAD_SECONDS)

    def _query(self, call: str, api: str = _API) -> dict[str, Any]:
        """Make a call without parameters; return the object `data` of its reply."""
        return self._data(self._http.exchange("GET", api + call, limit=INFO_LIMIT), call)

    def _data(self, reply: Reply, call: str) -> dict[str, Any]:
        code, message, data = self._answer(reply, call)
        if code != 0:
            raise self._refused(call, message)
        return data if isinstance(data, dict) else {}

    def _answer(self, reply: Reply, call: str) -> tuple[int, str, Any]:
        """Parse a reply into its code, message and data."""
        if reply.status != 200:
            raise self._refused(call, f"status {reply.status}")
        try:
            value = reply.json()
        except ValueError as error:
            raise self._unclear(call, "it is not JSON") from error
        if not isinstance(value, dict) or type(value.get("code")) is not int:
            raise self._unclear(call, "it has no code")
        return value["code"], str(value.get("msg", ""))[:200], value.get("data")

    def _refused(self, call: str, why: str) -> CameraApiError:
        return CameraApiError(
            f"{self._http.where} refused {call}: {why or 'no reason was given'}",
            "Look at the camera's web page, or deploy over SSH (--via ssh).",
        )

    def _unclear(self, call: str, why: str) -> CameraApiError:
        return CameraApiError(
            f"the answer of {self._http.where} to {call} cannot be read: {why}", _HINT
        )


def ssh_enabled(camera: CameraSettings) -> bool | None:
    """Ask the camera whether its SSH server is switched on; None without an answer."""
    try:
        with CameraApi(camera) as api:
            return api.ssh_enabled()
    except ConnectionFailedError:
        return None


def _model_part(content: bytes) -> Part:
    return Part("model_file", content, "model.cvimodel")
