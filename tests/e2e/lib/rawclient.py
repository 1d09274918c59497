# SPDX-License-Identifier: Apache-2.0
"""A client that can send any frame of any API and version, and takes nothing on trust.

Messages are plain Python values (tests/conformance/codec.py, which reads Kafka's own definitions): a test writes the
fields that it is about, complete() the others. Speaks to a gateway (with a login) and to a broker alike.

    with RawClient(gateway.address, ("sa", token)) as client:
        client.call(METADATA, 5, {"Topics": [{"Name": "users"}]})["Topics"]
"""

import os
import struct
import sys

from . import wire
from .process import TREE

sys.path.insert(0, os.path.join(TREE, "tests", "conformance"))

import codec  # noqa: E402  (needs the path above)
import definitions  # noqa: E402

RELEASE = "4.4.0"
UNKNOWN = codec.UNKNOWN

(PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT,
 LEAVE_GROUP, SYNC_GROUP, DESCRIBE_GROUPS, LIST_GROUPS) = (0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16)
API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS = 18, 19, 20, 21
INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH = 22, 23
ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT = 24, 25, 26, 28
DESCRIBE_ACLS, CREATE_ACLS, DELETE_ACLS, DESCRIBE_CONFIGS, ALTER_CONFIGS, DESCRIBE_LOG_DIRS = 29, 30, 31, 32, 33, 35
CREATE_PARTITIONS, DELETE_GROUPS, ELECT_LEADERS, INCREMENTAL_ALTER_CONFIGS = 37, 42, 43, 44
ALTER_PARTITION_REASSIGNMENTS, LIST_PARTITION_REASSIGNMENTS, OFFSET_DELETE = 45, 46, 47
DESCRIBE_CLUSTER, DESCRIBE_PRODUCERS, DESCRIBE_TRANSACTIONS, LIST_TRANSACTIONS = 60, 61, 65, 66
LIST_CONFIG_RESOURCES, DESCRIBE_TOPIC_PARTITIONS = 74, 75

# Numbers that are not 0 when nobody says anything.
USUAL = {**dict.fromkeys((
    "CurrentLeaderEpoch", "LastFetchedEpoch", "CommittedLeaderEpoch", "LeaderEpoch", "ReplicaId", "GenerationId",
    "GenerationIdOrMemberEpoch", "MemberEpoch", "LogStartOffset", "NumPartitions", "ReplicationFactor", "SessionEpoch",
    "RetentionTimeMs", "ProducerId", "ProducerEpoch", "DurationFilter"), -1),
    "Acks": -1, "MaxBytes": 1 << 20, "PartitionMaxBytes": 1 << 20, "MaxWaitMs": 200, "MinBytes": 1, "TimeoutMs": 10000,
    "timeoutMs": 10000, "TransactionTimeoutMs": 60000, "SessionTimeoutMs": 10000, "RebalanceTimeoutMs": 10000,
    "EndpointType": 1, "ClientSoftwareName": "raw", "ClientSoftwareVersion": "1", "ResponsePartitionLimit": 2000}

_messages = {}
_apis = {}
_frames = {}


def messages():
    """{name: Message} of Kafka's definitions."""
    if not _messages:
        _messages.update(definitions.messages_of(RELEASE))
        for message in _messages.values():
            if message.key is not None and message.kind in ("request", "response"):
                _apis[message.key, message.kind] = message
    return _messages


def api(key, kind="request"):
    """The definition of an API's request or response; None where Kafka has none any more."""
    messages()
    return _apis.get((key, kind))


def frames(key, version, kind):
    if (key, version, kind) not in _frames:
        _frames[key, version, kind] = codec.Frames(messages(), api(key, kind), version)
    return _frames[key, version, kind]


def _blank(field, version):
    if field.is_array:
        return []
    if field.name in USUAL:
        return USUAL[field.name]
    if version in field.nullable:
        return None
    if field.fields is not None:
        return complete(field.fields, version, {})
    return {"string": "", "bytes": b"", "records": b"", "uuid": bytes(16), "bool": False}.get(field.type, 0)


