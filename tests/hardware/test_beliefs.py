"""A real camera is what recam believes it is. Nothing on it is changed."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import pytest

pytestmark = pytest.mark.hardware

Record = dict[str, Any]


def numbers(text: str) -> tuple[int, ...]:
    """The first version number in a text."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    assert found, f"no version in {text!r}"
    return tuple(map(int, found[0].split(".")))


def test_it_is_a_riscv_camera_with_a_firmware_that_recam_knows(record: Record) -> None:
    assert record["system"]["kernel"].endswith("riscv64")
    assert record["web"], "the web API does not tell what it is"
    assert numbers(record["web"]["version"]) >= (0, 1, 5)


def test_its_programs_are_those_of_coreutils_and_util_linux(record: Record) -> None:
    assert "GNU coreutils" in record["system"]["coreutils"]
    assert "util-linux" in record["system"]["util_linux"]
    assert record["system"]["timeout_kills"] == "yes"
    assert record["system"]["sleep_takes_fractions"] == "yes"


def test_gunzip_and_scp_are_there_for_transfers(record: Record) -> None:
    assert record["system"]["has_gunzip"] == "yes"
    assert "yes" in (record["system"]["has_scp"], record["system"]["sftp_server"])


def test_its_python_can_run_a_model(record: Record) -> None:
    assert numbers(record["system"]["python"]) >= (3, 9)
    assert record["system"]["python_ctypes"] == "yes"


def test_logread_is_not_there_so_no_remedy_names_it(record: Record) -> None:
    assert record["system"]["has_logread"] == "no"


def test_a_command_finds_programs_but_no_libraries(record: Record) -> None:
    assert {"/bin", "/usr/bin", "/usr/sbin"} <= set(record["system"]["path"].split(":"))
    assert record["system"]["library_path"] == "absent"


def test_sudo_asks_for_the_password_each_time(record: Record) -> None:
    assert record["system"]["sudo_is_free"] == "no"
    assert record["root"] is not None, "sudo does not let us through"


def test_models_lie_on_a_file_system_that_can_be_written(record: Record) -> None:
    mounts = [mount.split() for mount in record["system"]["mounts"].split(";") if mount.strip()]
    options = {where: how.split(",") for where, _, how in mounts}
    assert "rw" in options["/userdata"]


def test_its_clock_is_right_to_a_day(record: Record) -> None:
    ours = datetime.fromisoformat(record["recorded_at"]).timestamp()
    assert abs(int(record["system"]["clock"]) - ours) < 24 * 3600
    assert abs(ours - time.time()) < 3600


def test_the_tpu_has_the_memory_that_models_are_planned_for(record: Record) -> None:
    assert record["root"]["ion_total"].isdigit(), record["root"]["ion_summary"]
    assert int(record["root"]["ion_total"]) >= 50 << 20


def test_the_tpu_runs_at_the_clock_that_speeds_are_reckoned_with(record: Record) -> None:
    assert int(record["root"]["tpu_clock"]) == 700_000_000


def test_node_red_has_the_camera_nodes(record: Record) -> None:
    assert numbers(record["node_red"]["version"]) >= (4, 0)
    assert numbers(record["node_red"]["modules"]["node-red-contrib-sscma"]) >= (0, 2, 7)
    assert {"sscma", "camera", "model", "preview"} <= set(record["node_red"]["types"])


def test_the_broker_listens_on_the_camera_alone(record: Record) -> None:
    # /proc/net/tcp: 0100007F is 127.0.0.1, 075B is 1883.
    assert "0100007F:075B" in record["system"]["listening"]
    assert "00000000:075B" not in record["system"]["listening"]


def test_the_web_api_says_that_its_services_run(record: Record) -> None:
    assert record["services"] == {"sscmaNode": 0, "nodeRed": 0}
