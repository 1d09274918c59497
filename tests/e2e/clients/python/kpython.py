# SPDX-License-Identifier: Apache-2.0
"""kafka-python."""

import functools

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic, OffsetSpec
from kafka.errors import BrokerResponseError, for_code
from script import KafkaError, Library, Member, Script, by_number

WAIT = 30


def check(code):
    """Raises for one of Kafka's numbers."""
    if code:
        raise by_number(code)


def translated(call):
    """The library's exceptions as KafkaError, where the cluster answered them."""
    @functools.wraps(call)
    def wrapped(*args, **kwargs):
        try:
            return call(*args, **kwargs)
        except BrokerResponseError as fault:
            raise by_number(fault.errno) from fault
    return wrapped


class KpythonMember(Member):
    def __init__(self, conf, topic, partitions=None):
        self.topic = topic
        self.consumer = KafkaConsumer(**conf)
        if partitions is not None:
            self.consumer.assign([TopicPartition(topic, p) for p in partitions])
            self.consumer.seek_to_beginning()
        else:
            # A member that joins before it has heard of its topic is assigned nothing, and kafka-python 3.0.12 does not
            # join again when it hears: so it hears first.
            self.consumer.partitions_for_topic(topic)
            self.consumer.subscribe([topic])

    @translated
    def poll(self, seconds):
        return [(record.partition, record.offset, record.value)
                for records in self.consumer.poll(int(seconds * 1000), max_records=500).values() for record in records]

    def owned(self):
        return {p.partition for p in self.consumer.assignment()}

    def seek(self, partition, offset):
        self.consumer.seek(TopicPartition(self.topic, partition), offset)

    @translated
    def commit(self):
        self.consumer.commit()

    def close(self):
        self.consumer.close()


class Kpython(Library):
    def __init__(self, *told):
        super().__init__(*told)
        self.admin = KafkaAdminClient(**self.keywords())

    def versions(self):
        assert self.admin.describe_cluster()["brokers"]
        return kafka.__version__

    @translated
    def create(self, topic, partitions):
        self.admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=1)])

    @translated
    def topics(self):
        return self.admin.list_topics()

    @translated
    def describe(self, topic):
        told = self.admin.describe_topics([topic])[0]
        check(told["error_code"])
        partitions = told["partitions"]
        return sum(p["leader_id"] >= 0 for p in partitions), len(partitions[0]["replica_nodes"])

    @translated
    def config(self, topic, key):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        return self.admin.describe_configs([resource], config_filter="all")["topic"][topic][key]["value"]

    @translated
    def alter_config(self, topic, key, value):
        self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={key: value})])

    @translated
    def grow(self, topic, partitions):
        self.admin.create_partitions({topic: partitions})

    @translated
    def produce(self, topic, records, acks="all", compression="none", idempotent=False, limit=None):
        more = {"max_request_size": limit} if limit else {}
        producer = KafkaProducer(**self.keywords(
            acks=acks, compression_type=None if compression == "none" else compression, linger_ms=5,
            enable_idempotence=idempotent, max_block_ms=WAIT * 1000, delivery_timeout_ms=WAIT * 1000,
            request_timeout_ms=WAIT * 500, **more))
        try:
            sent = [producer.send(topic, value, partition=partition) for partition, value in records]
            producer.flush(WAIT)
            return len([future.get(timeout=WAIT) for future in sent])
        finally:
            producer.close(timeout=5)

    @translated
    def transactions(self, topic, transactional_id, batches):
        producer = KafkaProducer(**self.keywords(transactional_id=transactional_id, acks="all",
                                                 max_block_ms=WAIT * 1000))
        try:
            producer.init_transactions()
            for values, commit in batches:
                producer.begin_transaction()
                for value in values:
                    producer.send(topic, value, partition=0)
                producer.flush(WAIT)
                (producer.commit_transaction if commit else producer.abort_transaction)()
        finally:
            producer.close(timeout=5)

    def _consumer(self, group=None, **more):
        return self.keywords(group_id=group, enable_auto_commit=False, auto_offset_reset="earliest", **more)

    @translated
    def reader(self, topic, partitions, committed_only=False):
        level = "read_committed" if committed_only else "read_uncommitted"
        return KpythonMember(self._consumer(isolation_level=level), topic, partitions)

    @translated
    def member(self, topic, group):
        return KpythonMember(self._consumer(group), topic)

    @translated
    def ends(self, topic, partitions):
        told = self.admin.list_partition_offsets({TopicPartition(topic, p): OffsetSpec.LATEST for p in partitions})
        return {p.partition: end.offset for p, end in told.items()}

    @translated
    def committed(self, topic, group, partitions):
        told = self.admin.list_group_offsets({group: [TopicPartition(topic, p) for p in partitions]})[group]
        return {p.partition: meta.offset if meta.offset >= 0 else None for p, meta in told.items()}

    @translated
    def groups(self):
        return [group["group_id"] for group in self.admin.list_groups()]

    @translated
    def describe_group(self, group):
        told = self.admin.describe_groups([group])[group]
        if told["error"]:
            raise RuntimeError(told["error"])
        topics = {part["topic"] for member in told["members"]
                  for part in member["member_assignment"]["assigned_partitions"]}
        return told["group_state"], len(told["members"]), topics

    @translated
    def delete_groups(self, groups):
        for outcome in self.admin.delete_groups(groups).values():
            if outcome != "OK":
                known = [code for code in range(1, 140) if for_code(code).__name__ == outcome]
                raise by_number(known[0]) if known else KafkaError(outcome)

    @translated
    def delete(self, topics):
        self.admin.delete_topics(topics)

    def close(self):
        self.admin.close()


Script(Kpython).run()
