"""Many deployments in a row over a connection that is cut at random."""

from __future__ import annotations

import random

import pytest
from fault_camera import FaultCamera
from fault_proxy import Faults

SIZE = 400_000
_RATE = 3e6  # bytes a second, a good radio link
_OVERHEAD = 40_000  # what a deployment sends beside the model


def weather(camera: FaultCamera, deployments: int, seed: int) -> None:
    """Deploy again and again until each has ended well; the figures are printed."""
    chance = random.Random(seed)

    def weather_now() -> Faults:
        kind, reset = chance.random(), chance.random() < 0.5
        if kind < 0.7:
            place = chance.randrange(SIZE + 2 * _OVERHEAD)
            return Faults(cut_after=place, reset=reset, rate=_RATE)
        if kind < 0.85:
            return Faults(cut_back_after=chance.randrange(30_000), reset=reset, rate=_RATE)
        return Faults(rate=_RATE)

    camera.proxy.faults = weather_now
    models = [camera.artifact(name, SIZE) for name in ("odd", "even", "third", "fourth", "fifth")]
    cuts, sent = camera.proxy.cuts, camera.proxy.bytes_to_server
    previous: bytes = b"the old model"
    attempts = uploads = 0
    needed = 0
    for number in range(deployments):
        new = models[number % len(models)]
        needed += new.stat().st_size
        for _ in range(60):
            attempts += 1
            done = camera.deploy(new, RECAM_HISTORY="1")
            found = camera.active.read_bytes()
            assert found in (previous, new.read_bytes()), "a mixture"
            if done.code == 0:
                uploads += done.document["uploaded_bytes"]
                break
            done.failed("connection")
        else:
            pytest.fail("a deployment was never finished")
        previous = new.read_bytes()
        assert found == previous
    camera.proxy.faults = Faults
    camera.holds_one_of(previous)
    total = camera.proxy.bytes_to_server - sent
    print(
        f"\n{camera.kind}: {deployments} deployments, {camera.proxy.cuts - cuts} cuts, "
        f"{attempts - deployments} retries; {total} bytes to the camera for {needed} of models: "
        f"{total - needed} more ({(total - needed) / total:.0%} of all, with logging in)"
    )


def test_row_01_ten_deployments_through_cuts_end_well_and_never_mix(
    camera: FaultCamera,
) -> None:
    weather(camera, 10, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7])
def test_row_01_a_hundred_deployments_through_cuts_end_well_and_never_mix(
    camera: FaultCamera, seed: int
) -> None:
    weather(camera, 100, seed)
