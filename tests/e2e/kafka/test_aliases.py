# SPDX-License-Identifier: Apache-2.0
"""Aliases on real Kafka: two tenants on one physical topic, one of them only reading; what groups are on the brokers;
names that are refused; the routes of the admin API."""

import os
import subprocess
import time

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)
from lib import wire
from lib.gateway import ApiError
from lib.wait import wait_until
from world import physical

RAW = True
WAIT = 30
SHARED = "outsideSharedTopic"
DENIED = KafkaError.TOPIC_AUTHORIZATION_FAILED


def topics_path(vcluster, topic=None):
    return f"/admin/vclusters/v1/vcluster/{vcluster}/topics" + (f"/{topic}" if topic else "")


def add_alias(gateway, vcluster, topic, to, read_only=False):
    return gateway.call("POST", topics_path(vcluster, topic), json={"physicalTopicName": to, "readOnly": read_only})


def create_outside(gateway, direct, topic, partitions=1):
    """A topic of nobody, known to whichever broker the gateway asks: an alias to it can be made."""
    direct["main"].create(topic, partitions)

    def is_known():
        try:
            add_alias(gateway, "white", "probe", topic)
        except ApiError as error:
            assert error.status == 400, error
            return False
        return gateway.call("DELETE", topics_path("white", "probe")) == ""

    wait_until(is_known, f"{topic} is known")


@pytest.fixture(scope="module")
def gateway(make_gateway, direct):
    """grey writes to the shared topic as `shared`, white only reads it as `lent`; both have topics of their own, too."""
    gateway = make_gateway(vclusters=["grey", "white"])
    create_outside(gateway, direct, SHARED, 2)
    for vcluster in ("grey", "white"):
        admin = admin_of(gateway.target(vcluster))
        admin.create_topics([NewTopic("own", 1, 1)])["own"].result(WAIT)
        wait_until(lambda: "own" in admin.list_topics(timeout=WAIT).topics, "own shows")
    add_alias(gateway, "grey", "shared", SHARED)
    add_alias(gateway, "white", "lent", SHARED, read_only=True)
    return gateway


@pytest.fixture(scope="module")
def grey(gateway):
    return gateway.target("grey")


@pytest.fixture(scope="module")
def white(gateway):
    return gateway.target("white")


