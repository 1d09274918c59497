# SPDX-License-Identifier: Apache-2.0
"""One real Kafka and one gateway before it for all client programs and tools; a second tenant works beside."""

import contextlib
import os
import sys

import pytest

sys.dont_write_bytecode = True
E2E = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(os.path.dirname(os.path.dirname(E2E)), "contrib"), os.path.join(E2E, "kafka")]

import kafkalab  # noqa: E402  (needs the path above)
import matrix  # noqa: E402
import neighbour  # noqa: E402
import world  # noqa: E402
from runner import Way  # noqa: E402

TENANT = "blue"
# The topic behind the tenant's read-only alias, which no client may see by this name.
SHARED = "oWnEdByNoTeNaNt"


def pytest_addoption(parser):
    """--full: every client and every tool; contrib/check passes it on."""
    parser.addoption("--full", action="store_true", help="all clients and tools, not just the quick ones")


def pytest_configure(config):
    """The mark of what is slow."""
    config.addinivalue_line("markers", "full: only with --full")


def pytest_collection_modifyitems(config, items):
    """Without --full the marked tests are not chosen; they do not count as skipped."""
    if not config.getoption("--full"):
        left_out = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """One cluster of three brokers, so that leaders and coordinators are on different ones."""
    lab = kafkalab.Lab(str(tmp_path_factory.mktemp("lab")), world.KAFKA, die_with_parent=True)
    lab.add_cluster("main", host=world.HOSTS["main"], cluster_id=world.CLUSTER_IDS["main"])
    try:
        yield lab.start()
    finally:
        lab.remove()


@pytest.fixture(scope="session")
def gateway(lab, tmp_path_factory):
    """The gateway, with the tenants blue (the tests') and green (the neighbour); checked at its end."""
    gateway = world.LabGateway(tmp_path_factory.mktemp("gateway"), lab.clusters, vclusters=[TENANT, "green"])
    world.Direct(lab.clusters["main"]).create(SHARED)
    gateway.write_vcluster(TENANT, f"prefix: {world.physical(TENANT, '')}\nusers: {{}}\ntopics:\n"
                                   f"  {matrix.READONLY}:\n    physical: {SHARED}\n    read.only: true\n")
    gateway.prefixes.append(SHARED)
    with contextlib.ExitStack() as stack:
        stack.callback(gateway.close)
        gateway.start()
        stack.enter_context(neighbour.at_work(gateway.target("green")))
        yield gateway


@pytest.fixture(scope="session")
def ways(lab, gateway):
    """Direct on the brokers under the physical names, and through the gateway as the tenant."""
    prefix = world.physical(TENANT, "")
    return [Way("direct", world.Target(lab.clusters["main"].bootstrap), prefix),
            Way("gateway", gateway.target(TENANT), "")]
