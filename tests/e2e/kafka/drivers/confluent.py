# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka: librdkafka in Python."""

import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from .base import Driver, Failed

WAIT = 30


def _result(futures):
    try:
        return [future.result(WAIT) for future in futures]
    except KafkaException as fault:
        raise Failed(fault.args[0].name(), fault.args[0].str()) from None


class ConfluentDriver(Driver):
    """confluent-kafka."""

    name = "confluent-kafka"

    def __init__(self, *args):
        super().__init__(*args)
        self.admin = AdminClient(self.target.librdkafka())

    def create(self, topic, partitions):
        _result(self.admin.create_topics([NewTopic(topic, partitions, 1)], request_timeout=WAIT).values())

    def delete(self, topic):
        _result(self.admin.delete_topics([topic], request_timeout=WAIT).values())

    def topics(self):
        return set(self.admin.list_topics(timeout=WAIT).topics)

    def describe(self, topic):
        metadata = self.admin.list_topics(topic, timeout=WAIT).topics[topic]
        if metadata.error is not None:
            raise Failed(metadata.error.name(), metadata.error.str())
        resource = ConfigResource(ResourceType.TOPIC, topic)
        config, = _result(self.admin.describe_configs([resource], request_timeout=WAIT).values())
        return {"partitions": len(metadata.partitions),
                "replicas": len(metadata.partitions[0].replicas),
                "cleanup.policy": config["cleanup.policy"].value}

    def produce(self, topic, values):
        acked, faults = [], []

        def report(error, message):
            (faults if error else acked).append(error or message.offset())

        producer = Producer(self.target.librdkafka(acks="all", **{"message.timeout.ms": WAIT * 1000}))
        for value in values:
            producer.produce(topic, value.encode(), on_delivery=report)
        producer.flush(WAIT)
        if faults:
            raise Failed(faults[0].name(), faults[0].str())
        return len(acked)

    def consume(self, topic, group, count):
        consumer = Consumer(self.target.librdkafka(**{
            "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}))
        found, deadline = [], time.monotonic() + WAIT
        try:
            consumer.subscribe([topic])
            while len(found) < count and time.monotonic() < deadline:
                message = consumer.poll(0.5)
                if message is not None and message.error() is None:
                    found.append(message.value().decode())
            consumer.commit(asynchronous=False)
        except KafkaException as fault:
            raise Failed(fault.args[0].name(), fault.args[0].str()) from None
        finally:
            consumer.close()
        return found

    def _offsets(self, topic, group):
        wanted = [TopicPartition(topic, p) for p in range(self.describe(topic)["partitions"])]
        answer, = _result(self.admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, wanted)], request_timeout=WAIT).values())
        return {p.partition: max(p.offset, 0) for p in answer.topic_partitions}

    def committed(self, topic, group):
        return sum(self._offsets(topic, group).values())

    def lag(self, topic, group):
        consumer = Consumer(self.target.librdkafka(**{"group.id": group}))
        try:
            ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=WAIT)[1]
                    for p in range(self.describe(topic)["partitions"])]
        finally:
            consumer.close()
        return sum(ends) - self.committed(topic, group)

    def groups(self):
        answer = self.admin.list_consumer_groups(request_timeout=WAIT).result(WAIT)
        return {group.group_id for group in answer.valid}
