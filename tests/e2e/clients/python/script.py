# SPDX-License-Identifier: Apache-2.0
"""The steps of CONTRACT.md for a Python library, which gives its calls as a Library.

Must not: know any library.  A step is a method of Script named after it; run() goes through all of them in order.
"""

import json
import os
import sys
import time
import traceback
import zlib

SETTLE = 10
PRODUCE = {
    "produce-acks-0": {"acks": 0}, "produce-acks-1": {"acks": 1}, "produce-acks-all": {"acks": "all"},
    "produce-none": {"compression": "none"}, "produce-gzip": {"compression": "gzip"},
    "produce-snappy": {"compression": "snappy"}, "produce-lz4": {"compression": "lz4"},
    "produce-zstd": {"compression": "zstd"}, "produce-idempotent": {"idempotent": True},
}
STEPS = ("versions", "create", "create-again", "list", "describe", "describe-config", "alter-config",
         "describe-config-after", "create-partitions", *PRODUCE, "produce-transactional", "consume-assign",
         "consume-group", "committed", "lag", "seek", "consume-group-two", "list-groups", "describe-group",
         "delete-group", "error-unknown-topic", "error-too-large", "error-illegal-name", "denied", "delete-topic",
         "list-after")
RETRIABLE = {"UNKNOWN_TOPIC_OR_PARTITION", "NOT_LEADER_OR_FOLLOWER", "COORDINATOR_NOT_AVAILABLE",
             "COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR", "NON_EMPTY_GROUP", "CONCURRENT_TRANSACTIONS"}

# Kafka's numbers of errors, for libraries with names of their own.
NAMES = {3: "UNKNOWN_TOPIC_OR_PARTITION", 6: "NOT_LEADER_OR_FOLLOWER", 10: "MESSAGE_TOO_LARGE",
         14: "COORDINATOR_LOAD_IN_PROGRESS", 15: "COORDINATOR_NOT_AVAILABLE", 16: "NOT_COORDINATOR",
         17: "INVALID_TOPIC_EXCEPTION", 29: "TOPIC_AUTHORIZATION_FAILED", 36: "TOPIC_ALREADY_EXISTS",
         51: "CONCURRENT_TRANSACTIONS", 68: "NON_EMPTY_GROUP"}


class KafkaError(Exception):
    """An error that the cluster answered; `name` as Kafka spells it."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


def by_number(code):
    """The exception for one of Kafka's numbers."""
    return KafkaError(NAMES.get(code, f"error {code}"))


class Library:
    """What a library has to bring. Errors that the cluster answered are raised as KafkaError."""

    unsupported = {}  # step: why

    def __init__(self, bootstrap, user, token):
        self.bootstrap, self.user, self.token = bootstrap, user, token

    def versions(self):
        """Contact the cluster; the library's own version."""
        raise NotImplementedError

    def keywords(self, **more):
        """Address and login as kafka-python and aiokafka call them."""
        conf = {"bootstrap_servers": self.bootstrap.split(","), **more}
        if self.token:
            conf.update(security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_plain_username=self.user,
                        sasl_plain_password=self.token)
        return conf

    def create(self, topic, partitions):
        """Create a topic with one replica."""
        raise NotImplementedError

    def topics(self):
        """All topics that can be seen."""
        raise NotImplementedError

    def describe(self, topic):
        """(partitions that have a leader, replicas of the first)."""
        raise NotImplementedError

    def config(self, topic, key):
        """One value of the topic's configuration."""
        raise NotImplementedError

    def alter_config(self, topic, key, value):
        """Change it."""
        raise NotImplementedError

    def grow(self, topic, partitions):
        """Raise the number of partitions."""
        raise NotImplementedError

    def produce(self, topic, records, acks="all", compression="none", idempotent=False, limit=None):
        """Send [(partition, value)], wait, close; returns how many were sent. limit: largest request."""
        raise NotImplementedError

    def transactions(self, topic, transactional_id, batches):
        """[(values, commit?)], each in a transaction of its own, by one producer."""
        raise NotImplementedError

    def reader(self, topic, partitions, committed_only=False):
        """A Member with the partitions assigned, from the beginning."""
        raise NotImplementedError

    def member(self, topic, group):
        """A Member of a group, subscribed, from the beginning, without automatic commits."""
        raise NotImplementedError

    def ends(self, topic, partitions):
        """{partition: end offset}."""
        raise NotImplementedError

    def committed(self, topic, group, partitions):
        """{partition: committed offset or None}."""
        raise NotImplementedError

    def groups(self):
        """All groups that can be seen."""
        raise NotImplementedError

    def describe_group(self, group):
        """(state, number of members, topics of the assignments or None)."""
        raise NotImplementedError

    def delete_groups(self, groups):
        """Delete them."""
        raise NotImplementedError

    def unknown_topic(self, topic):
        """Ask for a topic that does not exist."""
        self.describe(topic)

    def delete(self, topics):
        """Delete topics."""
        raise NotImplementedError

    def close(self):
        """Close what is open."""


