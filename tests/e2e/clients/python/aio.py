# SPDX-License-Identifier: Apache-2.0
"""aiokafka: everything in one event loop, which runs only while a step waits for something."""

import asyncio

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import BrokerResponseError
from script import Library, Member, Script, by_number

WAIT = 30
LOOP = asyncio.new_event_loop()


def run(coroutine, seconds=WAIT * 2):
    """The result; errors of the cluster as KafkaError."""
    try:
        return LOOP.run_until_complete(asyncio.wait_for(coroutine, seconds))
    except BrokerResponseError as fault:
        raise by_number(fault.errno) from fault


def check(code):
    """Raises for one of Kafka's numbers."""
    if code:
        raise by_number(code)


class AioMember(Member):
    def __init__(self, conf, topic, partitions=None):
        self.topic = topic

        async def start():
            consumer = AIOKafkaConsumer(**conf)
            if partitions is None:
                consumer.subscribe([topic])
            await consumer.start()
            if partitions is not None:
                consumer.assign([TopicPartition(topic, p) for p in partitions])
                await consumer.seek_to_beginning()
            return consumer

        self.consumer = run(start())

    def poll(self, seconds):
        told = run(self.consumer.getmany(timeout_ms=int(seconds * 1000), max_records=500))
        return [(record.partition, record.offset, record.value) for records in told.values() for record in records]

    def owned(self):
        return {p.partition for p in self.consumer.assignment()}

    def seek(self, partition, offset):
        self.consumer.seek(TopicPartition(self.topic, partition), offset)

    def commit(self):
        run(self.consumer.commit())

    def close(self):
        run(self.consumer.stop())


class Aio(Library):
    unsupported = {"delete-group": "the admin client has no call for DeleteGroups"}

    def __init__(self, *told):
        super().__init__(*told)

        async def start():
            admin = AIOKafkaAdminClient(**self.keywords())
            await admin.start()
            return admin

        self.admin = run(start())

    def versions(self):
        assert run(self.admin.describe_cluster())["brokers"]
        return aiokafka.__version__

    def create(self, topic, partitions):
        check(run(self.admin.create_topics([NewTopic(topic, partitions, 1)])).topic_errors[0][1])

    def topics(self):
        return run(self.admin.list_topics())

    def describe(self, topic):
        told = run(self.admin.describe_topics([topic]))[0]
        check(told["error_code"])
        partitions = told["partitions"]
        return sum(p["leader"] >= 0 for p in partitions), len(partitions[0]["replicas"])

    def config(self, topic, key):
        told = run(self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))[0].resources[0]
        check(told[0])
        return {entry[0]: entry[1] for entry in told[4]}[key]

    def alter_config(self, topic, key, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={key: value})
        check(run(self.admin.alter_configs([resource]))[0].resources[0][0])

    def grow(self, topic, partitions):
        run(self.admin.create_partitions({topic: NewPartitions(partitions)}))

    def produce(self, topic, records, acks="all", compression="none", idempotent=False, limit=None):
        async def work():
            more = {"max_request_size": limit} if limit else {}
            producer = AIOKafkaProducer(**self.keywords(
                acks=acks, compression_type=None if compression == "none" else compression, linger_ms=5,
                enable_idempotence=idempotent, **more))
            await producer.start()
            try:
                sent = [await producer.send(topic, value, partition=partition) for partition, value in records]
                return len([await future for future in sent])
            finally:
                await producer.stop()
        return run(work())

    def transactions(self, topic, transactional_id, batches):
        async def work():
            producer = AIOKafkaProducer(**self.keywords(transactional_id=transactional_id))
            await producer.start()
            try:
                for values, commit in batches:
                    await producer.begin_transaction()
                    for value in values:
                        await producer.send(topic, value, partition=0)
                    await producer.flush()
                    await (producer.commit_transaction() if commit else producer.abort_transaction())
            finally:
                await producer.stop()
        run(work())

    def _consumer(self, group=None, **more):
        return self.keywords(group_id=group, enable_auto_commit=False, auto_offset_reset="earliest", **more)

    def reader(self, topic, partitions, committed_only=False):
        level = "read_committed" if committed_only else "read_uncommitted"
        return AioMember(self._consumer(isolation_level=level), topic, partitions)

    def member(self, topic, group):
        return AioMember(self._consumer(group), topic)

    def ends(self, topic, partitions):
        reader = self.reader(topic, partitions)
        try:
            told = run(reader.consumer.end_offsets([TopicPartition(topic, p) for p in partitions]))
            return {p.partition: end for p, end in told.items()}
        finally:
            reader.close()

    def committed(self, topic, group, partitions):
        told = run(self.admin.list_consumer_group_offsets(group, partitions=[TopicPartition(topic, p) for p in partitions]))
        return {p.partition: meta.offset if meta.offset >= 0 else None for p, meta in told.items()}

    def groups(self):
        return [group[0] for group in run(self.admin.list_consumer_groups())]

    def describe_group(self, group):
        told = run(self.admin.describe_consumer_groups([group]))[0].groups[0]
        check(told[0])
        members = told[5]
        topics = {topic for member in members
                  for topic, _ in ConsumerProtocolMemberAssignment.decode(member[4]).assignment}
        return told[2], len(members), topics

    def delete(self, topics):
        for topic_error in run(self.admin.delete_topics(topics)).topic_error_codes:
            check(topic_error[1])

    def close(self):
        run(self.admin.close())


Script(Aio).run()
