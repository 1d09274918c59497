# SPDX-License-Identifier: Apache-2.0
"""Real Kafka for the end-to-end tests: one pair of clusters for the session, gateways per module.

The clusters advertise loopback addresses of their own (127.0.0.2, 127.0.0.3) and fixed odd cluster ids,
the tenants have odd prefixes: so nothing else in a byte stream looks like them, and the leak check at
the end of every gateway (lib/leaks.py) can search all that was sent to clients.
"""

import contextlib
import os
import sys

import pytest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "contrib"))

import kafkalab  # noqa: E402  (needs the path above)
import world  # noqa: E402


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Two clusters: main with brokers 1, 2, 3, failover with 11, 12, 13."""
    lab = kafkalab.Lab(str(tmp_path_factory.mktemp("lab")), world.KAFKA, die_with_parent=True)
    lab.add_cluster("main", host=world.HOSTS["main"], cluster_id=world.CLUSTER_IDS["main"])
    lab.add_cluster("failover", host=world.HOSTS["failover"], ids=[11, 12, 13],
                    cluster_id=world.CLUSTER_IDS["failover"])
    try:
        yield lab.start()
    finally:
        lab.remove()


@pytest.fixture(scope="session")
def direct(lab):
    """Clients of the clusters themselves, by cluster name: topics, values, offsets."""
    return {name: world.Direct(cluster) for name, cluster in lab.clusters.items()}


@pytest.fixture(scope="module")
def make_gateway(lab, tmp_path_factory):
    """A function that starts a gateway on clusters of the lab; all are ended and checked after the module (exit
    status, sanitizer reports, secrets in the log, bytes of a backend or a prefix in what clients got)."""
    gateways = []

    def make(clusters=None, **options):
        directory = tmp_path_factory.mktemp("gateway")
        gateways.append(world.LabGateway(directory, clusters or lab.clusters, **options))
        return gateways[-1].start()

    yield make
    with contextlib.ExitStack() as stack:
        for gateway in gateways:
            stack.callback(gateway.close)


@pytest.fixture(scope="module")
def gateway(make_gateway):
    """The module's gateway on main and failover, with the tenant blue."""
    return make_gateway()
