# SPDX-License-Identifier: Apache-2.0
"""Scripts of calls to a client library (confluent-kafka, that is librdkafka) instead of single requests.

Caller carries them out beside an Actor, which knows the names and waits until what a call did shows everywhere.
"""

import dataclasses
import time

from confluent_kafka import (OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer,
                             TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)
from hypothesis import strategies as st

from . import settle
from .scripts import GROUPS, TOPICS, TRANSACTIONS

WAIT = 30
TOPIC_CONFIGS = ("cleanup.policy", "retention.ms", "max.message.bytes")
# What makes clients of a short life quick; none of it is sent to a broker but the times.
QUICK = {"topic.metadata.propagation.max.ms": 0, "reconnect.backoff.ms": 1, "log_level": 0}


@dataclasses.dataclass(frozen=True)
class Call:
    """One call: the name of a method of Caller and its arguments."""
    what: str
    arguments: dict


def outcome(error):
    """What a program sees of a failure: the name, and whether the client has come to its end."""
    return f"{error.name()}{', fatal' if error.fatal() else ''}"


class Caller:
    """The clients of one player. Names are the tenant's; what is returned has no others."""

    def __init__(self, actor, config):
        self.actor, self.config = actor, config
        self.admin = AdminClient({**config, **QUICK})

    def run(self, call):
        """What came of a call, or of the error that it ended with."""
        try:
            return getattr(self, call.what)(**call.arguments)
        except KafkaException as fault:
            return outcome(fault.args[0])

    def _names(self, names):
        return sorted(self.actor.virtual(name) for name in names if self.actor.owns(name))

    def _all(self, futures):
        """{virtual name: result or error} of what AdminClient gives back."""
        found = {}
        for key, future in futures.items():
            name = getattr(key, "topic", None) or getattr(key, "name", None) or key
            try:
                found[self.actor.virtual(name)] = future.result(WAIT)
            except KafkaException as fault:
                found[self.actor.virtual(name)] = outcome(fault.args[0])
        return found

    # -- topics --------------------------------------------------------------------------------------

    def create(self, topic, partitions, config):
        name = self.actor.physical(topic)
        told = self._all(self.admin.create_topics([NewTopic(name, partitions, 1, config=config)]))
        if told[topic] is None:
            settle.until(lambda: settle.shown(self.actor, name))
        return told

    def delete(self, topic):
        name = self.actor.physical(topic)
        told = self._all(self.admin.delete_topics([name]))
        if told[topic] is None:
            settle.gone(self.actor, name)
        return told

    def more_partitions(self, topic, partitions):
        name = self.actor.physical(topic)
        told = self._all(self.admin.create_partitions([NewPartitions(name, partitions)]))
        if told[topic] is None:
            settle.until(lambda: settle.shown(self.actor, name) == partitions)
        return told

    def list_topics(self):
        topics = self.admin.list_topics(timeout=WAIT).topics
        return {self.actor.virtual(name): len(topic.partitions) for name, topic in topics.items()
                if self.actor.owns(name)}

    def describe_configs(self, topic):
        resource = ConfigResource(ResourceType.TOPIC, self.actor.physical(topic))
        return {name: told if isinstance(told, str) else {key: (told[key].value, told[key].source, told[key].is_default)
                                                          for key in TOPIC_CONFIGS}
                for name, told in self._all(self.admin.describe_configs([resource])).items()}

    def alter_configs(self, topic, key, value):
        name = self.actor.physical(topic)
        entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        told = self._all(self.admin.incremental_alter_configs(
            [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])]))
        if told[topic] is None:
            settle.until(lambda: settle.as_asked(self.actor, name, [{"name": key, "value": value}]))
        return told

    # -- records -------------------------------------------------------------------------------------

    def produce(self, topic, values, config):
        """Each record goes to a partition by its number; what became of each."""
        told = []

        def report(error, message):
            told.append((message.value(), outcome(error) if error else (message.partition(), message.offset())))

        producer = Producer({**self.config, **QUICK, "message.timeout.ms": WAIT * 1000, **config})
        for number, value in enumerate(values):
            producer.produce(self.actor.physical(topic), value.encode(), f"key {number}".encode(), number % 2,
                             on_delivery=report, timestamp=self.actor.now, headers=[("header", b"value")])
        assert producer.flush(WAIT) == 0
        # Without acknowledgements there are no offsets: the next reader sees what is there.
        return sorted(told, key=repr) if config.get("acks") != "0" else len(told)

    def transaction(self, name, topic, values, group, commit):
        """A whole transaction, with a group's offset in it."""
        told, physical = [], self.actor.physical(topic)
        # A topic that is not there is waited for.
        patience = WAIT if settle.shown(self.actor, physical) else 1
        producer = Producer({**self.config, **QUICK, "transactional.id": self.actor.physical(name),
                             "transaction.timeout.ms": 60000, "message.timeout.ms": patience * 1000})
        consumer = Consumer({**self.config, **QUICK, "group.id": self.actor.physical(group)})
        try:
            producer.init_transactions(WAIT)
            producer.begin_transaction()
            for value in values:
                producer.produce(physical, value.encode(), partition=0, timestamp=self.actor.now,
                                 on_delivery=lambda error, _: told.append(outcome(error) if error else "written"))
            producer.flush(WAIT)
            producer.send_offsets_to_transaction([TopicPartition(physical, 0, len(values))],
                                                 consumer.consumer_group_metadata(), WAIT)
            (producer.commit_transaction if commit else producer.abort_transaction)(WAIT)
            settle.until(lambda: settle.stable(self.actor, physical, 0))
            self._committed(group, physical)
        finally:
            consumer.close()
        return told

    def _committed(self, group, physical):
        name = self.actor.physical(group)
        self.actor.commits.setdefault(name, set()).add(physical)
        settle.until(lambda: settle.committed(self.actor, name, physical, True) is not None)

    def _consumer(self, group, **more):
        return Consumer({**self.config, **QUICK, "group.id": self.actor.physical(group), "enable.auto.commit": False,
                         "enable.partition.eof": True, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 20,
                         "session.timeout.ms": 10000, **more})

    def _read(self, consumer, partitions, seconds=WAIT):
        """Records until the end of so many partitions, or the error that comes instead."""
        found, ends, deadline = [], set(), time.monotonic() + seconds
        while len(ends) < partitions and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error() is None:
                found.append((message.partition(), message.offset(), message.key(), message.value(), message.headers(),
                              message.timestamp()[1] == self.actor.now))
            elif message.error().name() == "_PARTITION_EOF":
                ends.add((message.topic(), message.partition()))
            else:
                return found, outcome(message.error())
        return sorted(found), len(ends)

    def assign(self, topic, partition, offset, isolation):
        """Read a partition from an offset to its end, then the same again after a seek. Of a partition that is not
        there nothing comes."""
        consumer, name = self._consumer("unused", **{"isolation.level": isolation}), self.actor.physical(topic)
        seconds = WAIT if settle.shown(self.actor, name) > partition else 1
        try:
            consumer.assign([TopicPartition(name, partition, offset)])
            told = [self._read(consumer, 1, seconds)]
            if told[0][0]:
                consumer.seek(TopicPartition(name, partition, told[0][0][0][1]))
                told.append(self._read(consumer, 1))
            return told
        finally:
            consumer.close()

    def subscribe(self, group, topic):
        """Join, read everything from the group's offset on, commit, leave. A group on a topic that is not there gets
        no partition, and nothing says so: it is not joined."""
        name = self.actor.physical(topic)
        partitions = settle.shown(self.actor, name)
        consumer = self._consumer(group)
        try:
            consumer.subscribe([name])
            told = self._read(consumer, partitions) if partitions else self._read(consumer, 1, 2)
            if told[0]:
                committed = consumer.commit(asynchronous=False)
                told += (sorted((self.actor.virtual(p.topic), p.partition, p.offset) for p in committed),)
                self.actor.commits.setdefault(self.actor.physical(group), set()).add(name)
            return told
        finally:
            consumer.close()

    def offsets(self, topic, partition):
        """Watermarks, offsets by time and by the admin client."""
        where = TopicPartition(self.actor.physical(topic), partition)
        consumer = self._consumer("unused")
        try:
            told = [consumer.get_watermark_offsets(where, timeout=WAIT)]
            told += [(p.offset, p.error and outcome(p.error)) for p in consumer.offsets_for_times(
                [TopicPartition(where.topic, partition, self.actor.now)], timeout=WAIT)]
        finally:
            consumer.close()
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.max_timestamp()):
            told += [answer if isinstance(answer, str) else answer.offset
                     for answer in self._all(self.admin.list_offsets({where: spec})).values()]
        return told

    def delete_records(self, topic, offset):
        where = TopicPartition(self.actor.physical(topic), 0, offset)
        return {name: told if isinstance(told, str) else told.low_watermark
                for name, told in self._all(self.admin.delete_records([where])).items()}

    # -- groups --------------------------------------------------------------------------------------

    def list_groups(self):
        told = self.admin.list_consumer_groups().result(WAIT)
        return sorted((self.actor.virtual(g.group_id), g.state.name, g.is_simple_consumer_group) for g in told.valid
                      if self.actor.owns(g.group_id)), len(told.errors)

    def describe_group(self, group):
        return {name: told if isinstance(told, str) else (told.state.name, len(told.members), told.partition_assignor)
                for name, told in self._all(
                    self.admin.describe_consumer_groups([self.actor.physical(group)])).items()}

    def delete_group(self, group):
        return self._all(self.admin.delete_consumer_groups([self.actor.physical(group)]))

    def _partitions(self, told):
        return told if isinstance(told, str) else sorted(
            (self.actor.virtual(p.topic), p.partition, p.offset, p.metadata, p.error and outcome(p.error))
            for p in told.topic_partitions)

    def group_offsets(self, group):
        wanted = ConsumerGroupTopicPartitions(self.actor.physical(group))
        return {name: self._partitions(told) for name, told in self._all(
            self.admin.list_consumer_group_offsets([wanted])).items()}

    def alter_group_offsets(self, group, topic, offset):
        name = self.actor.physical(topic)
        wanted = ConsumerGroupTopicPartitions(self.actor.physical(group), [TopicPartition(name, 0, offset)])
        self.actor.commits.setdefault(self.actor.physical(group), set()).add(name)
        return {key: self._partitions(told) for key, told in self._all(
            self.admin.alter_consumer_group_offsets([wanted])).items()}