def produce(target, topic, values, **config):
    """The errors of all deliveries."""
    errors = []
    producer = Producer(target.librdkafka(**{key.replace("_", "."): value for key, value in config.items()}))
    for value in values:
        producer.produce(topic, value, partition=0, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(WAIT) == 0
    return errors


def read(target, topic, count, offset=0):
    """That many values of partition 0 from an offset on."""
    consumer = Consumer(target.librdkafka(**{"group.id": "reader", "enable.auto.commit": False}))
    values = []
    try:
        consumer.assign([TopicPartition(topic, 0, offset)])
        deadline = time.monotonic() + WAIT
        while len(values) < count and time.monotonic() < deadline:
            values += [m.value() for m in consumer.consume(count, 1) if not m.error()]
    finally:
        consumer.close()
    return values


ADMINS = {}


def admin_of(target):
    """An AdminClient that outlives its futures."""
    return ADMINS.setdefault(str(sorted(target.librdkafka().items())), AdminClient(target.librdkafka()))


@pytest.fixture(scope="module", autouse=True)
def end_admins():
    yield
    ADMINS.clear()


def error_of(future):
    with pytest.raises(KafkaException) as fault:
        future.result(WAIT)
    return fault.value.args[0].code()


def test_two_tenants_share_a_topic(gateway, grey, white, direct):
    start = direct["main"].ends(SHARED)[0]
    large = b"x" * 700_000
    assert produce(grey, "shared", [b"a", large, b"b"]) == [None] * 3
    assert direct["main"].ends(SHARED)[0] == start + 3
    assert read(white, "lent", 3, start) == read(grey, "shared", 3, start) == [b"a", large, b"b"]
    for target, names in ((grey, {"own", "shared"}), (white, {"own", "lent"})):
        # Other files of the session have made topics of these tenants, too.
        assert set(admin_of(target).list_topics(timeout=WAIT).topics) & {"own", "shared", "lent"} == names


def test_more_than_a_request_may_hold_streams_to_one_alias(make_gateway, direct):
    """A Produce that is larger than limits.request.bytes, and a Fetch that asks for more."""
    gateway = make_gateway(vclusters=["grey", "white"], config={"limits.request.bytes": 100_000})
    create_outside(gateway, direct, "outsideLarge")
    add_alias(gateway, "grey", "large", "outsideLarge")
    target = gateway.target("grey")
    values = [bytes([n]) * 90_000 for n in range(8)]
    assert produce(target, "large", values, linger_ms=300, batch_size=1_000_000, message_max_bytes=1_000_000) == [None] * 8
    assert read(target, "large", 8) == values


def test_a_read_only_topic_can_be_read_and_nothing_else(gateway, grey, white, direct):
    produce(grey, "shared", [b"x"])
    before = direct["main"].ends(SHARED)
    admin = admin_of(white)
    lent = ConfigResource(ResourceType.TOPIC, "lent")
    assert [error.code() for error in produce(white, "lent", [b"no"])] == [DENIED]
    assert error_of(admin.delete_topics(["lent"])["lent"]) == DENIED
    assert error_of(admin.create_topics([NewTopic("lent", 1, 1)])["lent"]) == DENIED
    assert error_of(admin.create_partitions([NewPartitions("lent", 5)])["lent"]) == DENIED
    change = ConfigResource(ResourceType.TOPIC, "lent", incremental_configs=[
        ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)])
    assert error_of(admin.incremental_alter_configs([change])[change]) == DENIED
    assert error_of(list(admin.delete_records([TopicPartition("lent", 0, 1)]).values())[0]) == DENIED
    # What only looks works, and nothing has happened.
    assert "retention.ms" in admin.describe_configs([lent])[lent].result(WAIT)
    offsets = admin.list_offsets({TopicPartition("lent", 0): OffsetSpec.latest()})
    assert list(offsets.values())[0].result(WAIT).offset == before[0]
    assert direct["main"].ends(SHARED) == before
    # The other tenant may.
    shared = ConfigResource(ResourceType.TOPIC, "shared", incremental_configs=[
        ConfigEntry("retention.ms", "86400000", incremental_operation=AlterConfigOpType.SET)])
    assert admin_of(grey).incremental_alter_configs([shared])[shared].result(WAIT) is None
    # Whichever broker is asked learns of it in a moment.
    wait_until(lambda: admin.describe_configs([lent])[lent].result(WAIT)["retention.ms"].value == "86400000",
               "the change shows")


def test_groups_have_physical_names_on_the_brokers(white, direct, lab):
    """Subscriptions and assignments, as the tools of Kafka show them direct and through the gateway."""
    consumer = Consumer(white.librdkafka(**{"group.id": "members", "auto.offset.reset": "earliest"}))
    consumer.subscribe(["lent", "own"])
    try:
        wait_until(lambda: consumer.poll(0.2) is None and len(consumer.assignment()) == 3, "3 partitions are assigned")
        assert {p.topic for p in consumer.assignment()} == {"lent", "own"}
        consumer.commit(offsets=[TopicPartition("lent", 0, 1), TopicPartition("own", 0, 0)], asynchronous=False)
        for target, group, names in ((white, "members", {"lent", "own"}),
                                     (direct["main"].target, physical("white", "members"),
                                      {SHARED, physical("white", "own")})):
            found = admin_of(target).describe_consumer_groups([group])[group].result(WAIT)
            assert {p.topic for m in found.members for p in m.assignment.topic_partitions} == names
            # Who may be forgotten: the broker takes it from the subscription.
            asked = admin_of(target).list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(WAIT)
            assert {p.topic for p in asked.topic_partitions} == names
        # A topic that the group reads keeps its offsets: the broker knows the names in the subscription.
        shown = subprocess.run(
            [os.path.join(lab.bin, "kafka-consumer-groups"), "--bootstrap-server", direct["main"].cluster.bootstrap,
             "--delete-offsets", "--group", physical("white", "members"), "--topic", SHARED],
            capture_output=True, text=True, timeout=90)
        assert "subscribed" in shown.stdout + shown.stderr, shown
    finally:
        consumer.close()


