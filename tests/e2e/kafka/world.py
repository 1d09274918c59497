# SPDX-License-Identifier: Apache-2.0
"""What the tests stand on: the tenants, a gateway with its files and its record of sent bytes, and a
straight look into the clusters."""

import os
import re
import time

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from drivers import Target
from kafkalab import KAFKA_VERSION, Gateway, free_ports
from kafkalab.gateway import random_key

# The version of Kafka that the whole suite runs on.
KAFKA = os.environ.get("TURNOUT_TEST_KAFKA", KAFKA_VERSION)
HOSTS = {"main": "127.0.0.2", "failover": "127.0.0.3", "small": "127.0.0.4", "doomed": "127.0.0.5"}
CLUSTER_IDS = {"main": "mAiN7qXc0nS2vKdTtYhJ5w", "failover": "fAiL3wZr9bQ8pLgUeXiM1Q",
               "small": "sMaL5kVn4cR7jHfBoWyD2g", "doomed": "dOoM2tGp8yK6uNzAlRvE9A"}
# Tenant: prefix on the brokers. None begins another.
PREFIXES = {"blue": "zq7tenant", "green": "kx9other"}
USER = "sa"


def physical(vcluster, name):
    """The name that a tenant's topic or group has on the brokers."""
    return PREFIXES[vcluster] + name


class TestGateway(Gateway):
    """A gateway with files of its own (or those of another one) and free ports."""

    __test__ = False  # not a test class, whatever its name

    def __init__(self, directory, clusters, config_dir=None, ports=4, key=None, name="gateway", broken=()):
        self.clusters = clusters
        self.config_dir = config_dir or os.path.join(directory, "config")
        self.record = os.path.join(directory, "sent.bin")
        self.key = key or random_key()
        first = free_ports(ports, consecutive=True)[0]
        http, = free_ports(1)
        self.client_ports = list(range(first, first + ports))
        env = {
            "TURNOUT_RECORD": self.record,
            "GATEWAY_ADVERTISED_HOST": "localhost",
            "GATEWAY_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "GATEWAY_PORT_START": str(first),
            "GATEWAY_PORT_COUNT": str(ports),
            "GATEWAY_HTTP_PORT": str(http),
            "GATEWAY_ADMIN_API_USERS": "[{username: admin, password: conduktor, admin: true}]",
            "GATEWAY_USER_POOL_SECRET_KEY": self.key,
        }
        super().__init__(directory, os.path.join(self.config_dir, "turnout.yaml"), env, http_port=http,
                         port=first, name=name)
        self.clusters_yaml = os.path.join(self.config_dir, "clusters.yaml")
        if config_dir is None:
            self._write_files(broken)
        self._tokens = {}

    def _write_files(self, broken):
        os.makedirs(os.path.join(self.config_dir, "vclusters"))
        lines = ["# written by the tests; this comment must survive", "config:"]
        for name, cluster in self.clusters.items():
            lines += [f"  {name}:", f"    bootstrap.servers: {cluster.bootstrap}"]
            if name != "main":
                lines.append("    gateway.roles: failover")
        for name, address in broken:
            lines += [f"  {name}:", f"    bootstrap.servers: {address}"]
        with open(self.clusters_yaml, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        for name, prefix in PREFIXES.items():
            with open(os.path.join(self.config_dir, "vclusters", name + ".yaml"), "w", encoding="utf-8") as out:
                out.write(f"prefix: {prefix}\nusers:\n  {USER}: {{}}\n")

    def target(self, vcluster="blue"):
        """The gateway as clients of a tenant reach it."""
        if vcluster not in self._tokens:
            self._tokens[vcluster] = self.token(vcluster, USER)
        return Target(self.bootstrap, USER, self._tokens[vcluster])

    def wait_active(self, wanted, seconds=10, logical="main"):
        """Wait until a cluster is active; returns whether it is."""
        deadline = time.monotonic() + seconds
        while self.active(logical) != wanted:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def assert_no_leak(self):
        """No byte sent to a client may name a backend or a tenant's prefix."""
        with open(self.record, "rb") as source:
            sent = source.read()
        assert sent, "the gateway recorded nothing: is TURNOUT_RECORD known to this turnoutd?"
        needles = {f"the prefix of {name}": prefix for name, prefix in PREFIXES.items()}
        for name, cluster in self.clusters.items():
            needles[f"the host of {name}"] = cluster.host
            needles[f"the cluster id of {name}"] = cluster.cluster_id
        found = []
        for what, needle in needles.items():
            for hit in list(re.finditer(re.escape(needle.encode()), sent))[:3]:
                found.append(f"{what} at byte {hit.start()}: {sent[max(0, hit.start() - 60):hit.end() + 40]!r}")
        assert not found, "sent to clients:\n" + "\n".join(found)


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
