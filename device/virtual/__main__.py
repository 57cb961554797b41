"""``python -m virtual serve``: the command line of the virtual camera."""

from __future__ import annotations

import argparse
import ipaddress
import sys
from collections.abc import Sequence
from pathlib import Path

from . import pictures
from .layout import SetupError
from .nodered.settings import NEWEST, VERSIONS
from .options import METHODS, Options
from .releases import CURRENT, RELEASES
from .server import serve


def parse(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="virtual", description="A virtual reCamera.")
    actions = parser.add_subparsers(dest="action", required=True)
    command = actions.add_parser("serve", help="play a camera until SIGTERM or SIGINT")
    command.add_argument("--dir", type=Path, required=True, help="the camera's folder")
    command.add_argument(
        "--tpu-libraries",
        required=True,
        metavar="P1:P2",
        help="folders that hold the TPU simulator's libraries",
    )
    command.add_argument(
        "--emulated",
        type=Path,
        metavar="DIR",
        help="recam's finished steps, CACHE/steps: models whose emulated network is there run in "
        "onnxruntime, which gives the simulator's numbers and is faster; default: none do",
    )
    command.add_argument("--port", type=int, default=0, help="default: the last one, or a free one")
    command.add_argument("--password-file", type=Path, help="its first line; default: recamera")
    command.add_argument("--factory-model", type=Path, metavar="FILE")
    command.add_argument("--factory-info", type=Path, metavar="FILE.json")
    command.add_argument(
        "--firmware",
        choices=tuple(RELEASES),
        default=CURRENT.name,
        help="which one is played; next: what comes after the newest release",
    )
    command.add_argument(
        "--firmware-quirks",
        choices=("stock", "mended"),
        default="stock",
        help="decode as the camera does, or as firmware with its known faults mended would",
    )
    command.add_argument(
        "--auth",
        default=",".join(sorted(METHODS)),
        metavar="METHODS",
        help="login methods offered, of password,publickey",
    )
    command.add_argument(
        "--no-ssh", action="store_true", help="switched off, as in the web page's settings"
    )
    command.add_argument("--http-port", type=int, default=0, help="of the supervisor's API")
    command.add_argument("--mqtt-port", type=int, default=0, help="of the MQTT broker")
    command.add_argument("--preview-port", type=int, default=0, help="of the model's websocket")
    command.add_argument("--video-port", type=int, default=0, help="of the camera's websocket")
    command.add_argument("--node-red-port", type=int, default=0, help="of Node-RED's editor")
    command.add_argument(
        "--node-red-cache",
        type=Path,
        metavar="DIR",
        help="run Node-RED, and install it there when it is not yet; default: no Node-RED",
    )
    command.add_argument(
        "--nodes", type=Path, help="a clone of Seeed's nodes, instead of the stand-ins"
    )
    command.add_argument(
        "--nodes-version",
        choices=VERSIONS,
        default=NEWEST,
        help="of Seeed's nodes: which the stand-ins are made after",
    )
    command.add_argument(
        "--dashboard",
        action="store_true",
        help="with the dashboard's and system's nodes of a new camera's flows, from npm",
    )
    command.add_argument(
        "--broker",
        choices=("auto", "mosquitto", "embedded"),
        default="auto",
        help="auto: mosquitto where it is installed, else the embedded one",
    )
    command.add_argument(
        "--pictures", type=Path, default=pictures.DEFAULT, help="a folder: what the camera sees"
    )
    command.add_argument(
        "--hold", type=float, default=pictures.HOLD_SECONDS, help="seconds that it sees each"
    )
    command.add_argument(
        "--address",
        type=_loopback,
        metavar="127.X.Y.Z",
        help="listen there, on the camera's own ports; default: 127.0.0.1, on free ports",
    )
    command.add_argument(
        "--announce", action="store_true", help="announce it by mDNS, on the loopback only"
    )
    values = parser.parse_args(arguments)
    methods = frozenset(values.auth.split(","))
    if not methods <= METHODS:
        parser.error(f"--auth: {values.auth}")
    return Options(
        folder=values.dir,
        tpu_libraries=tuple(Path(folder) for folder in values.tpu_libraries.split(":") if folder),
        emulated=values.emulated and values.emulated.absolute(),
        port=values.port,
        password_file=values.password_file,
        factory_model=values.factory_model,
        factory_info=values.factory_info,
        release=values.firmware,
        firmware=values.firmware_quirks,
        http_port=values.http_port,
        mqtt_port=values.mqtt_port,
        preview_port=values.preview_port,
        video_port=values.video_port,
        node_red_port=values.node_red_port,
        node_red_cache=values.node_red_cache,
        nodes=values.nodes,
        nodes_version=values.nodes_version,
        dashboard=values.dashboard,
        broker=values.broker,
        pictures=values.pictures,
        hold=values.hold,
        methods=methods,
        announce=values.announce,
        ssh=not values.no_ssh,
        address=values.address,
    )


def _loopback(text: str) -> str:
    """Parse an IPv4 address of the loopback. Raises ValueError for any other text."""
    address = ipaddress.IPv4Address(text)
    if not address.is_loopback:
        raise ValueError(text)
    return str(address)


def main() -> int:
    options = parse()
    try:
        serve(options)
    except SetupError as error:
        print(f"virtual: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