class Member:
    """An open consumer."""

    def poll(self, seconds):
        """[(partition, offset, value)] that came."""
        raise NotImplementedError

    def owned(self):
        """The partitions that it has now, a set."""
        raise NotImplementedError

    def seek(self, partition, offset):
        """Go on from there."""
        raise NotImplementedError

    def commit(self):
        """Commit what was polled."""
        raise NotImplementedError

    def close(self):
        """Leave the group, close."""
        raise NotImplementedError


def total(values):
    """The SUM of the contract."""
    crc = 0
    for value in sorted(values):
        crc = zlib.crc32(value + b"\n", crc)
    return {"count": len(values), "checksum": f"{crc:08x}"}


def settle(call, wanted=None, seconds=SETTLE):
    """Call until the result is as wanted (None: until it is no retriable error); the last result."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            result = call()
        except KafkaError as fault:
            if fault.name not in RETRIABLE or time.monotonic() > deadline:
                raise
        else:
            if wanted is None or result == wanted or time.monotonic() > deadline:
                return result
        time.sleep(0.1)


def poll_until(members, done, seconds=40):
    """Poll the members in turn until done(); TimeoutError after that time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done after {seconds} s")
        for member in members:
            yield from member.poll(0.2)


class Script:
    """The steps, in the environment of the contract."""

    def __init__(self, library):
        env = os.environ
        self.run_word, self.prefix = env["RUN"], env["PREFIX"]
        self.readonly = env.get("READONLY")
        self.library = library(env["BOOTSTRAP"], env.get("SASL_USER"), env.get("SASL_TOKEN"))
        self.main, self.group, self.two = self.name("main"), self.name("group"), self.name("two")
        self.has_txn = False

    def name(self, what):
        """The name of one of the run's things."""
        return f"{self.prefix}{self.run_word}-{what}"

    def clean(self, thing):
        """Without prefix and run word, wherever they stand in it."""
        if isinstance(thing, str):
            return (thing.replace(self.prefix, "") if self.prefix else thing).replace(self.run_word, "RUN")
        if isinstance(thing, (list, tuple)):
            return [self.clean(part) for part in thing]
        if isinstance(thing, dict):
            return {key: self.clean(part) for key, part in thing.items()}
        return thing

    def mine(self, names):
        """Those of this run, sorted."""
        return sorted(self.clean(name) for name in names if self.run_word in name)

    def run(self):
        """All steps, a line each."""
        for step in STEPS:
            if step == "denied" and not self.readonly:
                continue
            line = {"step": step}
            if step in self.library.unsupported:
                line["unsupported"] = self.library.unsupported[step]
            else:
                line["outcome"] = self.clean(self.attempt(step))
            print(json.dumps(line), flush=True)
        self.library.close()

    def attempt(self, step):
        """The outcome of one step."""
        began = time.monotonic()
        try:
            if step in PRODUCE:
                return self.produce(step)
            return getattr(self, step.replace("-", "_"))()
        except KafkaError as fault:
            return fault.name
        except Exception as fault:  # pylint: disable=broad-except
            traceback.print_exc()
            return f"failed: {type(fault).__name__}: {fault}"
        finally:
            print(f"{step}: {time.monotonic() - began:.2f} s", file=sys.stderr)

    # -- topics ----------------------------------------------------------------------------------

    def versions(self):
        return self.library.versions()

    def create(self):
        self.library.create(self.main, 3)
        return "ok"

    def create_again(self):
        return self.create()

    def list(self):
        return settle(lambda: self.mine(self.library.topics()), ["RUN-main"])

    def describe(self):
        partitions, replicas = settle(lambda: self.library.describe(self.main), (3, 1))
        return {"partitions": partitions, "replicas": replicas}

    def describe_config(self):
        return settle(lambda: self.library.config(self.main, "retention.ms"), "604800000")

    def alter_config(self):
        settle(lambda: self.library.alter_config(self.main, "retention.ms", "123456789"))
        return "ok"

    def describe_config_after(self):
        return settle(lambda: self.library.config(self.main, "retention.ms"), "123456789")

    def create_partitions(self):
        settle(lambda: self.library.grow(self.main, 4))
        led = settle(lambda: self.library.describe(self.main), (4, 1))[0]
        time.sleep(1)  # for the brokers that were not asked
        return led

    # -- producing -------------------------------------------------------------------------------

    def produce(self, step):
        records = [(i % 4, f"{step}-{i:04}".encode()) for i in range(20)]
        return self.library.produce(self.main, records, **PRODUCE[step])

    def produce_transactional(self):
        topic = self.name("txn")
        self.library.create(topic, 1)
        self.has_txn = True
        settle(lambda: self.library.describe(topic), (1, 1))
        self.library.transactions(topic, self.name("tid"), [
            ([f"{word}-{i:04}".encode() for i in range(count)], commit)
            for word, count, commit in (("committed", 10, True), ("aborted", 10, False), ("last", 1, True))])
        reader, values = self.library.reader(topic, [0], committed_only=True), []
        try:
            for _, _, value in poll_until([reader], lambda: b"last-0000" in values):
                values.append(value)
        finally:
            reader.close()
        return {word: sum(v.startswith(word.encode()) for v in values) for word in ("committed", "aborted")}

    # -- consuming -------------------------------------------------------------------------------

    def read_to_end(self, member, ends, skip=0):
        """Everything up to the end offsets: [(partition, offset, value)] in the order in which it came."""
        found, at = [], {partition: 0 for partition in ends}
        if skip:
            at = {partition: skip for partition in ends}

        def done():
            return all(at[partition] >= end for partition, end in ends.items())

        for partition, offset, value in poll_until([member], done):
            found.append((partition, offset, value))
            at[partition] = max(at[partition], offset + 1)
        return found

    def ends(self):
        return self.library.ends(self.main, range(4))

    def consume_assign(self):
        reader = self.library.reader(self.main, range(4))
        try:
            return total({value for _, _, value in self.read_to_end(reader, self.ends())})
        finally:
            reader.close()

    def consume_group(self):
        member = self.library.member(self.main, self.group)
        try:
            found = self.read_to_end(member, self.ends())
            member.commit()
            return total({value for _, _, value in found})
        finally:
            member.close()

    def committed(self):
        return sum(offset or 0 for offset in self.library.committed(self.main, self.group, range(4)).values())

    def lag(self):
        return sum(self.ends().values()) - self.committed()

    def seek(self):
        reader = self.library.reader(self.main, [0])
        try:
            reader.seek(0, 3)
            found = self.read_to_end(reader, {0: self.ends()[0]}, skip=3)
            return {"first": found[0][2].decode(), "count": len(found)}
        finally:
            reader.close()

    def consume_group_two(self):
        members = [self.library.member(self.main, self.two)]
        values, ends = {}, sum(self.ends().values())
        try:
            for partition, offset, value in poll_until(members, lambda: len(members[0].owned()) == 4):
                values[partition, offset] = value
            members.append(self.library.member(self.main, self.two))

            def done():
                shares = [len(member.owned()) for member in members]
                return min(shares) > 0 and sum(shares) == 4 and len(values) >= ends

            for partition, offset, value in poll_until(members, done):
                values[partition, offset] = value
            shares = [member.owned() for member in members]
            return {"members": sum(bool(share) for share in shares), "partitions": sorted(p for s in shares for p in s),
                    **total(set(values.values()))}
        finally:
            for member in members:
                member.close()

    # -- groups ----------------------------------------------------------------------------------

    def list_groups(self):
        wanted = [name for step, name in (("consume-group", "RUN-group"), ("consume-group-two", "RUN-two"))
                  if step not in self.library.unsupported]
        return settle(lambda: self.mine(self.library.groups()), wanted)

    def describe_group(self):
        member = self.library.member(self.main, self.group)
        try:
            for _ in poll_until([member], lambda: len(member.owned()) == 4):
                pass
            state, members, topics = settle(lambda: self.library.describe_group(self.group))
            return {"state": state, "members": members, "topics": None if topics is None else sorted(topics)}
        finally:
            member.close()

    def delete_group(self):
        settle(lambda: self.library.delete_groups([self.group]))
        settle(lambda: self.library.delete_groups([self.two]))
        return "ok"

    # -- errors, the end -------------------------------------------------------------------------

    def error_unknown_topic(self):
        return self.library.unknown_topic(self.name("none")) or "no error"

    def error_too_large(self):
        return self.library.produce(self.main, [(0, b"x" * 1500000)], limit=4000000)

    def error_illegal_name(self):
        self.library.create(f"{self.prefix}{self.run_word} a b", 1)
        return "no error"

    def denied(self):
        return self.library.produce(self.readonly, [(0, b"not for me")])

    def delete_topic(self):
        topics = [self.main] + ([self.name("txn")] if self.has_txn else [])
        self.library.delete(topics)
        return "ok"

    def list_after(self):
        return settle(lambda: self.mine(self.library.topics()), [])
