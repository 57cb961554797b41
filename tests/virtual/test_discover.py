"""`recam discover` finds the virtual camera where it announces itself: on the loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from recam_runs import Run

pytestmark = pytest.mark.toolchain

# Nothing but the loopback is asked: the fixed addresses are left out.
LOOPBACK_ONLY = '[discover]\nusb = ""\naccess_point = ""\ninterface = "127.0.0.1"\n'


def test_the_virtual_camera_is_found_by_its_announcement(
    run: Run, camera: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "recam.toml").write_text(LOOPBACK_ONLY)
    node_red = urlsplit(camera["node_red_url"]).port
    # A camera announces neither of these ports.
    ports = {"RECAM_PORT": str(camera["ssh_port"]), "RECAM_NODE_RED_PORT": str(node_red)}
    done = run("discover", "--seconds", "5", "--json", cwd=tmp_path, **ports)
    assert done.code == 0, done.err
    http = urlsplit(camera["http_url"]).port
    found = [one for one in done.document["cameras"] if one["services"].get("http") == http]
    assert found == [
        {
            "name": f"recamera-virtual-{http}",
            "host": "127.0.0.1",
            "via": "mdns",
            "services": {
                "ssh": camera["ssh_port"],
                "http": http,
                "mqtt": camera["mqtt_port"],
                "node_red": node_red,
            },
        }
    ]


def test_finding_none_says_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "recam.toml").write_text(
        '[discover]\nusb = ""\naccess_point = ""\ninterface = "192.0.2.1"\n'
    )
    done = run("discover", "--seconds", "0.1", cwd=tmp_path)
    assert done.code == 0
    assert "no camera was found" in done.out
    assert "192.168.42.1" in done.out
    assert "mDNS" in done.err
