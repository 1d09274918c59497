# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka: the newest librdkafka that installs ready-made."""

import time

import confluent_kafka as ck
from confluent_kafka import admin
from confluent_kafka.error import KafkaException
from script import KafkaError, Library, Member, Script

WAIT = 30
# Names of librdkafka's that are not Kafka's.
NAMES = {"MSG_SIZE_TOO_LARGE": "MESSAGE_TOO_LARGE", "TOPIC_EXCEPTION": "INVALID_TOPIC_EXCEPTION",
         "UNKNOWN_TOPIC_OR_PART": "UNKNOWN_TOPIC_OR_PARTITION", "NOT_LEADER_FOR_PARTITION": "NOT_LEADER_OR_FOLLOWER"}


def translated(error):
    """The exception for an error of librdkafka's: KafkaError where the cluster answered it."""
    if error.code() > 0:
        return KafkaError(NAMES.get(error.name(), error.name()))
    return RuntimeError(f"{error.name()} {error.str()}")


def waited(futures):
    """The results of an admin call, by what it was for."""
    try:
        return {key: future.result(WAIT) for key, future in futures.items()}
    except KafkaException as fault:
        raise translated(fault.args[0]) from None


class ConfluentMember(Member):
    def __init__(self, conf, topic, partitions=None):
        self.topic = topic
        self.consumer = ck.Consumer(conf)
        self.mine = set(partitions or ())
        if partitions is not None:
            self.consumer.assign([ck.TopicPartition(topic, p, 0) for p in partitions])
        else:
            self.consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked)

    def _assigned(self, _, partitions):
        self.mine |= {p.partition for p in partitions}

    def _revoked(self, _, partitions):
        self.mine -= {p.partition for p in partitions}

    def poll(self, seconds):
        found = []
        for message in self.consumer.consume(500, seconds):
            if message.error() is None:
                found.append((message.partition(), message.offset(), message.value()))
            elif not message.error().retriable():
                raise translated(message.error())
        return found

    def owned(self):
        return set(self.mine)

    def seek(self, partition, offset):
        # A seek right after assign() is refused until the fetcher has started: position by the assignment.
        deadline = time.monotonic() + WAIT
        while True:
            try:
                self.consumer.seek(ck.TopicPartition(self.topic, partition, offset))
                return
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def commit(self):
        self.consumer.commit(asynchronous=False)

    def close(self):
        self.consumer.close()


class Confluent(Library):
    def __init__(self, *told):
        super().__init__(*told)
        self.admin = admin.AdminClient(self.conf())

    def conf(self, **more):
        conf = {"bootstrap.servers": self.bootstrap, **{k.replace("_", "."): v for k, v in more.items()}}
        if self.token:
            conf.update({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                         "sasl.username": self.user, "sasl.password": self.token})
        return conf

    def versions(self):
        assert self.admin.describe_cluster(request_timeout=WAIT).result(WAIT).nodes
        return ck.__version__

    def create(self, topic, partitions):
        waited(self.admin.create_topics([admin.NewTopic(topic, partitions, 1)]))

    def topics(self):
        return self.admin.list_topics(timeout=WAIT).topics

    def describe(self, topic):
        try:
            told = waited(self.admin.describe_topics(ck.TopicCollection([topic])))[topic]
        except KafkaException as fault:
            raise translated(fault.args[0]) from None
        return sum(p.leader is not None for p in told.partitions), len(told.partitions[0].replicas)

    def config(self, topic, key):
        resource = admin.ConfigResource(admin.ResourceType.TOPIC, topic)
        return waited(self.admin.describe_configs([resource]))[resource][key].value

    def alter_config(self, topic, key, value):
        entry = admin.ConfigEntry(key, value, incremental_operation=admin.AlterConfigOpType.SET)
        resource = admin.ConfigResource(admin.ResourceType.TOPIC, topic, incremental_configs=[entry])
        waited(self.admin.incremental_alter_configs([resource]))

    def grow(self, topic, partitions):
        waited(self.admin.create_partitions([admin.NewPartitions(topic, partitions)]))

    def produce(self, topic, records, acks="all", compression="none", idempotent=False, limit=None):
        more = {"message_max_bytes": limit} if limit else {}
        producer = ck.Producer(self.conf(acks=acks, compression_type=compression, linger_ms=5,
                                         enable_idempotence=idempotent, message_timeout_ms=WAIT * 1000, **more))
        errors, done = [], []
        for partition, value in records:
            producer.produce(topic, value, partition=partition,
                             on_delivery=lambda error, _: (errors if error else done).append(error))
        producer.flush(WAIT)
        if errors:
            raise translated(errors[0])
        return len(done)

    def transactions(self, topic, transactional_id, batches):
        producer = ck.Producer(self.conf(transactional_id=transactional_id))
        try:
            producer.init_transactions(WAIT)
            for values, commit in batches:
                producer.begin_transaction()
                for value in values:
                    producer.produce(topic, value, partition=0)
                producer.flush(WAIT)
                (producer.commit_transaction if commit else producer.abort_transaction)(WAIT)
        except KafkaException as fault:
            raise translated(fault.args[0]) from None

    def _consumer(self, group, **more):
        return self.conf(group_id=group, enable_auto_commit=False, auto_offset_reset="earliest", **more)

    def reader(self, topic, partitions, committed_only=False):
        level = "read_committed" if committed_only else "read_uncommitted"
        return ConfluentMember(self._consumer("unused", isolation_level=level), topic, list(partitions))

    def member(self, topic, group):
        return ConfluentMember(self._consumer(group), topic)

    def ends(self, topic, partitions):
        wanted = {ck.TopicPartition(topic, p): admin.OffsetSpec.latest() for p in partitions}
        return {p.partition: told.offset for p, told in waited(self.admin.list_offsets(wanted)).items()}

    def committed(self, topic, group, partitions):
        wanted = ck.ConsumerGroupTopicPartitions(group, [ck.TopicPartition(topic, p) for p in partitions])
        told = waited(self.admin.list_consumer_group_offsets([wanted]))[group].topic_partitions
        return {p.partition: p.offset if p.offset >= 0 else None for p in told}

    def groups(self):
        told = self.admin.list_consumer_groups().result(WAIT)
        if told.errors:
            raise translated(told.errors[0].args[0])
        return [group.group_id for group in told.valid]

    def describe_group(self, group):
        told = waited(self.admin.describe_consumer_groups([group]))[group]
        topics = {p.topic for member in told.members for p in member.assignment.topic_partitions}
        return told.state.name.title(), len(told.members), topics

    def delete_groups(self, groups):
        waited(self.admin.delete_consumer_groups(groups))

    def delete(self, topics):
        waited(self.admin.delete_topics(topics))


Script(Confluent).run()
