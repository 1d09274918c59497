# SPDX-License-Identifier: Apache-2.0
"""What clients see of brokers is the same on every cluster: ids, ports, cluster id.

main has the brokers 1, 2, 3, failover 11, 12, 13; here is also a cluster with fewer brokers.
"""

import socket

import kafkalab
import pytest
import world
from confluent_kafka.admin import AdminClient
from drivers import DRIVERS
from world import physical

PARTITIONS = 6


@pytest.fixture(scope="module")
def small(lab):
    """A cluster of two brokers, 21 and 22."""
    cluster = kafkalab.Cluster(lab.kafka, lab.directory + "/small", "small",
                               kafkalab.free_ports(2, world.HOSTS["small"]), ids=[21, 22],
                               host=world.HOSTS["small"], cluster_id=world.CLUSTER_IDS["small"])
    try:
        yield cluster.start(die_with_parent=True)
    finally:
        cluster.clean()


@pytest.fixture(scope="module")
def three(make_gateway, lab, small):
    """A gateway on main, failover and small, with a topic that is on all of them."""
    clusters = {**lab.clusters, "small": small}
    gateway = make_gateway(clusters)
    for cluster in clusters.values():
        world.Direct(cluster).create(physical("blue", "spread"), PARTITIONS)
    return gateway


def seen(gateway):
    """What a client's metadata says: the cluster id, and {broker id: (host, port)}."""
    metadata = AdminClient(gateway.target("blue").librdkafka()).list_topics(timeout=20)
    return metadata.cluster_id, {b.id: (b.host, b.port) for b in metadata.brokers.values()}


def test_brokers_look_the_same_on_every_cluster(three):
    """Ids and addresses known from one cluster stay good on the others."""
    looks = {}
    for to in ("failover", "main", "small", "main"):
        three.switch(to)
        looks[to] = seen(three)
    cluster_id, brokers = looks["main"]
    assert cluster_id not in world.CLUSTER_IDS.values()
    assert len(brokers) == 3
    first = three.claim.first
    assert {port for _, port in brokers.values()} <= set(range(first, first + three.ports))
    assert looks["failover"] == looks["main"]
    assert looks["small"][0] == cluster_id
    assert set(looks["small"][1].items()) <= set(brokers.items()), "a broker appears under another id or port"


@pytest.mark.parametrize("to", ["main", "failover", "small"])
def test_every_port_of_metadata_accepts(three, to):
    """No advertised port refuses, whatever cluster is active."""
    three.switch("main")
    _, brokers = seen(three)
    three.switch(to)
    for address in brokers.values():
        socket.create_connection(address, timeout=5).close()


@pytest.mark.parametrize("to", ["main", "failover", "small"])
@pytest.mark.parametrize("name", ["java-tools", "confluent-kafka", "aiokafka"])
def test_all_partitions_work_on_every_cluster(three, lab, small, tmp_path, to, name):
    """A topic whose partitions are spread over the brokers is written and read on each cluster."""
    three.switch(to)
    driver = DRIVERS[name](three.target("blue"), lab, str(tmp_path))
    values = [f"{name}-{to}-{i}" for i in range(120)]
    try:
        assert driver.describe("spread")["partitions"] == PARTITIONS
        assert driver.produce("spread", values) == len(values)
        held = world.Direct({**lab.clusters, "small": small}[to]).values(physical("blue", "spread"))
        assert set(values) <= set(held)
        read = driver.consume("spread", f"g-{name}-{to}", len(held))
        assert sorted(read) == sorted(held)
    finally:
        driver.close()
