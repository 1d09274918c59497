# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the sandbox tests: mock clusters `main` and `failover`, fresh for each test, and a gateway."""

import pytest

from lib.kcat import Kcat
from lib.sandbox import Sandbox


def pytest_collection_modifyitems(items):
    """Generous for a sanitizer build on a busy machine, short for a hang."""
    for item in items:
        item.add_marker(pytest.mark.timeout(240))


@pytest.fixture
def sandbox(tmp_path):
    """Two clusters of three brokers and the mirror from main to failover."""
    box = Sandbox(str(tmp_path))
    yield box
    status = box.close()
    assert status == 0, f"turnout-sandbox ended with {status}:\n{box.process.log()}"


@pytest.fixture
def gateway(sandbox, start_gateway):
    """One gateway before the sandbox, with the tenants teamA and teamB, serving main."""
    return start_gateway(sandbox.clusters)


@pytest.fixture
def kcat(gateway, tmp_path):
    """kcat as the user sa of teamA."""
    return Kcat(gateway.client(), tmp_path)