def test_names_that_nobody_can_have(gateway, white):
    """They are refused one by one, beside a good one."""
    names = ["own", "", "..", "!wn", "a b", "__consumer_offsets", "__cluster_metadata"]
    with wire.login(gateway, "white") as raw:
        _, topics = wire.read_metadata(raw.ask(wire.metadata(names)))[:2]
        assert {name: topics[name][0] for name in names} == {
            "own": 0, "": 17, "..": 17, "!wn": 17, "a b": 17, "__consumer_offsets": 3, "__cluster_metadata": 3}
    futures = admin_of(white).create_topics([NewTopic(n, 1, 1) for n in ("__transaction_state", "a b", "x" * 240)])
    assert {error_of(future) for future in futures.values()} == {KafkaError.TOPIC_EXCEPTION}


def test_configs_of_brokers_are_answered(gateway, white):
    for resource in (ConfigResource(ResourceType.BROKER, "0"),):
        began = time.monotonic()
        assert error_of(admin_of(white).describe_configs([resource])[resource]) == KafkaError.CLUSTER_AUTHORIZATION_FAILED
        assert time.monotonic() - began < WAIT


def test_throttled_replicas_are_numbered_as_clients_know_brokers(gateway, white, direct):
    """Brokers 1, 2, 3 are the vnodes 0, 1, 2."""
    name = "leader.replication.throttled.replicas"
    own = ConfigResource(ResourceType.TOPIC, "own", incremental_configs=[
        ConfigEntry(name, "0:0,0:2", incremental_operation=AlterConfigOpType.SET)])
    admin_of(white).incremental_alter_configs([own])[own].result(WAIT)
    there = ConfigResource(ResourceType.TOPIC, physical("white", "own"))

    def value(target, resource):
        return admin_of(target).describe_configs([resource])[resource].result(WAIT)[name].value

    wait_until(lambda: value(direct["main"].target, there) == "0:1,0:3", "the brokers have their own numbers")
    wait_until(lambda: value(white, own) == "0:0,0:2", "the tenant's numbers come back")


def test_routes(gateway, direct):
    """Bodies and codes of the original; a change acts on the next request of a connection that is there."""
    create_outside(gateway, direct, "outsideRoutes")

    def status(method, path, **more):
        return gateway.request(method, path, **more).status_code

    with wire.login(gateway, "grey") as raw:
        def shows():
            return wire.read_metadata(raw.ask(wire.metadata(["routes"])))[1]["routes"][0]

        assert shows() == 3
        made = gateway.request("POST", topics_path("grey", "routes"),
                               json={"physicalTopicName": "outsideRoutes", "readOnly": True, "type": "alias"})
        assert made.status_code == 201 and made.json() == {
            "logicalTopicName": "routes", "clusterId": "main", "physicalTopicName": "outsideRoutes", "readOnly": True,
            "type": "ALIAS"}
        assert shows() == 0
        assert "routes: {physical: \"outsideRoutes\", read.only: true}" in gateway.read_vcluster("grey")
        one = {"logicalTopicName": "routes", "physicalTopicName": "outsideRoutes", "readOnly": True, "concentrated": False}
        assert gateway.call("GET", topics_path("grey", "routes")) == one
        assert one in gateway.call("GET", topics_path("grey"))
        assert status("GET", topics_path("grey", "nothing")) == 404
        with pytest.raises(ApiError) as fault:
            add_alias(gateway, "grey", "routes2", "nowhere")
        assert fault.value.status == 400 and "does not exist in your kafka cluster" in fault.value.text
        with pytest.raises(ApiError) as fault:
            add_alias(gateway, "grey", "routes", SHARED)
        assert fault.value.status == 409 and "existing topic mapping" in fault.value.text
        with pytest.raises(ApiError) as fault:
            add_alias(gateway, "grey", "twice", SHARED)
        assert fault.value.status == 409 and "shared" in fault.value.text
        assert status("DELETE", topics_path("grey", "routes")) == 204
        assert shows() == 3
        assert status("DELETE", topics_path("grey", "routes")) == 404
        gateway.ctl("topics", "add", "grey", "routes", "outsideRoutes")
        assert "routes -> outsideRoutes\n" in gateway.ctl("topics", "list", "grey").stdout
        assert shows() == 0
        gateway.ctl("topics", "remove", "grey", "routes")
        assert shows() == 3
