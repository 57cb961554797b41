"""Convert an AI model, deploy it to a Seeed reCamera, and show its live results.

The names in `__all__` are the public Python API. Each is imported when first used, so that
`import recam_deploy` stays fast.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .api import Camera, convert, deploy, evaluate, inspect, push_flow, smoke_test, up, verify
    from .artifact import Artifact
    from .camera.deployment import Deployment
    from .camera.smoke_test.run import SmokeReport
    from .conversion.convert import ConversionResult
    from .cvimodel import CviModel
    from .errors import RecamError
    from .flows.push import PushResult
    from .frameworks import FrameworkModel
    from .interaction import Interaction, NoInteraction
    from .workflows.evaluate import EvaluationResult
    from .workflows.inspect import OnnxModel
    from .workflows.up import UpResult
    from .workflows.verify import VerifyResult
else:
    _HOMES = {
        "Artifact": "artifact",
        "Camera": "api",
        "ConversionResult": "conversion.convert",
        "CviModel": "cvimodel",
        "Deployment": "camera.deployment",
        "EvaluationResult": "workflows.evaluate",
        "FrameworkModel": "frameworks",
        "Interaction": "interaction",
        "UpResult": "workflows.up",
        "NoInteraction": "interaction",
        "OnnxModel": "workflows.inspect",
        "PushResult": "flows.push",
        "RecamError": "errors",
        "SmokeReport": "camera.smoke_test.run",
        "VerifyResult": "workflows.verify",
        "convert": "api",
        "deploy": "api",
        "evaluate": "api",
        "inspect": "api",
        "push_flow": "api",
        "smoke_test": "api",
        "up": "api",
        "verify": "api",
    }

    def __getattr__(name):
        from importlib import import_module

        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{home}"), name)

    def __dir__():
        return sorted({*globals(), *_HOMES})


# Without a handler, logging prints warnings to stderr; `transcript` adds the real handlers.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "Artifact",
    "Camera",
    "ConversionResult",
    "CviModel",
    "Deployment",
    "EvaluationResult",
    "FrameworkModel",
    "Interaction",
    "NoInteraction",
    "OnnxModel",
    "PushResult",
    "RecamError",
    "SmokeReport",
    "UpResult",
    "VerifyResult",
    "__version__",
    "convert",
    "deploy",
    "evaluate",
    "inspect",
    "push_flow",
    "smoke_test",
    "up",
    "verify",
]
