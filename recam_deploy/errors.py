"""Define the failures that a user can meet, each with a hint about the next step.

`cli.error_handler` prints them as one line and a hint, or as the JSON error document, and exits
with code 1. Any other exception is a bug: exit code 3.
"""

from __future__ import annotations

from typing import ClassVar


class RecamError(Exception):
    """An expected failure: `message` says what happened, `hint` what to do next.

    Scripts read `kind`, which is stable, from `{"error": {"kind", "message", "hint"}}`.
    """

    kind: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_json(self) -> dict[str, str]:
        """Return the value of `error` in the JSON document."""
        return {"kind": self.kind, "message": self.message, "hint": self.hint}

    def __str__(self) -> str:
        return self.message


class SettingsError(RecamError):
    """A settings file, environment variable or flag cannot be used."""

    kind = "settings"


class UsageError(RecamError):
    """The command line has a mistake; the exit code is 2."""

    kind = "usage"


class UntrustedSettingsError(SettingsError):
    """A recam.toml in the working folder names the camera, and the user has not allowed that."""

    kind = "untrusted"


class InputError(RecamError):
    """A file that the user named cannot be read, or is not valid."""

    kind = "input"


class UnsupportedModelError(InputError):
    """The network is valid, but the camera would refuse or misread it."""

    kind = "unsupported_model"


class ExportError(RecamError):
    """A model of another framework could not be turned into ONNX."""

    kind = "export"


class ConsentError(RecamError):
    """Loading a model can run code that it carries, and the user has not allowed that."""

    kind = "consent"


class ToolchainError(RecamError):
    """The compiler cannot be installed or started on this machine."""

    kind = "toolchain"


class CompilationError(RecamError):
    """A tool of the compiler failed, or its output is missing or incomplete."""

    kind = "compilation"


class VerificationError(RecamError):
    """The cvimodel has the wrong layout for the camera, or is too far from the float model."""

    kind = "verification"


class CacheBusyError(RecamError):
    """The cache cannot be cleaned while a conversion uses it."""

    kind = "cache_busy"


class SimulatorError(RecamError):
    """The TPU simulator could not run a cvimodel."""

    kind = "simulator"


class EvaluationError(RecamError):
    """The models could not be run on all pictures."""

    kind = "evaluation"


class AccuracyError(RecamError):
    """The cvimodel loses more accuracy than is allowed."""

    kind = "accuracy"


class CameraError(RecamError):
    """The camera was reached, and something there went wrong."""

    kind = "camera"


class ConnectionFailedError(CameraError):
    """The camera cannot be reached, or the connection was lost."""

    kind = "connection"


class PortClosedError(ConnectionFailedError):
    """Nothing answers at the camera's SSH port: the connection is refused, or nobody replies."""


class AuthenticationError(CameraError):
    """The camera refused the password or the key."""

    kind = "authentication"


class CertificateError(CameraError):
    """The certificate of a camera's server is not trusted, or not the pinned one."""

    kind = "certificate"


class HostKeyError(CameraError):
    """The camera's host key is unknown or has changed."""

    kind = "host_key"


class SudoError(CameraError):
    """`sudo` on the camera refused the password or is not allowed."""

    kind = "sudo"


class SudoPasswordNeededError(SudoError):
    """`sudo` on the camera wants a password, and none was given."""


class LockedError(CameraError):
    """Another process holds the camera's lock."""

    kind = "locked"


class DeploymentError(CameraError):
    """The model could not be deployed. The old one stays active unless the message says not."""

    kind = "deployment"


class SmokeTestError(CameraError):
    """The model was run on the camera and gave no result."""

    kind = "smoke_test"


class InterruptedExchangeError(ConnectionFailedError):
    """The connection was lost after a request was sent, which may have taken effect or not."""


class CameraApiError(CameraError):
    """The camera's HTTP API refused a request, or sent an unexpected reply."""

    kind = "camera_api"


class RedirectError(CameraApiError):
    """A server redirects to `location`, which is not followed: passwords stay with their host."""

    def __init__(self, message: str, hint: str, location: str) -> None:
        super().__init__(message, hint)
        self.location = location


class NodeRedError(CameraError):
    """Node-RED on the camera refused a request, or sent an unexpected reply."""

    kind = "node_red"


class FlowConflictError(NodeRedError):
    """The flows were changed by someone else during each attempt to push."""

    kind = "flow_conflict"


class FlowError(InputError):
    """A flow is not valid, or cannot be merged with those on the camera."""

    kind = "flow"


class LiveError(CameraError):
    """The camera's live results cannot be read, or none came."""

    kind = "live"


class PartlyDoneError(CameraError):
    """The model is in place, but a later step failed."""

    kind = "partly_done"


class RolledBackError(CameraError):
    """The new model failed when it was live, and the one before was restored."""

    kind = "rolled_back"


class ModelNotLoadedError(SmokeTestError):
    """The TPU refused the model: it is incomplete, or larger than the free memory."""


class UnknownToRunnerError(SmokeTestError):
    """The camera's test binary has no support for this kind of model; Node-RED's node may."""


class VirtualCameraError(RecamError):
    """The virtual camera could not be started or stopped."""

    kind = "virtual_camera"


class ProcessError(RecamError):
    """A program on this machine could not be started, failed, or took too long."""

    kind = "process"


class LostOutputError(OSError):
    """stdout can no longer be written: the disk that it leads to is full, for instance."""
