"""Each camera once, whatever way it was found; nothing from the network is trusted."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler

import pytest
from hostile_servers import reply, serving
from zeroconf import IPVersion, ServiceInfo, Zeroconf

from recam_deploy.discovery.cameras import FoundCamera, candidates, look
from recam_deploy.discovery.mdns import Announced, browse
from recam_deploy.errors import ConnectionFailedError
from recam_deploy.ports import Port, probe_port, probe_ports
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
        assert probe_ports(LOOPBACK, ports, 2.0) == {"a": Port.open, "b": Port.refused}
    for impossible in ("a\0b", "x" * 300, ".."):
        assert probe_port(impossible, 80, 0.5) is Port.unreachable


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
    # Whether another has the name already is not asked: that takes longer than all else.
    network.register_service(info, cooperating_responders=True)


def test_an_announced_camera_is_heard_and_others_are_not(network: Zeroconf) -> None:
    porch = f"test-porch-{secrets.token_hex(4)}"  # other runs may announce on this machine, too
    services = (
        (porch, "_sscma._tcp", LOOPBACK, 1884),
        (porch, "_http._tcp", LOOPBACK, 8081),
        (porch, "_nodered._tcp", LOOPBACK, 1881),
        ("test-printer", "_http._tcp", LOOPBACK, 631),
        ("test-everyone", "_sscma._tcp", "224.0.0.1", 1),
    )
    with ThreadPoolExecutor() as pool:  # each is announced several times, which takes a while
        list(pool.map(lambda service: announce(network, *service), services))
    expected = Announced(porch, LOOPBACK, {"mqtt": 1884, "http": 8081})
    for seconds in (0.5, 1.0, 2.0, 4.0):
        heard = browse(seconds, LOOPBACK, _Step())
        if expected in heard:
            break
    assert [one for one in heard if one.name == porch] == [expected]
    assert not [one for one in heard if one.name in ("test-printer", "test-everyone")]


def test_an_interface_that_this_machine_lacks_is_told() -> None:
    with pytest.raises(ConnectionFailedError, match="mDNS") as caught:
        browse(0.1, "192.0.2.1", _Step())
    assert "discover.interface" in caught.value.hint


@pytest.mark.parametrize(("name", "supported"), [("reCamera Pro", False), ("porch", True)])
def test_a_camera_with_another_chip_is_named_as_such(name: str, supported: bool) -> None:
    found = FoundCamera(name, "192.0.2.1", "mdns", {"http": 80})
    assert ("unsupported" not in found.as_json()) is supported
    assert ("rknn" in found.unsupported) is not supported
