# SPDX-License-Identifier: Apache-2.0
"""What else clients do with a cluster, through the gateway on main: transactions, groups of several members,
administration, large and compressed records, other acks, many topics, older Java clients."""

import hashlib
import itertools
import os
import random
import threading
import time

import kafkalab
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from drivers import DRIVERS, Failed
from kafkalab.tools import write_tools
from lib.wait import wait_until
from world import physical

WAIT = 30


@pytest.fixture(scope="module")
def gateway(make_gateway):
    """Tenants of this module only, so that nothing but its own topics and groups is seen."""
    return make_gateway(vclusters=["grey", "white"])


@pytest.fixture
def java(gateway, lab, tmp_path):
    """Kafka's command-line tools as the tenant grey."""
    return DRIVERS["java-tools"](gateway.target("grey"), lab, str(tmp_path))


@pytest.fixture(scope="module")
def create(gateway):
    """A function that creates a topic of the tenant and waits for it."""
    admin = AdminClient(gateway.target("grey").librdkafka())

    def make(topic, partitions=1, **config):
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config)]).values():
            future.result(WAIT)
        wait_until(lambda: topic in admin.list_topics(timeout=WAIT).topics, f"{topic} shows")
        return topic
    return make


def produce(target, topic, values, partition=None, spread=None, **config):
    """Write values in this order, wait for all acknowledgements; all into one partition, or one after the other
    into `spread` partitions; config keys with _ for dots."""
    failed = []
    # Only an idempotent producer keeps the order when a broker that has not heard of a new topic refuses a batch.
    config.setdefault("enable_idempotence", config.get("acks", "all") == "all")
    producer = Producer(target.librdkafka(**{key.replace("_", "."): value for key, value in config.items()}))
    for number, value in enumerate(values):
        to = number % spread if spread else partition
        where = {} if to is None else {"partition": to}
        producer.produce(topic, value, on_delivery=lambda error, _: error and failed.append(error), **where)
        producer.poll(0)
    assert producer.flush(WAIT) == 0 and not failed, failed[:3]


def read(target, topic, count, partitions=(0,), **config):
    """The first `count` values of some partitions, without a group; what came in time if there are fewer."""
    consumer = Consumer(target.librdkafka(**{"group.id": "none", "enable.auto.commit": False},
                                          **{key.replace("_", "."): value for key, value in config.items()}))
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
    found, quiet = [], time.monotonic() + WAIT
    try:
        while len(found) < count and time.monotonic() < quiet:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                found.append(message.value())
        return found
    finally:
        consumer.close()


# -- transactions -------------------------------------------------------------------------------------


def transactional(target, name="worker"):
    """A transactional producer, ready to begin."""
    producer = Producer(target.librdkafka(**{"transactional.id": name, "transaction.timeout.ms": 20000}))
    producer.init_transactions(WAIT)
    return producer


def send(producer, topic, values):
    """One transaction, not ended."""
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(WAIT) == 0


def test_a_transaction_is_committed_or_not_at_all(gateway, create, direct):
    """read_committed sees the committed ones only, read_uncommitted all; also direct on the brokers."""
    topic, target = create("tx"), gateway.target("grey")
    producer = transactional(target)
    send(producer, topic, [b"a1", b"a2"])
    producer.commit_transaction(WAIT)
    send(producer, topic, [b"gone"])
    producer.abort_transaction(WAIT)
    send(producer, topic, [b"b1"])
    producer.commit_transaction(WAIT)
    assert read(target, topic, 3, isolation_level="read_committed") == [b"a1", b"a2", b"b1"]
    assert read(target, topic, 4, isolation_level="read_uncommitted") == [b"a1", b"a2", b"gone", b"b1"]
    assert read(direct["main"].target, physical("grey", topic), 3) == [b"a1", b"a2", b"b1"]


