# SPDX-License-Identifier: Apache-2.0
"""The old cluster dies under load (SIGKILL, or it hangs), then comes the switch."""

import time

import kafkalab
import pytest
import world
from load import Consumer, Producer
from world import physical

CLIENTS = ("java-tools", "confluent-kafka", "kafka-python", "aiokafka")


@pytest.fixture
def doomed(lab):
    """A cluster of its own, to be killed."""
    cluster = kafkalab.Cluster(lab.kafka, lab.directory + "/doomed", "doomed",
                               kafkalab.free_ports(3, world.HOSTS["doomed"]),
                               host=world.HOSTS["doomed"], cluster_id=world.CLUSTER_IDS["doomed"])
    try:
        yield cluster.start(die_with_parent=True)
    finally:
        cluster.clean()


@pytest.mark.parametrize("way", ["kill", "freeze"])
def test_switch_away_from_a_dead_cluster(way, lab, doomed, direct, make_gateway, tmp_path):
    """The switch succeeds within seconds, open clients go on, what was acknowledged is on one side."""
    gateway = make_gateway({"main": doomed, "failover": lab.clusters["failover"]})
    target, dead = gateway.target("blue"), world.Direct(doomed)
    producers, consumers = {}, {}
    topics = {client: f"dead-{way}-{client}" for client in CLIENTS}
    for client, topic in topics.items():
        dead.create(physical("blue", topic))
        direct["failover"].create(physical("blue", topic))
    try:
        for client, topic in topics.items():
            producers[client] = Producer(client, target, topic, str(tmp_path), lab).open()
        consumers["confluent-kafka"] = Consumer("confluent-kafka", target, topics["confluent-kafka"],
                                                "dead-readers", str(tmp_path), lab).open()
        _wait_acked(producers, 50, 0)

        if way == "kill":
            doomed.kill()
        else:
            doomed.freeze()
        time.sleep(1)
        begin = time.monotonic()
        assert gateway.switch("failover")["message"] == "Cluster switched"
        assert time.monotonic() - begin < 15, "the switch waited for a cluster that is dead"
        switched = time.time()
        _wait_acked(producers, 50, switched)
        for client, producer in producers.items():
            producer.finish()
        held = {client: {int(v) for v in direct["failover"].values(physical("blue", topic))}
                for client, topic in topics.items()}
        assert not consumers["confluent-kafka"].wait_read(held["confluent-kafka"], 60)

        if way == "kill":
            doomed.start_again(die_with_parent=True)
        else:
            doomed.freeze(False)
            doomed.wait_ready()
        for client, topic in topics.items():
            old = {int(v) for v in dead.values(physical("blue", topic))}
            lost = set(producers[client].acked()) - held[client] - old
            assert not lost, f"{client}: acknowledged and nowhere: {sorted(lost)[:20]}"
            late = {n for n, t in producers[client].acked().items() if t > switched + 1} - held[client]
            assert not late, f"{client}: acknowledged after the switch and not on failover"
    finally:
        for client in (*producers.values(), *consumers.values()):
            client.kill()


def _wait_acked(producers, count, since, seconds=90):
    """Wait until every producer has `count` acknowledgements later than `since`."""
    deadline = time.monotonic() + seconds
    while True:
        slow = {client for client, producer in producers.items()
                if sum(when > since for when in producer.acked().values()) < count}
        if not slow:
            return
        assert time.monotonic() < deadline, \
            "no acknowledgements: " + str({c: producers[c].complaints() for c in slow})
        time.sleep(0.2)
