"""How many inputs each reader is given: 500, or as many as RECAM_FUZZ_EXAMPLES says.

RECAM_FUZZ_EXAMPLES=10000 python -m pytest tests/fuzz
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from answering import Server
from hypothesis import HealthCheck, settings
from rig import Rig

settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("RECAM_FUZZ_EXAMPLES", "500")),
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    server = Server()
    yield Rig(tmp_path_factory.mktemp("fuzz"), server)
    server.close()