def test_offsets_go_with_the_transaction(gateway, create):
    """Consume, transform, produce: the group's offset moves with the commit and stays with an abort."""
    source, sink, target = create("tx-source"), create("tx-sink"), gateway.target("grey")
    produce(target, source, [b"1", b"2", b"3", b"4"])
    consumer = Consumer(target.librdkafka(**{"group.id": "tx-group", "enable.auto.commit": False,
                                             "auto.offset.reset": "earliest"}))
    consumer.subscribe([source])
    producer, records, ends = transactional(target, "copier"), [], []
    try:
        wait_until(lambda: records.append(consumer.poll(0.2)) or len([r for r in records if r]) == 4, "4 records")
        for upto, end in ((2, producer.commit_transaction), (4, producer.abort_transaction)):
            send(producer, sink, [r.value() * 2 for r in records if r and r.offset() < upto])
            producer.send_offsets_to_transaction([TopicPartition(source, 0, upto)],
                                                 consumer.consumer_group_metadata(), WAIT)
            end(WAIT)
            ends.append(consumer.committed([TopicPartition(source, 0)], WAIT)[0].offset)
    finally:
        consumer.close()
    assert ends == [2, 2]
    assert read(target, sink, 2) == [b"11", b"22"]


def test_a_second_producer_fences_the_first_of_its_tenant_only(gateway, create):
    """transactional.id is a name of the tenant, as topics are."""
    topic, target = create("tx-fence"), gateway.target("grey")
    first, other = transactional(target, "same"), transactional(gateway.target("white"), "same")
    send(first, topic, [b"fenced"])
    second = transactional(target, "same")
    with pytest.raises(KafkaException) as fenced:
        first.commit_transaction(WAIT)
    assert fenced.value.args[0].fatal()
    send(second, topic, [b"good"])
    second.commit_transaction(WAIT)
    other.begin_transaction()
    other.abort_transaction(WAIT)
    assert read(target, topic, 1) == [b"good"]


# -- groups -------------------------------------------------------------------------------------------


class Member(threading.Thread):
    """One member of a group, polling until stop()."""

    def __init__(self, library, target, topic, group, **config):
        super().__init__(daemon=True)
        self.library, self.target, self.topic, self.group, self.config = library, target, topic, group, config
        self.owned, self.values, self.fault = set(), [], None
        self._end = threading.Event()
        self.start()

    def run(self):
        try:
            (self._confluent if self.library == "confluent-kafka" else self._kafka_python)()
        except Exception as fault:  # shown by the test
            self.fault = fault

    def _confluent(self):
        consumer = Consumer(self.target.librdkafka(**{
            "group.id": self.group, "auto.offset.reset": "earliest", "session.timeout.ms": 10000,
            "heartbeat.interval.ms": 500}, **{key.replace("_", "."): v for key, v in self.config.items()}))
        consumer.subscribe([self.topic])
        while not self._end.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.values.append(message.value())
            self.owned = {p.partition for p in consumer.assignment()}
        consumer.close()

    def _kafka_python(self):
        from kafka import KafkaConsumer
        from kafka.coordinator.assignors.range import RangePartitionAssignor
        consumer = KafkaConsumer(self.topic, **self.target.python(
            group_id=self.group, auto_offset_reset="earliest", session_timeout_ms=10000, heartbeat_interval_ms=500,
            partition_assignment_strategy=[RangePartitionAssignor]))
        while not self._end.is_set():
            for records in consumer.poll(timeout_ms=100).values():
                self.values += [record.value for record in records]
            self.owned = {p.partition for p in consumer.assignment()}
        consumer.close()

    def stop(self):
        """Leave the group."""
        self._end.set()
        self.join(WAIT)


