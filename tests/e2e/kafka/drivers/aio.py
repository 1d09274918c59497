# SPDX-License-Identifier: Apache-2.0
"""aiokafka; each call runs an event loop of its own."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from .base import Driver, Failed

WAIT = 30


def _check(code):
    if code:
        raise Failed(for_code(code).__name__)


class AioDriver(Driver):
    """aiokafka."""

    name = "aiokafka"

    def _run(self, coroutine):
        async def limited():
            return await asyncio.wait_for(coroutine, WAIT * 2)
        try:
            return asyncio.run(limited())
        except KafkaError as fault:
            raise Failed(type(fault).__name__, str(fault)) from None

    def _admin(self, call):
        async def work():
            admin = AIOKafkaAdminClient(**self.target.python())
            try:
                await admin.start()
                return await call(admin)
            finally:
                await admin.close()
        return self._run(work())

    def create(self, topic, partitions):
        answer = self._admin(lambda admin: admin.create_topics([NewTopic(topic, partitions, 1)]))
        _check(answer.topic_errors[0][1])

    def delete(self, topic):
        answer = self._admin(lambda admin: admin.delete_topics([topic]))
        _check(answer.topic_error_codes[0][1])

    def topics(self):
        return set(self._admin(lambda admin: admin.list_topics()))

    def describe(self, topic):
        async def work(admin):
            told = await admin.describe_topics([topic])
            _check(told[0]["error_code"])
            config = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            values = {entry[0]: entry[1] for entry in config[0].resources[0][4]}
            return {"partitions": len(told[0]["partitions"]),
                    "replicas": len(told[0]["partitions"][0]["replicas"]),
                    "cleanup.policy": values["cleanup.policy"]}
        return self._admin(work)

    def produce(self, topic, values):
        async def work():
            producer = AIOKafkaProducer(**self.target.python(acks="all"))
            await producer.start()
            try:
                sent = [await producer.send(topic, value.encode()) for value in values]
                return sum([(await future).offset >= 0 for future in sent])
            finally:
                await producer.stop()
        return self._run(work())

    def consume(self, topic, group, count):
        async def work():
            consumer = AIOKafkaConsumer(topic, **self.target.python(
                group_id=group, auto_offset_reset="earliest", enable_auto_commit=False))
            found = []
            await consumer.start()
            try:
                while len(found) < count:
                    record = await asyncio.wait_for(consumer.getone(), WAIT)
                    found.append(record.value.decode())
                await consumer.commit()
            except asyncio.TimeoutError:
                pass
            finally:
                await consumer.stop()
            return found
        return self._run(work())

    def committed(self, topic, group):
        async def work(admin):
            told = await admin.list_consumer_group_offsets(group)
            return sum(meta.offset for tp, meta in told.items() if tp.topic == topic and meta.offset >= 0)
        return self._admin(work)

    def lag(self, topic, group):
        count = self.describe(topic)["partitions"]

        async def work():
            consumer = AIOKafkaConsumer(**self.target.python())
            await consumer.start()
            try:
                return await consumer.end_offsets([TopicPartition(topic, p) for p in range(count)])
            finally:
                await consumer.stop()
        return sum(self._run(work()).values()) - self.committed(topic, group)

    def groups(self):
        return {group[0] for group in self._admin(lambda admin: admin.list_consumer_groups())}
