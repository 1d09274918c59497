# SPDX-License-Identifier: Apache-2.0
"""What the tests stand on: the tenants, a gateway before the lab's clusters, and a straight look into the
clusters."""

import os
import time

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from drivers import Target
from kafkalab import KAFKA_VERSION
from lib.gateway import Gateway, prefix_of

# The version of Kafka that the whole suite runs on.
KAFKA = os.environ.get("TURNOUT_TEST_KAFKA", KAFKA_VERSION)
GATEWAY_HOST = "127.0.0.1"
HOSTS = {"main": "127.0.0.2", "failover": "127.0.0.3", "small": "127.0.0.4", "doomed": "127.0.0.5"}
CLUSTER_IDS = {"main": "mAiN7qXc0nS2vKdTtYhJ5w", "failover": "fAiL3wZr9bQ8pLgUeXiM1Q",
               "small": "sMaL5kVn4cR7jHfBoWyD2g", "doomed": "dOoM2tGp8yK6uNzAlRvE9A"}
USER = "sa"


def physical(vcluster, name):
    """The name that a tenant's topic or group has on the brokers."""
    return prefix_of(vcluster) + name


class LabGateway(Gateway):
    """The gateway of tests/e2e/lib, with all its checks, before clusters of the lab: {name: kafkalab.Cluster};
    `broken` adds clusters that nobody started: {name: bootstrap.servers}."""

    def __init__(self, directory, clusters, broken=None, **options):
        options.setdefault("vclusters", ["blue"])
        addresses = {name: cluster.bootstrap for name, cluster in clusters.items()}
        super().__init__(directory, {**addresses, **(broken or {})}, host=GATEWAY_HOST,
                         backend_ids=[cluster.cluster_id for cluster in clusters.values()], **options)
        self._tokens = {}

    def target(self, vcluster="blue", user=USER):
        """The gateway as clients of a tenant reach it."""
        if (vcluster, user) not in self._tokens:
            self._tokens[vcluster, user] = self.token(vcluster, user)
        return Target(self.bootstrap, user, self._tokens[vcluster, user])


class Direct:
    """A straight look into one cluster, with physical names."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.target = Target(cluster.bootstrap)

    def create(self, topic, partitions=1, config=None):
        """Create a topic, wait for it."""
        admin = AdminClient(self.target.librdkafka())
        for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})]).values():
            future.result(30)
        deadline = time.monotonic() + 20
        while topic not in admin.list_topics(timeout=10).topics:
            assert time.monotonic() < deadline, f"{topic} does not show"
            time.sleep(0.05)

    def topics(self):
        """All topic names."""
        return set(AdminClient(self.target.librdkafka()).list_topics(timeout=20).topics)

    def partitions(self, topic):
        """How many partitions a topic has."""
        return len(AdminClient(self.target.librdkafka()).list_topics(topic, timeout=20).topics[topic].partitions)

    def _consumer(self):
        return Consumer(self.target.librdkafka(**{
            "group.id": "unused", "enable.auto.commit": False, "enable.partition.eof": True}))

    def ends(self, topic):
        """{partition: end offset}."""
        consumer = self._consumer()
        try:
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1]
                    for p in partitions}
        finally:
            consumer.close()

    def values(self, topic):
        """Every value of a topic, in no order across partitions."""
        consumer, found = self._consumer(), []
        try:
            left = {p for p, end in self.ends(topic).items() if end > 0}
            consumer.assign([TopicPartition(topic, p, 0) for p in left])
            deadline = time.monotonic() + 30
            while left:
                assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
                message = consumer.poll(1)
                if message is None:
                    continue
                if message.error() is None:
                    found.append(message.value().decode())
                elif message.error().name() == "_PARTITION_EOF":
                    left.discard(message.partition())
            return found
        finally:
            consumer.close()
