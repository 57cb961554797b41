"""Find, install and run the compiler tpu_mlir 1.7; no other package runs it."""

from .compiler import Call, Compiler
from .docker import DockerToolchain
from .docker_image import ensure_docker
from .environment import ToolchainStatus, ensure, find, remove, status
from .failures import last_lines
from .host import HostFacts, check_host, host_facts
from .local import TPU_MLIR_VERSION, Toolchain
from .python310 import Run
from .tables import Threshold, check_calibration_table, mlir_tensors, read_calibration_table
from .tools import ToolCommand, ToolResult, run_tool
from .uv import Uv, find_uv, install_error

__all__ = [
    "TPU_MLIR_VERSION",
    "Call",
    "Compiler",
    "DockerToolchain",
    "HostFacts",
    "Run",
    "Threshold",
    "ToolCommand",
    "ToolResult",
    "Toolchain",
    "ToolchainStatus",
    "Uv",
    "check_calibration_table",
    "check_host",
    "ensure",
    "ensure_docker",
    "find",
    "find_uv",
    "host_facts",
    "install_error",
    "last_lines",
    "mlir_tensors",
    "read_calibration_table",
    "remove",
    "run_tool",
    "status",
]
