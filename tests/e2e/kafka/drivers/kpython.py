# SPDX-License-Identifier: Apache-2.0
"""kafka-python."""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import KafkaError

from .base import Driver, Failed

WAIT = 30


def _refused(call):
    """Turn the library's exceptions into Failed."""
    def wrapped(self, *args):
        try:
            return call(self, *args)
        except KafkaError as fault:
            raise Failed(type(fault).__name__, str(fault)) from None
    return wrapped


class KafkaPythonDriver(Driver):
    """kafka-python."""

    name = "kafka-python"

    def __init__(self, *args):
        super().__init__(*args)
        self.admin = KafkaAdminClient(**self.target.python())

    @_refused
    def create(self, topic, partitions):
        self.admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=1)])

    @_refused
    def delete(self, topic):
        self.admin.delete_topics([topic])

    @_refused
    def topics(self):
        return set(self.admin.list_topics())

    @_refused
    def describe(self, topic):
        told = self.admin.describe_topics([topic])[0]
        if told["error_code"]:
            raise Failed(str(told["error_code"]))
        config = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)],
                                             config_filter="all")["topic"][topic]
        return {"partitions": len(told["partitions"]),
                "replicas": len(told["partitions"][0]["replica_nodes"]),
                "cleanup.policy": config["cleanup.policy"]["value"]}

    @_refused
    def produce(self, topic, values):
        producer = KafkaProducer(**self.target.python(acks="all", linger_ms=5, max_block_ms=WAIT * 1000))
        try:
            sent = [producer.send(topic, value.encode()) for value in values]
            return sum(future.get(timeout=WAIT).offset >= 0 for future in sent)
        finally:
            producer.close(timeout=5)

    @_refused
    def consume(self, topic, group, count):
        consumer = KafkaConsumer(topic, **self.target.python(
            group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
            consumer_timeout_ms=WAIT * 1000))
        found = []
        try:
            for record in consumer:
                found.append(record.value.decode())
                if len(found) == count:
                    break
            consumer.commit()
        finally:
            consumer.close()
        return found

    @_refused
    def committed(self, topic, group):
        return sum(meta.offset for meta in self._offsets(topic, group).values())

    def _offsets(self, topic, group):
        told = self.admin.list_group_offsets(group)
        told = told.get(group, told)
        return {tp: meta for tp, meta in told.items() if tp.topic == topic and meta.offset >= 0}

    @_refused
    def lag(self, topic, group):
        consumer = KafkaConsumer(**self.target.python())
        try:
            parts = [TopicPartition(topic, p) for p in range(self.describe(topic)["partitions"])]
            ends = consumer.end_offsets(parts)
        finally:
            consumer.close()
        return sum(ends.values()) - sum(meta.offset for meta in self._offsets(topic, group).values())

    @_refused
    def groups(self):
        return {group["group_id"] if isinstance(group, dict) else group[0] for group in self.admin.list_groups()}

    def close(self):
        self.admin.close()

