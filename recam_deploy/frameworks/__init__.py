"""Models of other frameworks: what they are, read without loading them, and their way to ONNX.

From the exported ONNX model on, everything is as if the user had given that.
"""

from .export import Exported, Exporter
from .model import FrameworkModel, Refusal
from .plan import ExportPlan, exported_folders, plan_export
from .recognition import recognise

__all__ = [
    "ExportPlan",
    "Exported",
    "Exporter",
    "FrameworkModel",
    "Refusal",
    "exported_folders",
    "plan_export",
    "recognise",
]