def complete(fields, version, value):
    """`value` (a dict) with every field that a message has at this version; what is tagged only where it is given."""
    full = {UNKNOWN: value[UNKNOWN]} if UNKNOWN in value else {}
    names = {f.name for f in fields}
    assert names.issuperset(k for k in value if k != UNKNOWN), f"{set(value) - names} are no fields of {names}"
    for field in fields:
        if version not in field.versions or (version in field.tagged and field.name not in value):
            continue
        told = value[field.name] if field.name in value else _blank(field, version)
        if field.fields is not None and field.is_array and told is not None:
            told = [complete(field.fields, version, item) for item in told]
        elif field.fields is not None and isinstance(told, dict):
            told = complete(field.fields, version, told)
        full[field.name] = told
    return full


def request(key, version, body=None, correlation=1, client_id="raw", header_tags=None):
    """A request as it goes over the wire, its size first."""
    header = {"RequestApiKey": key, "RequestApiVersion": version, "CorrelationId": correlation, "ClientId": client_id}
    if header_tags:
        header[UNKNOWN] = header_tags
    data = frames(key, version, "request").encode(
        {"header": header, "body": complete(api(key).fields, version, body or {})})
    return struct.pack(">i", len(data)) + data


class RawClient(wire.Raw):
    """One connection. login: (user, token) for a gateway, None for a broker."""

    def __init__(self, address, login=None, timeout=30, client_id="raw"):
        super().__init__(address, timeout)
        self.client_id = client_id
        self.correlation = 100
        if login:
            error, message = self.authenticate(*login)
            assert error == 0, message

    def post(self, key, version, body=None, **options):
        """Sends a request; returns its correlation id."""
        self.correlation += 1
        options.setdefault("client_id", self.client_id)
        self.send(request(key, version, body, correlation=self.correlation, **options))
        return self.correlation

    def take(self, key, version, correlation=None):
        """The next answer's body, which must be to this request and well-formed to its last byte."""
        frame = frames(key, version, "response").decode(self.receive())
        assert frame["header"]["CorrelationId"] == (correlation or self.correlation), "an answer to another request"
        assert UNKNOWN not in frame["header"], frame
        return frame["body"]

    def call(self, key, version, body=None, **options):
        """Sends a request, returns the body of its answer; RawClosed when there is none."""
        return self.take(key, version, self.post(key, version, body, **options))

    def versions(self):
        """{key: (min, max)} as the other side advertises."""
        return {a["ApiKey"]: (a["MinVersion"], a["MaxVersion"]) for a in self.call(API_VERSIONS, 3)["ApiKeys"]}

    def is_served(self):
        """Whether the connection is there and answers."""
        try:
            self.call(METADATA, 4, {"Topics": []})
        except wire.RawClosed:
            return False
        return True


def batch(values, producer_id=-1, epoch=-1, sequence=-1, transactional=False):
    """A record batch of a producer of one's choice."""
    data = bytearray(wire.record_batch(values))
    struct.pack_into(">qhi", data, 43, producer_id, epoch, sequence)
    if transactional:
        struct.pack_into(">h", data, 21, 0x10)
    struct.pack_into(">I", data, 17, wire.crc32c(bytes(data[21:])))
    return bytes(data)


def produce_body(topic, records, partition=0, transactional_id=None):
    """The body of a Produce of one batch."""
    return {"TransactionalId": transactional_id, "TopicData": [
        {"Name": topic, "PartitionData": [{"Index": partition, "Records": records}]}]}


def produced(answer):
    """(error, base offset) of a Produce of one partition."""
    partition = answer["Responses"][0]["PartitionResponses"][0]
    return partition["ErrorCode"], partition["BaseOffset"]


def fetch_body(topic=None, offset=0, partition=0, **more):
    """The body of a Fetch of one partition, or of none."""
    partitions = [{"Partition": partition, "FetchOffset": offset}]
    return {"Topics": [] if topic is None else [{"Topic": topic, "Partitions": partitions}], **more}
