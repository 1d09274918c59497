# SPDX-License-Identifier: Apache-2.0
"""One gateway before brokers of two releases: main is the old one, failover the new one.

Whatever else the suite runs on, these two are 3.9.2 and the newest release of which there are brokers. Clients are
told what both can do, so a version that was negotiated with one cluster is good at the other; the tools are the new
release's.
"""

import kafkalab
import pytest
import world
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, ResourceType
from drivers import DRIVERS
from lib import rawclient as rc
from lib import wire
from lib.wait import wait_until
from world import physical

RAW = True
WAIT = 30
RELEASES = {"main": "3.9.2", "failover": kafkalab.NEWEST_VERSION}
HOSTS = {"main": "127.0.0.6", "failover": "127.0.0.7"}
IDS = {"main": [31], "failover": [41]}
CLUSTER_IDS = {"main": "oLd3wZr9bQ8pLgUeXiM1aA", "failover": "nEw5kVn4cR7jHfBoWyD2bQ"}
TENANT = "olive"
GROUP_ID_NOT_FOUND = 69


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A lab whose clusters are of two releases, one broker each."""
    lab = kafkalab.Lab(str(tmp_path_factory.mktemp("mixed")), kafkalab.NEWEST_VERSION, die_with_parent=True)
    for name, release in RELEASES.items():
        lab.add_cluster(name, brokers=1, version=release, host=HOSTS[name], ids=IDS[name],
                        cluster_id=CLUSTER_IDS[name])
    try:
        yield lab.start()
    finally:
        lab.remove()


@pytest.fixture(scope="module")
def gateways(make_gateway, mixed):
    """Three gateways by name: before the old cluster, before the new one, before both."""
    made = {name: make_gateway({"main": cluster}, vclusters=[TENANT]) for name, cluster in mixed.clusters.items()}
    return made | {"both": make_gateway(mixed.clusters, vclusters=[TENANT])}


def advertised(address):
    """{API key: (oldest, newest)} of what answers at (host, port)."""
    with wire.Raw(address) as raw:
        answer = raw.ask(wire.api_versions(0))
        assert answer.i16() == 0
        return {key: (oldest, newest) for key, oldest, newest in
                answer.array(lambda: (answer.i16(), answer.i16(), answer.i16()))}


def test_each_cluster_is_of_its_release(mixed):
    """The old brokers cannot do what the new ones can, or this module would show nothing."""
    told = {name: advertised((HOSTS[name], cluster.ports[0])) for name, cluster in mixed.clusters.items()}
    assert told["main"][wire.FETCH][1] < told["failover"][wire.FETCH][1]
    assert told["main"][wire.METADATA][1] <= told["failover"][wire.METADATA][1]
    assert [told[name][rc.DELETE_GROUPS][1] for name in RELEASES] == [2, 3], "only 4.4 has version 3"


def test_what_is_advertised_is_what_both_can_do(gateways, mixed):
    """Per API the newer of the oldest and the older of the newest versions; no API that one of them lacks."""
    old, new, both = (advertised(gateways[name].address) for name in ("main", "failover", "both"))
    common = {key: (max(old[key][0], new[key][0]), min(old[key][1], new[key][1])) for key in old.keys() & new.keys()}
    assert both == {key: span for key, span in common.items() if span[0] <= span[1]}
    assert both != new, "the new release alone offers nothing more: nothing is shown here"
    own = {wire.API_VERSIONS, wire.SASL_HANDSHAKE, wire.SASL_AUTHENTICATE, wire.DESCRIBE_CLUSTER}
    for name, cluster in mixed.clusters.items():
        can = advertised((HOSTS[name], cluster.ports[0]))
        beyond = {key: (span, can.get(key)) for key, span in both.items()
                  if key not in own and not (key in can and span[1] <= can[key][1])}
        assert not beyond, f"{name} ({RELEASES[name]}) cannot do these"


def leave_group(target, group, topic):
    """Has a group commit an offset and end."""
    consumer = Consumer(target.librdkafka(**{"group.id": group}))
    try:
        consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    finally:
        consumer.close()


def test_groups_are_deleted_with_the_version_of_the_newest_release(gateways, mixed):
    """DeleteGroups v3, which only 4.4 has: where all clusters are of it it deletes the tenant's groups, answered as the
    broker itself answers; beside an older cluster nobody is told of it."""
    gateway = gateways["failover"]
    assert advertised(gateway.address)[rc.DELETE_GROUPS][1] == 3
    assert advertised(gateways["both"].address)[rc.DELETE_GROUPS][1] == 2
    target, there = gateway.target(TENANT), world.Direct(mixed.clusters["failover"])
    there.create(physical(TENANT, "read"), 1)
    leave_group(target, "over", "read")
    leave_group(there.target, "over", physical(TENANT, "read"))  # somebody else's
    with rc.RawClient(gateway.address, (target.user, target.token)) as client:
        through = client.call(rc.DELETE_GROUPS, 3, {"GroupsNames": ["over", "never-was"]})["Results"]
    with rc.RawClient((HOSTS["failover"], mixed.clusters["failover"].ports[0])) as broker:
        straight, = broker.call(rc.DELETE_GROUPS, 3, {"GroupsNames": [physical(TENANT, "never-was")]})["Results"]
    assert sorted(through, key=lambda result: result["ErrorCode"]) == [
        {"GroupId": "over", "ErrorCode": 0, "ErrorMessage": None}, straight | {"GroupId": "never-was"}]
    assert straight["ErrorCode"] == GROUP_ID_NOT_FOUND
    admin = AdminClient(there.target.librdkafka())
    left = {group.group_id for group in admin.list_consumer_groups().result(WAIT).valid}
    assert "over" in left and physical(TENANT, "over") not in left


class Journey:
    """One set of clients that stays open from the old cluster to the new one and back."""

    def __init__(self, target, topic):
        self.topic = topic
        self.admin = AdminClient(target.librdkafka())
        self.producer = Producer(target.librdkafka(acks="all"))
        self.consumer = Consumer(target.librdkafka(**{"group.id": "unused", "enable.auto.commit": False}))

    def create(self):
        """The topic, on the cluster that is active."""
        future, = self.admin.create_topics([NewTopic(self.topic, 1, 1)]).values()
        future.result(WAIT)
        wait_until(lambda: self.topic in self.admin.list_topics(timeout=WAIT).topics, f"{self.topic} shows")

    def work(self, values):
        """Administration, records in and out by the same open clients."""
        failed = []
        for value in values:
            self.producer.produce(self.topic, value, on_delivery=lambda error, _: error and failed.append(error))
        assert self.producer.flush(WAIT) == 0 and not failed, failed
        self.consumer.assign([TopicPartition(self.topic, 0, OFFSET_BEGINNING)])
        found = []
        wait_until(lambda: self._poll(found) or set(values) <= set(found), lambda: f"{values} are read, not {found}")
        resource = ConfigResource(ResourceType.TOPIC, self.topic)
        told, = self.admin.describe_configs([resource]).values()
        assert told.result(WAIT)["cleanup.policy"].value == "delete"
        groups = self.admin.list_consumer_groups().result(WAIT)
        assert not groups.errors

    def _poll(self, found):
        message = self.consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message.value())

    def close(self):
        """Part in good order."""
        self.consumer.close()


def test_open_clients_go_to_the_newer_release_and_back(gateways, mixed):
    """The same producer, consumer and admin client: old, new, old. Each record is where it was acknowledged."""
    gateway, topic = gateways["both"], "journey"
    gateway.switch("main")
    clients = Journey(gateway.target(TENANT), topic)
    sent = {"main": [], "failover": []}
    try:
        for step, cluster in enumerate(("main", "failover", "main")):
            gateway.switch(cluster)
            if not sent[cluster]:
                clients.create()
            values = [f"{step}-{number}".encode() for number in range(20)]
            clients.work(values)
            sent[cluster] += [value.decode() for value in values]
    finally:
        clients.close()
    for cluster, values in sent.items():
        assert sorted(world.Direct(mixed.clusters[cluster]).values(physical(TENANT, topic))) == sorted(values)


@pytest.mark.parametrize("name", list(DRIVERS))
def test_every_library_works_on_both(gateways, mixed, tmp_path, name):
    """Describe, write, read in a group, list: on the old release, on the new one, and on the old one again; tools
    that are started for each call only on either."""
    gateway = gateways["both"]
    gateway.switch("main")
    driver = DRIVERS[name](gateway.target(TENANT), mixed, str(tmp_path))
    topic, group = f"all-{name}", f"group-{name}"
    try:
        for cluster in mixed.clusters.values():
            world.Direct(cluster).create(physical(TENANT, topic), 1)
        for step, cluster in enumerate(("main", "failover", "main")[:2 if driver.slow else 3]):
            gateway.switch(cluster)
            values = [f"{step}-{number}" for number in range(10)]
            assert driver.describe(topic)["partitions"] == 1
            assert driver.produce(topic, values) == len(values)
            assert sorted(driver.consume(topic, group, len(values))) == sorted(values)
            assert topic in driver.topics()
    finally:
        driver.close()


def test_administration_reaches_the_release_that_serves(gateways, mixed):
    """Topics, partitions and groups made by one admin client over the switches are on the cluster of the moment."""
    gateway = gateways["both"]
    gateway.switch("main")
    admin = AdminClient(gateway.target(TENANT).librdkafka())
    for cluster in ("main", "failover", "main"):
        gateway.switch(cluster)
        there = world.Direct(mixed.clusters[cluster])
        create, = admin.create_topics([NewTopic("moment", 1, 1)]).values()
        create.result(WAIT)
        more, = admin.create_partitions([NewPartitions("moment", 3)]).values()
        more.result(WAIT)
        wait_until(lambda: there.partitions(physical(TENANT, "moment")) == 3, f"three partitions on {cluster}")
        delete, = admin.delete_topics(["moment"]).values()
        delete.result(WAIT)
        wait_until(lambda: physical(TENANT, "moment") not in there.topics(), f"gone from {cluster}")
