"""Each camera once, whatever way it was found; nothing from the network is trusted."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler

import pytest
from hostile_servers import reply, serving
from zeroconf import IPVersion, ServiceInfo, Zeroconf

from recam_deploy.discovery.cameras import candidates, look
from recam_deploy.discovery.mdns import Announced, browse
from recam_deploy.errors import ConnectionFailedError
from recam_deploy.ports import Port, knock, knock_all
from recam_deploy.settings import CameraSettings, DiscoverSettings

LOOPBACK = "127.0.0.1"
NOWHERE = DiscoverSettings(usb="", access_point="")


class _Step:
    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        pass


@pytest.fixture
def closed() -> int:
    """A port on which nothing listens."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def usual(port: int, http_port: int) -> CameraSettings:
    return CameraSettings(port=port, http_port=http_port, mqtt_port=port, node_red_port=port)


def test_an_address_is_listed_once_and_the_cable_tells_more_than_the_announcement() -> None:
    places = candidates(
        [Announced("porch", "192.0.2.1", {"mqtt": 1884}), Announced("shed", "192.0.2.7", {})],
        DiscoverSettings(usb="192.0.2.1", access_point="192.0.2.2"),
        CameraSettings(),
    )
    assert [(p.host, p.via, p.name) for p in places] == [
        ("192.0.2.2", "access-point", ""),
        ("192.0.2.1", "usb", "porch"),
        ("192.0.2.7", "mdns", "shed"),
    ]
    assert places[1].ports == {"ssh": 22, "http": 80, "mqtt": 1884, "node_red": 1880}


def test_cameras_that_share_an_address_are_told_apart() -> None:
    twins = [Announced(name, LOOPBACK, {"http": port}) for name, port in (("a", 81), ("b", 82))]
    places = candidates(twins, NOWHERE, CameraSettings())
    assert [(place.name, place.ports["http"]) for place in places] == [("a", 81), ("b", 82)]


def test_fixed_addresses_can_be_left_out() -> None:
    assert candidates([], NOWHERE, CameraSettings()) == ()


def test_knocking_tells_open_from_refused(closed: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        opened = listener.getsockname()[1]
        ports = {"a": opened, "b": closed}
        assert knock_all(LOOPBACK, ports, 2.0) == {"a": Port.open, "b": Port.refused}
    for impossible in ("a\0b", "x" * 300, ".."):
        assert knock(impossible, 80, 0.5) is Port.unreachable


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"deviceName": "porch"}, "porch"),
        ({"deviceName": "two\nlines\x1b[2J" + "x" * 500}, "two?lines?[2J" + "x" * 67),
        ({"deviceName": ["no text"]}, ""),
        ([], ""),
    ],
)
def test_a_device_is_asked_for_its_name_which_is_bounded(
    data: object, name: str, closed: int
) -> None:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        reply(handler, json.dumps({"code": 0, "msg": "", "data": data}).encode())

    with serving(answer) as port:
        settings = usual(closed, port)
        places = candidates([], DiscoverSettings(usb=LOOPBACK, access_point=""), settings)
        (found,) = look(places, settings, 2.0)
    assert found.as_json() == {
        "name": name,
        "host": LOOPBACK,
        "via": "usb",
        "services": {"http": port},
    }


def test_where_nothing_answers_there_is_no_camera(closed: int) -> None:
    settings = usual(closed, closed)
    places = candidates([Announced("gone", LOOPBACK, {"mqtt": closed})], NOWHERE, settings)
    assert look(places, settings, 1.0) == []


@pytest.fixture
def network() -> Iterator[Zeroconf]:
    with closing(Zeroconf(interfaces=[LOOPBACK], ip_version=IPVersion.V4Only)) as made:
        yield made


def announce(network: Zeroconf, name: str, kind: str, address: str, port: int) -> None:
    info = ServiceInfo(
        f"{kind}.local.",
        f"{name}.{kind}.local.",
        port=port,
        addresses=[socket.inet_aton(address)],
        server=f"{name}.local.",
    )
    network.register_service(info, allow_name_change=True)


def test_an_announced_camera_is_heard_and_others_are_not(network: Zeroconf) -> None:
    announce(network, "test-porch", "_sscma._tcp", LOOPBACK, 1884)
    announce(network, "test-porch", "_nodered._tcp", LOOPBACK, 1881)
    announce(network, "test-printer", "_http._tcp", LOOPBACK, 631)
    announce(network, "test-everyone", "_sscma._tcp", "224.0.0.1", 1)
    heard = [one for one in browse(3.0, LOOPBACK, _Step()) if one.name.startswith("test-")]
    assert heard == [Announced("test-porch", LOOPBACK, {"mqtt": 1884, "node_red": 1881})]


def test_an_interface_that_this_machine_lacks_is_told() -> None:
    with pytest.raises(ConnectionFailedError, match="mDNS") as caught:
        browse(0.1, "192.0.2.1", _Step())
    assert "discover.interface" in caught.value.hint
