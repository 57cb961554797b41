"""``python -m virtual.nodered``: install the virtual camera's Node-RED, or try it by itself."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from ..layout import SetupError
from . import installation, nodejs
from .runtime import NodeRed


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="virtual.nodered", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    install = actions.add_parser("install", help="fetch what is missing; prints where it is")
    serve = actions.add_parser("serve", help="run it until SIGTERM or SIGINT; prints its address")
    for command in (install, serve):
        command.add_argument("--cache-dir", type=Path, required=True)
        command.add_argument(
            "--dashboard", action="store_true", help="with the nodes of a camera's dashboard"
        )
    serve.add_argument("--dir", type=Path, required=True, help="the camera's folder")
    serve.add_argument("--port", type=int, default=0)
    serve.add_argument("--mqtt-port", type=int, default=1883, help="where flows' port 1883 leads")
    serve.add_argument("--http-port", type=int, default=80, help="where flows' port 80 leads")
    serve.add_argument("--nodes", type=Path, help="a clone of Seeed's own nodes")
    return parser.parse_args()


async def install(cache: Path, *, dashboard: bool) -> None:
    node = await nodejs.ensure(cache, say)
    print((await installation.ensure(cache, node, say)).program)
    if dashboard:
        await installation.ensure(cache, node, say, installation.DASHBOARD)


async def serve(values: argparse.Namespace) -> None:
    runtime = NodeRed(
        folder=values.dir,
        mqtt_port=values.mqtt_port,
        http_port=values.http_port,
        cache_dir=values.cache_dir,
        port=values.port,
        nodes=values.nodes,
        dashboard=values.dashboard,
        say=say,
    )
    try:
        print(await runtime.start(), flush=True)
        await asyncio.Event().wait()
    finally:
        await runtime.stop()


async def act(values: argparse.Namespace) -> None:
    """Do what was asked for; SIGTERM ends it as Ctrl-C does."""
    here = asyncio.current_task()
    if here:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, here.cancel)
    if values.action == "install":
        await install(values.cache_dir, dashboard=values.dashboard)
    else:
        await serve(values)


def main() -> int:
    values = parse()
    try:
        asyncio.run(act(values))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130 if values.action == "install" else 0
    except (SetupError, OSError) as error:
        print(f"virtual.nodered: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
