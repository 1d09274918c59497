# SPDX-License-Identifier: Apache-2.0
"""Whoever carries out a script: as a tenant of the gateway, or direct with the names that a tenant's have there."""

import re
import struct
import time

from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription
from lib import wire

from . import asks
from .normal import normal
from .settle import settle

# Names that have no prefix, see scripts.ILLEGAL.
ILLEGAL = (".", "..", "")
# What the names of a script begin with.
SPACE = re.compile(r"[0-9a-f]{4}-")
# Errors that say "not yet": of a coordinator that loads, or that still ends the last transaction.
LATER = {14, 15, 51}
PATIENCE = 10.0  # seconds


class Actor:
    """`prefix` is what stands before each name (nothing for a tenant: the gateway puts it there), `versions`
    {API: (oldest, newest)} of what both sides and the classes here have, `nodes` {id: how it is called in outcomes}."""

    def __init__(self, name, link, prefix, versions, nodes):
        self.name, self.link, self.prefix, self.versions, self.nodes = name, link, prefix, versions, nodes
        self.begin("")

    def begin(self, space, now=0):
        """A new script: nothing of an earlier one is known. `space` keeps the names of scripts apart."""
        self.space, self.now = space, now
        self._numbers, self.producers, self.members, self.sequences = {}, {}, {}, {}
        self.commits, self.open, self.joined, self.seated = {}, {}, set(), set()

    # -- names ---------------------------------------------------------------------------------------

    def physical(self, name):
        """How this one has to call what the script calls `name`."""
        return self.prefix + self.space + name

    def virtual(self, text):
        """The other way, for texts of answers."""
        whole = self.prefix + self.space
        return text[len(whole):] if text.startswith(whole) else text

    def owns(self, name):
        """Whether a name in a list of everything is one that the tenant has. What an earlier script left does not
        count: a group with a member that it forgot is there until that one's session ends."""
        if name in ILLEGAL:
            return True
        rest = name[len(self.prefix):]
        return name.startswith(self.prefix) and (rest.startswith(self.space) or not SPACE.match(rest))

    def number(self, kind, value):
        """Ids that are given out: the first is 'producer 1', and so on, whatever its value."""
        given = self._numbers.setdefault(kind, {})
        return given.setdefault(value, f"{kind} {len(given) + 1}")

    # -- bytes ---------------------------------------------------------------------------------------

    def _consumer_protocol(self, cls, values):
        return bytes(cls(version=0, **values).encode(version=0))

    def subscription(self, topics):
        return self._consumer_protocol(ConsumerProtocolSubscription, {
            "topics": [self.physical(t) for t in topics], "user_data": b"mine"})

    def assignment(self, topics):
        parts = [ConsumerProtocolAssignment.TopicPartition(topic=self.physical(t), partitions=[0]) for t in topics]
        return self._consumer_protocol(ConsumerProtocolAssignment, {"assigned_partitions": parts, "user_data": b""})

    def embedded(self, data):
        """Consumer protocol bytes with the prefix taken out of their strings, whatever they say."""
        whole, found, at = (self.prefix + self.space).encode(), b"", 0
        data = bytes(data)
        while whole and (hit := data.find(whole, at)) >= 2:
            size = struct.unpack_from(">h", data, hit - 2)[0]
            found += data[at:hit - 2] + struct.pack(">h", size - len(whole))
            at = hit + len(whole)
        return found + data[at:]

    def records(self, data):
        """Batches without what was given out by number: (base offset, attributes, producer, sequence, bytes)."""
        found, at = [], 0
        data = bytes(data or b"")
        while at + 61 <= len(data):
            offset, size = struct.unpack_from(">qi", data, at)
            attributes, = struct.unpack_from(">h", data, at + 21)
            producer, _epoch, sequence = struct.unpack_from(">qhi", data, at + 43)
            # A control batch says when the transaction ended, and which epoch of the coordinator ended it.
            body = b"" if attributes & 0x20 else data[at + 57:at + 12 + size]
            found.append((offset, attributes, self.number("producer", producer) if producer >= 0 else -1, sequence, body))
            at += 12 + size
        return found

    def _batch(self, batch):
        producer, epoch = self.producers.get(batch.producer, (-1, -1))
        sequence = -1
        if batch.producer is not None:
            sequence = max(0, self.sequences.get((batch.producer, batch.topic, batch.partition), 0) + batch.shift)
        return wire.record_batch([value.encode() for value in batch.values], self.now, (producer, epoch, sequence),
                                 0x10 if batch.transactional else 0)

    def resolve(self, value):
        """A script's fields with its placeholders filled in."""
        if isinstance(value, dict):
            return {key: self.resolve(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.resolve(each) for each in value]
        if isinstance(value, asks.Name):
            return self.physical(value)
        fill = {asks.ProducerId: lambda v: self.producers.get(v.of, (4711, 0))[0],
                asks.ProducerEpoch: lambda v: self.producers.get(v.of, (4711, 0))[1] + v.ahead,
                asks.Member: lambda v: self.members.get(v.group, ("nobody", 0))[0],
                asks.Generation: lambda v: self.members.get(v.group, ("nobody", 0))[1] + v.ahead,
                asks.Subscription: lambda v: self.subscription(v.topics),
                asks.Assignment: lambda v: self.assignment(v.topics),
                asks.Batch: self._batch}.get(type(value))
        return fill(value) if fill else value

    # -- requests ------------------------------------------------------------------------------------

    def version(self, api, back=0):
        """The version that a step is sent in."""
        oldest, newest = self.versions[api]
        return max(oldest, newest - back)

    def plain(self, api, fields, back=0):
        """One request with physical names, asked again while the answer is "not yet"."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.link.ask(api, self.version(api, back), fields)
            if not LATER & errors(answer) or time.monotonic() > deadline:
                return answer
            time.sleep(0.01)

    def run(self, step):
        """Carries out one step; returns what came of it, normalised."""
        # Before version 5 it does not say of what kind the group is: the gateway lets a member that it has not seen
        # join on this connection join anew, instead of passing on bytes that could name anything.
        newest = step.api == "SyncGroup" and step.fields["group_id"] not in self.seated
        try:
            answer = self.plain(step.api, self.resolve(step.fields), 0 if newest else step.back)
            if answer is None:
                # Nothing says what became of it, but the next answer comes after it, and a refused one ends it all.
                self.plain("Metadata", {"topics": []})
        except wire.RawClosed:
            self.seated.clear()
            return "the connection was closed"
        told = normal(answer, step.api, self)
        settle(self, step, answer)
        return told

    def finish(self):
        """Ends what would hold others up: open transactions and memberships."""
        for transaction in list(self.open):
            self.run(end_of(transaction))
        for group, member in self.joined:
            self.plain("LeaveGroup", {"group_id": self.physical(group), "member_id": member, "members": [
                {"member_id": member, "group_instance_id": None, "reason": None}]})


def end_of(transaction, committed=False, back=0, ahead=0):
    """EndTxn."""
    return asks.Ask("EndTxn", {
        "transactional_id": asks.Name(transaction), "producer_id": asks.ProducerId(transaction),
        "producer_epoch": asks.ProducerEpoch(transaction, ahead), "committed": committed}, back)


def errors(answer):
    """Every error code in an answer."""
    if isinstance(answer, list):
        return set().union(*map(errors, answer))
    if not isinstance(answer, dict):
        return set()
    found = {value for key, value in answer.items() if key.endswith("error_code")}
    return found.union(*map(errors, answer.values()))
