"""The failures a user can meet, each with the next step to take.

Only these cross module borders on purpose. `cli.error_handler` turns them into one line plus a hint
(or the JSON error document) and exit code 1; anything else is a bug and ends with exit code 3.
"""

from __future__ import annotations

from typing import ClassVar


class RecamError(Exception):
    """An expected failure: `message` says what happened, `hint` what to do about it.

    `kind` is the stable word that scripts read in `{"error": {"kind", "message", "hint"}}`.
    """

    kind: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_json(self) -> dict[str, str]:
        """As scripts read it."""
        return {"kind": self.kind, "message": self.message, "hint": self.hint}

    def __str__(self) -> str:
        return self.message


class SettingsError(RecamError):
    """A settings file, environment variable or flag cannot be used."""

    kind = "settings"


class InputError(RecamError):
    """A file that the user gave cannot be read or is not what it should be."""

    kind = "input"


class UnsupportedModelError(InputError):
    """The network is well formed, but the camera would not run it."""

    kind = "unsupported_model"


class ExportError(RecamError):
    """A model of another framework could not be turned into ONNX."""

    kind = "export"


class ConsentError(RecamError):
    """A model can run code of its own when it is loaded, and nobody has said that it may."""

    kind = "consent"


class ToolchainError(RecamError):
    """The compiler cannot be installed or started on this machine."""

    kind = "toolchain"


class CompilationError(RecamError):
    """A tool of the compiler ran and failed, or its output is missing or not whole."""

    kind = "compilation"


class VerificationError(RecamError):
    """The finished cvimodel is not what the camera needs, or differs too much from the float."""

    kind = "verification"


class CacheBusyError(RecamError):
    """The cache cannot be cleaned now."""

    kind = "cache_busy"


class SimulatorError(RecamError):
    """The TPU simulator could not run a cvimodel."""

    kind = "simulator"


class CameraError(RecamError):
    """The camera was reached, and something there went wrong."""

    kind = "camera"


class ConnectionFailedError(CameraError):
    """The camera cannot be reached, or the connection was lost."""

    kind = "connection"


class AuthenticationError(CameraError):
    """The camera refused the password or the key."""

    kind = "authentication"


class HostKeyError(CameraError):
    """The camera's host key is unknown or has changed."""

    kind = "host_key"


class SudoError(CameraError):
    """`sudo` on the camera refused the password or is not allowed."""

    kind = "sudo"


class SudoPasswordNeededError(SudoError):
    """`sudo` on the camera wants a password, and none was given."""


class LockedError(CameraError):
    """Someone else is at work on the camera."""

    kind = "locked"


class DeploymentError(CameraError):
    """The model could not be put in place; the message says so where the old one is not active."""

    kind = "deployment"


class SmokeTestError(CameraError):
    """The model was run on the camera and did not give a result."""

    kind = "smoke_test"


class InterruptedExchangeError(ConnectionFailedError):
    """The connection was lost after something was asked for: it may have been done, or not."""


class CameraApiError(CameraError):
    """The camera's HTTP API refused, or answered with something that is not to be understood."""

    kind = "camera_api"


class NodeRedError(CameraError):
    """Node-RED on the camera refused, or answered with something that is not to be understood."""

    kind = "node_red"


class FlowConflictError(NodeRedError):
    """Someone else keeps changing the flows while they are pushed."""

    kind = "flow_conflict"


class FlowError(InputError):
    """A flow document is not well formed, or cannot be joined with the one on the camera."""

    kind = "flow"


class LiveError(CameraError):
    """The camera's live results cannot be read, or none came."""

    kind = "live"


class PartlyDoneError(CameraError):
    """The model is in place, but what comes after it could not be done."""

    kind = "partly_done"


class RolledBackError(CameraError):
    """The new model failed once it was live, so what was there before is there again."""

    kind = "rolled_back"


class ModelNotLoadedError(SmokeTestError):
    """The TPU did not take the model: it is not whole, or larger than the memory that is free."""


class UnknownToRunnerError(SmokeTestError):
    """The test binary on the camera does not know this kind of model, which may be fine."""


class VirtualCameraError(RecamError):
    """The virtual camera could not be started or stopped."""

    kind = "virtual_camera"


class ProcessError(RecamError):
    """A program on this machine could not be started, failed, or took too long."""

    kind = "process"