def shared_out(members, partitions):
    """Whether the live members have all partitions, each one of them, and as many each."""
    owned = [p for member in members for p in member.owned]
    return sorted(owned) == list(range(partitions)) and \
        all(len(m.owned) == partitions // len(members) for m in members)


@pytest.mark.parametrize("libraries,config", [
    (["confluent-kafka"] * 3, {"partition_assignment_strategy": "range"}),
    (["confluent-kafka"] * 3, {"partition_assignment_strategy": "cooperative-sticky"}),
    (["confluent-kafka", "kafka-python", "confluent-kafka"], {"partition_assignment_strategy": "range"}),
], ids=["eager", "cooperative", "two libraries"])
def test_members_share_a_topic(gateway, create, libraries, config, request):
    """Three members join one after the other, one leaves: all partitions are served, every record is read."""
    group = "members-" + request.node.callspec.id.replace(" ", "-")
    topic, target = create(f"topic-{group}", 6), gateway.target("grey")
    members = []
    try:
        for count, library in enumerate(libraries, 1):
            members.append(Member(library, target, topic, group, **config))
            wait_until(lambda: shared_out(members, 6), lambda: str([(m.owned, m.fault) for m in members]))
            produce(target, topic, [f"{count}-{partition}".encode() for partition in range(6)], spread=6)
        leaver = members[1]
        leaver.stop()
        left = [m for m in members if m is not leaver]
        wait_until(lambda: shared_out(left, 6), lambda: str([(m.owned, m.fault) for m in members]))
        wanted = {f"{count}-{partition}".encode() for count in (1, 2, 3) for partition in range(6)}
        wait_until(lambda: {v for m in members for v in m.values} >= wanted, "every record is read")
        assert [m.fault for m in members] == [None] * 3
    finally:
        for member in members:
            member.stop()


def test_the_group_tool(gateway, create, java):
    """kafka-consumer-groups: list, describe in all its ways, reset, delete."""
    topic, target = create("tool", 2), gateway.target("grey")
    produce(target, topic, [b"x"] * 10, spread=2)
    member = Member("confluent-kafka", target, topic, "tool-group")
    try:
        wait_until(lambda: len(member.values) == 10, "the member reads")
        assert "tool-group" in java.groups()
        out = java.tool("kafka-consumer-groups", "--describe", "--group", "tool-group", "--members", "--verbose")
        assert "0,1" in out, out  # some releases leave out the topic's name here
        admin = AdminClient(target.librdkafka())
        told, = admin.describe_consumer_groups(["tool-group"], request_timeout=WAIT).values()
        assigned = [(p.topic, p.partition) for m in told.result(WAIT).members for p in m.assignment.topic_partitions]
        assert sorted(assigned) == [(topic, 0), (topic, 1)]
        out = java.tool("kafka-consumer-groups", "--describe", "--group", "tool-group", "--state")
        assert "Stable" in out and "range" in out, out
        out = java.tool("kafka-consumer-groups", "--delete", "--group", "tool-group")
        assert "GroupNotEmptyException" in out and "tool-group" in java.groups(), out
    finally:
        member.stop()
    wait_until(lambda: java.committed(topic, "tool-group") == 10, "its offsets are committed")
    out = java.tool("kafka-consumer-groups", "--group", "tool-group", "--topic", topic, "--reset-offsets",
                    "--to-offset", "2", "--execute")
    assert out.split().count(topic) == 2, out
    assert java.lag(topic, "tool-group") == 6
    java.tool("kafka-consumer-groups", "--delete", "--group", "tool-group")
    assert "tool-group" not in java.groups()


def test_the_new_group_protocol_is_refused_at_once(create, java):
    """group.protocol=consumer is not offered: the client says so instead of waiting for ever."""
    create("new-protocol")
    with pytest.raises(Failed, match="UnsupportedVersionException"):
        java.tool("kafka-console-consumer", "--topic", "new-protocol", "--consumer-property",
                  "group.protocol=consumer", "--timeout-ms", "20000", config="--consumer.config")


# -- administration -----------------------------------------------------------------------------------


def test_the_topic_and_config_tools(create, java, direct):
    """kafka-configs and kafka-topics change a topic of the tenant, and what they show is what the brokers have."""
    topic = create("admin", 1)
    there = physical("grey", topic)
    names = ("--entity-type", "topics", "--entity-name", topic)
    java.tool("kafka-configs", "--alter", *names, "--add-config", "retention.ms=123456,max.message.bytes=2000000")
    wait_until(lambda: "retention.ms=123456" in java.tool("kafka-configs", "--describe", *names), "the new value")
    java.tool("kafka-configs", "--alter", *names, "--delete-config", "retention.ms")
    wait_until(lambda: "retention.ms" not in java.tool("kafka-configs", "--describe", *names), "the default")
    assert "max.message.bytes=2000000" in java.tool("kafka-configs", "--describe", *names)
    java.tool("kafka-topics", "--alter", "--topic", topic, "--partitions", "5")
    wait_until(lambda: direct["main"].partitions(there) == 5, "five partitions")
    out = java.tool("kafka-topics", "--describe", "--topic", topic)
    assert "PartitionCount: 5" in out and "max.message.bytes=2000000" in out, out
    with pytest.raises(Failed, match="InvalidPartitionsException"):
        java.tool("kafka-topics", "--alter", "--topic", topic, "--partitions", "2")
    java.tool("kafka-topics", "--delete", "--topic", topic)
    wait_until(lambda: there not in direct["main"].topics(), "it is gone on the brokers")


def test_two_thousand_topics(direct, make_gateway):
    """A tenant with many topics lists them all, time and again, and only them: Metadata of some 100 KB."""
    own = make_gateway(vclusters=["crowd"])
    admin = AdminClient(own.target("crowd").librdkafka())
    names = [f"many-{i:04}" for i in range(2000)]
    for begin in range(0, 2000, 500):
        futures = admin.create_topics([NewTopic(n, 1, 1) for n in names[begin:begin + 500]], request_timeout=60)
        for future in futures.values():
            future.result(60)
    # A listing is of one broker, and brokers learn of so many topics one after the other.
    listings = []
    wait_until(lambda: listings.append(sorted(admin.list_topics(timeout=WAIT).topics)) or
               all(listing == names for listing in listings[-20:]) and len(listings) >= 20, "all of them show", 60)
    assert all(set(listing) <= set(names) for listing in listings)
    assert physical("crowd", names[-1]) in direct["main"].topics()
    for begin in range(0, 2000, 500):
        for future in admin.delete_topics(names[begin:begin + 500], request_timeout=60).values():
            future.result(60)
    empty = []
    wait_until(lambda: empty.append(not admin.list_topics(timeout=WAIT).topics) or len(empty) >= 20 and
               all(empty[-20:]), "all are gone on every broker", 60)


# -- records ------------------------------------------------------------------------------------------


def digests(values):
    """What identifies large values in the message of an assertion."""
    return [f"{len(value)} bytes {hashlib.sha256(value).hexdigest()[:16]}" for value in values]


# kafka-python computes its checksums in Python: few records.
@pytest.mark.parametrize("library,size,count", [
    ("confluent-kafka", 1_000_000, 30), ("confluent-kafka", 10_000_000, 5), ("kafka-python", 1_000_000, 5),
])
def test_large_records_come_out_as_they_went_in(gateway, create, direct, library, size, count):
    """Byte for byte, through the gateway and direct."""
    limit = 15_000_000
    topic = create(f"large-{size}-{library}", 1, max_message_bytes=limit)
    target = gateway.target("grey")
    values = [random.Random(size + i).randbytes(size - i) for i in range(count)]
    if library == "confluent-kafka":
        produce(target, topic, values, message_max_bytes=limit)
        found = read(target, topic, count, fetch_max_bytes=4 * limit, message_max_bytes=4 * limit,
                         check_crcs=True)
    else:
        from kafka import KafkaConsumer, KafkaProducer
        from kafka import TopicPartition as Partition
        producer = KafkaProducer(**target.python(max_request_size=limit, acks="all"))
        for future in [producer.send(topic, value) for value in values]:
            future.get(timeout=60)
        producer.close(timeout=5)
        consumer = KafkaConsumer(**target.python(max_partition_fetch_bytes=limit, auto_offset_reset="earliest",
                                                 consumer_timeout_ms=WAIT * 1000))
        consumer.assign([Partition(topic, 0)])
        found = [record.value for record in itertools.islice(consumer, count)]
        consumer.close()
    assert digests(found) == digests(values)
    there = read(direct["main"].target, physical("grey", topic), count, fetch_max_bytes=4 * limit,
                 message_max_bytes=4 * limit)
    assert digests(there) == digests(values)


def test_a_record_above_the_brokers_limit_is_refused_as_ever(gateway, create):
    """MESSAGE_TOO_LARGE comes from the broker and names no backend."""
    topic, failed = create("too-large"), []
    producer = Producer(gateway.target("grey").librdkafka(**{"message.max.bytes": 5_000_000}))
    producer.produce(topic, os.urandom(3_000_000), on_delivery=lambda error, _: failed.append(error))
    producer.flush(WAIT)
    assert failed[0].name() == "MSG_SIZE_TOO_LARGE"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches(gateway, create, direct, codec):
    """The batches are compressed on the brokers, too, and read by everybody."""
    topic, target = create(f"codec-{codec}", 1), gateway.target("grey")
    values = [f"{codec} {i} ".encode() * 20 for i in range(2000)]
    produce(target, topic, values, compression_type=codec, linger_ms=50)
    assert read(target, topic, len(values)) == values
    assert read(direct["main"].target, physical("grey", topic), len(values)) == values


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(gateway, create, acks):
    """acks=0 has no answer: many of them, then requests with answers on the same connections."""
    topic, target = create(f"acks-{acks}", 3), gateway.target("grey")
    values = sorted(f"{i:05}".encode() for i in range(3000))
    # With acks=0 a leader that has not heard of the new topic drops records.
    produce(target, topic, values[:3], spread=3)
    produce(target, topic, values[3:], acks=acks, linger_ms=1, batch_num_messages=10)
    assert sorted(read(target, topic, len(values), partitions=(0, 1, 2))) == values


def test_a_consumer_without_a_group(gateway, create):
    """assign(), seek(), offsets by time, positions at the ends."""
    topic, target = create("assigned", 2), gateway.target("grey")
    produce(target, topic, [str(i).encode() for i in range(50)], 0)
    time.sleep(0.05)
    middle = int(time.time() * 1000)
    time.sleep(0.05)
    produce(target, topic, [str(i).encode() for i in range(50, 100)], 0)
    consumer = Consumer(target.librdkafka(**{"group.id": "unused", "enable.auto.commit": False}))
    try:
        assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=WAIT) == (0, 100)
        assert consumer.get_watermark_offsets(TopicPartition(topic, 1), timeout=WAIT) == (0, 0)
        found, = consumer.offsets_for_times([TopicPartition(topic, 0, middle)], timeout=WAIT)
        assert found.offset == 50
        consumer.assign([TopicPartition(topic, 0, 98)])
        assert next_value(consumer) == b"98"
        consumer.seek(TopicPartition(topic, 0, 7))
        assert next_value(consumer) == b"7"
    finally:
        consumer.close()
    admin = AdminClient(target.librdkafka())
    answer, = admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.latest()},
                                 isolation_level=IsolationLevel.READ_COMMITTED).values()
    assert answer.result(WAIT).offset == 100


def next_value(consumer):
    """The next record's value."""
    message = wait_until(lambda: consumer.poll(0.2), "a record")
    assert message.error() is None, message.error()
    return message.value()


# -- other clients ------------------------------------------------------------------------------------


def test_the_java_tools_of_an_older_release(gateway, create, lab, tmp_path):
    """3.9.2, the last release before 4.0, against the brokers of this run."""
    tools = write_tools(kafkalab.fetch_kafka("3.9.2"), str(tmp_path / "bin"))

    class Older:
        """Stands for the lab where a driver asks for the environment of its tools."""

        @staticmethod
        def env(**more):
            return lab.env(**more) | {"PATH": tools + os.pathsep + os.environ["PATH"]}

    driver = DRIVERS["java-tools"](gateway.target("grey"), Older, str(tmp_path))
    topic = create("older", 3)
    assert topic in driver.topics()
    assert driver.describe(topic)["partitions"] == 3
    values = [f"older-{i}" for i in range(50)]
    assert driver.produce(topic, values) == 50
    assert sorted(driver.consume(topic, "older-group", 50)) == sorted(values)
    assert driver.committed(topic, "older-group") == 50
    driver.delete(topic)