# -- scripts ------------------------------------------------------------------------------------------

VALUES = st.lists(st.sampled_from(["a", "b", "c" * 500]), min_size=1, max_size=6).map(tuple)
SETTINGS = st.sampled_from([
    {"acks": "all"}, {"acks": "1", "linger.ms": 0}, {"acks": "0"}, {"enable.idempotence": True},
    *({"compression.type": codec, "linger.ms": 20} for codec in ("gzip", "snappy", "lz4", "zstd"))])
CALLS = {
    "create": {"topic": TOPICS, "partitions": st.sampled_from([2, 1, 3, 20001]), "config": st.sampled_from(
        [{}, {}, {"max.message.bytes": "300"}, {"cleanup.policy": "compact"}, {"retention.ms": "soon"}])},
    "delete": {"topic": TOPICS}, "more_partitions": {"topic": TOPICS, "partitions": st.sampled_from([1, 3, 4])},
    "list_topics": {}, "describe_configs": {"topic": TOPICS}, "alter_configs": {"topic": TOPICS, "key": st.sampled_from(
        ["retention.ms", "no.such.key"]), "value": st.sampled_from(["3600000", "7200000", "soon"])},
    "produce": {"topic": TOPICS, "values": VALUES, "config": SETTINGS},
    "transaction": {"name": TRANSACTIONS, "topic": st.just("t0"), "values": VALUES, "group": GROUPS,
                    "commit": st.booleans()},
    "assign": {"topic": TOPICS, "partition": st.sampled_from([0, 1]), "offset": st.sampled_from(
        [OFFSET_BEGINNING, 0, 1, 2]), "isolation": st.sampled_from(["read_committed", "read_uncommitted"])},
    "subscribe": {"group": GROUPS, "topic": TOPICS}, "offsets": {"topic": TOPICS, "partition": st.sampled_from([0, 1, 7])},
    "delete_records": {"topic": TOPICS, "offset": st.sampled_from([0, 1, 2, 100])},
    "list_groups": {}, "describe_group": {"group": GROUPS}, "delete_group": {"group": GROUPS},
    "group_offsets": {"group": GROUPS}, "alter_group_offsets": {"group": GROUPS, "topic": TOPICS, "offset":
                                                                st.sampled_from([0, 1, 5])},
}


def _call(what):
    return st.fixed_dictionaries({name: strategy.map(str) if strategy in (TOPICS, GROUPS, TRANSACTIONS) else strategy
                                  for name, strategy in CALLS[what].items()}).map(lambda given: Call(what, given))


_READY = [Call("create", {"topic": "t0", "partitions": 2, "config": {}})]
_WRITTEN = _READY + [Call("produce", {"topic": "t0", "values": ("a", "b", "c"), "config": {"acks": "all"}})]
BEGINNINGS = [[], _READY, _WRITTEN, _WRITTEN + [Call("subscribe", {"group": "g0", "topic": "t0"})]]


def call_scripts(steps):
    """A strategy of scripts of calls: a beginning and up to `steps` more."""
    return st.builds(lambda beginning, more: beginning + more, st.sampled_from(BEGINNINGS),
                     st.lists(st.one_of([_call(what) for what in CALLS]), min_size=1, max_size=steps))
