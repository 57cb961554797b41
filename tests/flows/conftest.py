"""The real Node-RED that the tests of flows share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from node_red_runs import Runtime, node_red


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One Node-RED for all tests that leave it running; each sets the flows that it needs."""
    with node_red(tmp_path_factory.mktemp("node-red")) as started:
        yield started
