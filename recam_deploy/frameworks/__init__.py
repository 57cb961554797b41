"""Recognise models of other frameworks without loading them, and export them to ONNX.

The exported ONNX model is then converted like one that the user named.
"""

from .export import Exported, Exporter
from .export_plan import ExportPlan, exported_folders, plan_export
from .model import FrameworkModel, Refusal
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
