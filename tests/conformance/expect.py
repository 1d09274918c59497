# SPDX-License-Identifier: Apache-2.0
"""What should become of a message, from a reading of its own.

rule_of() says which rule a field has: by its path (SPECIAL), else by Kafka's entityType, else by its name (BY_NAME). What no
line here names must go through unchanged. The rules themselves are the methods rule_NAME of Expectation. Written from
Kafka's definitions and the reference pages, not from src/kafka/meaning.def: where the two differ, one of them is wrong.
"""
import re

from codec import UNKNOWN, Codec, Frames, Malformed

TOPIC, GROUP = 2, 32  # config resource types
NO_CLIENT_HOST = "/0.0.0.0"
OMITTED = -(1 << 31)
STRING_MAX = 32767

# MESSAGE.PATH: rule. "gone" is for a tagged field that must not pass at all.
SPECIAL = {
    "ProduceRequest.Acks": "pass",
    "ProduceResponse.NodeEndpoints": "gone",
    "FetchRequest.ClusterId": "gone",
    "FetchRequest.ReplicaState": "gone",
    "FetchRequest.RackId": "pass",  # the client's own: lets a broker name a nearer replica
    "FetchRequest.Topics.Partitions.ReplicaDirectoryId": "gone",
    "FetchRequest.Topics.Partitions.HighWatermark": "gone",
    "ConsumerProtocolSubscription.Topics": "topic",
    "ProduceRequest.TopicData.PartitionData.Records": "batch",
    "MetadataRequest.AllowAutoTopicCreation": "creation",
    "JoinGroupRequest.Protocols.Metadata": "subscription",
    "JoinGroupResponse.Members.Metadata": "subscription",
    "SyncGroupRequest.Assignments.Assignment": "assignment",
    "SyncGroupResponse.Assignment": "assignment",
    "DescribeGroupsResponse.Groups.Members.MemberMetadata": "subscription",
    "DescribeGroupsResponse.Groups.Members.MemberAssignment": "assignment",
    "FetchRequest.MaxBytes": "fetch_bytes",
    "FetchRequest.Topics.Partitions.PartitionMaxBytes": "fetch_bytes",
    "RequestHeader.ClientId": "client_id",
    "FetchRequest.SessionId": "zero",
    "FetchRequest.SessionEpoch": "minus_one",
    "FetchResponse.SessionId": "zero",
    "FetchResponse.NodeEndpoints": "gone",
    "FetchResponse.Responses.Partitions.DivergingEpoch.Epoch": "minus_one",
    "FetchResponse.Responses.Partitions.SnapshotId.Epoch": "minus_one",
    "FindCoordinatorRequest.Key": "name",
    "FindCoordinatorRequest.CoordinatorKeys": "name",
    "FindCoordinatorRequest.KeyType": "coordinator_type",
    "FindCoordinatorResponse.NodeId": "coordinator",
    "FindCoordinatorResponse.Coordinators.NodeId": "coordinator",
    "FindCoordinatorResponse.Coordinators.Key": "coordinator_key",
    "DeleteTopicsResponse.Responses.Name": "topic",
    "DescribeGroupsResponse.Groups.Members.ClientHost": "client_host",
    "MetadataResponse.ControllerId": "node",
    "ListTransactionsRequest.TransactionalIdPattern": "pattern",
    "ListConfigResourcesRequest.ResourceTypes": "listed_types",
    "ListConfigResourcesResponse.ConfigResources.ResourceName": "listed_name",
    "DescribeTopicPartitionsResponse.NextCursor.TopicName": "next_topic",
    "DescribeLogDirsResponse.Results.LogDir": "log_dir",
    "DescribeLogDirsResponse.Results.TotalBytes": "minus_one",
    "DescribeLogDirsResponse.Results.UsableBytes": "minus_one",
    "DescribeLogDirsResponse.Results.IsCordoned": "false",
}

# Requests in which a null array (or an empty one: before that version) means everything there is: MESSAGE: (array, version from which
# null does, the topic's name in an element, its partition numbers).
MEANS_ALL = {
    "MetadataRequest": ("Topics", 1, "Name", None),
    "DescribeLogDirsRequest": ("Topics", 0, "Topic", "Partitions"),
    "ElectLeadersRequest": ("TopicPartitions", 0, "Topic", "Partitions"),
    "ListPartitionReassignmentsRequest": ("Topics", 0, "Name", "PartitionIndexes"),
    "DescribeTopicPartitionsRequest": ("Topics", 1 << 15, "Name", None),
}
UNKNOWN_TOPIC, INVALID_TOPIC, ELECTION_NOT_NEEDED = 3, 17, 84
# Answers to such requests, once they name topics: what a topic that has gone meanwhile, or a partition that needs nothing,
# brought into them. MESSAGE: (array, inner array or None, error codes).
NOT_OF_ALL = {
    "MetadataResponse": ("Topics", None, (UNKNOWN_TOPIC, INVALID_TOPIC)),
    "DescribeTopicPartitionsResponse": ("Topics", None, (UNKNOWN_TOPIC, INVALID_TOPIC)),
    "ElectLeadersResponse": ("ReplicaElectionResults", "PartitionResult", (UNKNOWN_TOPIC, ELECTION_NOT_NEEDED)),
}

# Topics of Kafka itself.
INTERNAL = ("__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata")
# Requests that change the topics that they name: what a read-only alias forbids.
CHANGES = ("ProduceRequest", "AddPartitionsToTxnRequest", "CreateTopicsRequest", "DeleteTopicsRequest", "DeleteRecordsRequest",
           "CreatePartitionsRequest", "AlterConfigsRequest", "IncrementalAlterConfigsRequest", "ElectLeadersRequest")
DENIED, NOT_OURS, NO_SUCH_TOPIC = 29, 31, 3
LEGAL = re.compile(r"[a-zA-Z0-9._-]+")

# Configs whose values name something of the cluster: PARTITION:BROKER lists, a topic.
THROTTLED = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")
DEAD_LETTERS = "errors.deadletterqueue.topic.name"
PAIRS = re.compile(r"( *\d{1,10}:\d{1,10} *(,|$))+")

# Kafka's entityType: rule.
BY_ENTITY = {"topicName": "topic", "groupId": "name", "transactionalId": "name", "producerId": "pass", "brokerId": "node"}

# (pattern over MESSAGE.PATH, type or None, rule): the first that fits.
BY_NAME = [
    (r"\.CurrentLeader\.LeaderId$", "int32", "minus_one"),
    (r"Request\..*\bReplicaId$|Request\.ReplicaId$", "int32", "minus_one"),
    (r"Response\.(.*\.)?Brokers\.(NodeId|BrokerId)$", "int32", "broker"),
    (r"\.(Current|Committed)?LeaderEpoch$|\.LastFetchedEpoch$", "int32", "minus_one"),
    (r"\.TopicId$", "uuid", "zero_id"),
    (r"\.(Configs|Synonyms)\.Value$", "string", "config_value"),
    (r"Response\.(.*\.)?\w*ErrorCode$", "int16", "code"),
    (r"Response\.ThrottleTimeMs$", "int32", "throttle"),
    (r"Configs(Request|Response)\.(Resources|Results|Responses)\.ResourceType$", "int8", "resource_type"),
    (r"Response\..*ErrorMessage$", "string", "text"),
    (r"Response\.(.*\.)?(Brokers|Coordinators)\.Host$|FindCoordinatorResponse\.Host$", "string", "host"),
    (r"Response\.(.*\.)?(Brokers|Coordinators)\.Port$|FindCoordinatorResponse\.Port$", "int32", "port"),
    (r"Response\.(.*\.)?Rack$", "string", "null"),
    (r"Response\.ClusterId$", "string", "cluster_id"),
    (r"Response\..*AuthorizedOperations$", "int32", "operations"),
    (r"Response\..*\.IsInternal$", "bool", "false"),
    (r"Configs(Request|Response)\.(Resources|Results|Responses)\.ResourceName$", "string", "resource_name"),
]


def rule_of(message, field):
    """The rule of a field, by name; "pass" where there is none."""
    path = f"{message.name}.{field.path}"
    if path in SPECIAL:
        return SPECIAL[path]
    for pattern, kind, rule in BY_NAME:
        if field.type == kind and re.search(pattern, path):
            return rule
    if field.entity in BY_ENTITY:
        return BY_ENTITY[field.entity]
    return "pass"


BATCH_HEADER = 61  # bytes of a record batch before its records


class Refused(Exception):
    """The message must not go through."""


class Drop(Exception):
    """What the value belongs to must vanish: the array's element, or the innermost struct in an array."""


class Marked:
    """Equal to a name that no topic can have, and that the virtual name can be read from: what is refused goes out so, and
    comes back to be told. In a stream it must be as long as the name with the prefix would be."""

    def __init__(self, facts, name, any_length=False):
        self.name, self.length = name, None if any_length else len(facts.prefix) + len(name)

    def __eq__(self, other):
        return (isinstance(other, str) and other.endswith(self.name) and not LEGAL.match(other[:1])
                and len(other) == (self.length or len(other)))

    def __repr__(self):
        return f"{self.name!r} as a name that cannot be"


class Embedded:
    """Equal to bytes that hold this message behind this version, and this behind it."""

    def __init__(self, codec, version, value, tail):
        self.codec, self.version, self.value, self.tail = codec, version, value, tail

    def __eq__(self, other):
        if not isinstance(other, bytes) or other[:2] != self.version:
            return False
        try:
            value, end = self.codec.read(other, 2)
        except Malformed:
            return False
        return value == self.value and other[end:] == self.tail

    def __repr__(self):
        return f"{self.version!r} {self.value} {self.tail!r}"


class Nobody:
    """Equal to a list of one topic that no cluster can have: where an empty list would mean all."""

    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        return isinstance(other, list) and len(other) == 1 and not re.fullmatch(r"[a-zA-Z0-9._-]+", other[0][self.name])

    def __repr__(self):
        return "a topic that cannot be"


class Nullify(Exception):
    """Null must stand for the struct that the value is in."""


class Confined:
    """Equal to any pattern that matches just the tenant's own ids among those that the tenant's pattern matches. Compared by
    trying: Python's expressions are near enough to RE2J's."""

    def __init__(self, prefix, pattern):
        self.prefix, self.pattern = prefix, pattern

    def __eq__(self, other):
        if not isinstance(other, str):
            return False
        wanted, got = (re.compile(self._plain(p)) for p in (self.pattern or "(?s:.*)", other))
        for text in ("", "a", "b", "ab", "abc", "orders-1", "orders-2", "x.y", "(", "|", "ORDERS-1", "a\nb", "tx", "]"):
            if bool(got.fullmatch(self.prefix + text)) != bool(wanted.fullmatch(text)):
                return False
            if any(got.fullmatch(foreign + text) for foreign in (self.prefix[:-1] + "B", "", "x" + self.prefix)):
                return False
        return True

    def __repr__(self):
        return f"{self.pattern!r} behind {self.prefix}"

    @staticmethod
    def _plain(pattern):
        """Without what Python does not know: \\Q...\\E, classes by name, flags that begin inside."""
        pattern = pattern.replace("[:alpha:]", "a-zA-Z").replace("(?:(?i)", "(?i:")
        return re.sub(r"\\Q(.*?)(?:\\E|$)", lambda m: re.escape(m[1]), pattern, flags=re.S)


class Scope:
    """What a value's neighbours say: the struct around it, and those around that."""

    __slots__ = ("value", "above", "error")

    def __init__(self, value, above, error=None):
        self.value, self.above = value, above
        self.error = error if error is not None else above.error if above else None

    def find(self, name, default):
        """The nearest value of that name, outwards."""
        scope = self
        while scope is not None:
            if name in scope.value:
                return scope.value[name]
            scope = scope.above
        return default


def learn_producer_id(messages, rewriter):
    """A producer id that the gateway gives the tenant."""
    frames = {kind: Frames(messages, messages["InitProducerId" + kind], 4) for kind in ("Request", "Response")}
    header = {"RequestApiKey": 22, "RequestApiVersion": 4, "CorrelationId": 1, "ClientId": None}
    body = {"TransactionalId": None, "TransactionTimeoutMs": 1, "ProducerId": -1, "ProducerEpoch": -1}
    _, out = rewriter("local", 22, 4, frames["Request"].encode({"header": header, "body": body}))
    return frames["Response"].decode(out[4:])["body"]["ProducerId"]


def learn_marks(facts, messages, rewriter):
    """What refused names begin with, learned from requests: {head: (the error that the tenant is to see, or None: the broker's;
    the config resource's type that it stands for, or None)}."""
    def heads(api, key, version, body, array, name, tenant):
        frames = Frames(messages, messages[api + "Request"], version)
        header = {"RequestApiKey": key, "RequestApiVersion": version, "CorrelationId": 1, "ClientId": None}
        _, out = rewriter("request", key, version, frames.encode({"header": header, "body": body}), tenant=tenant)
        return [e[name] for e in frames.decode(out[4:])["body"][array]]

    metadata = {"Topics": [{"Name": name} for name in (".", INTERNAL[0])]}
    illegal, unknown = heads("Metadata", 3, 1, metadata, "Topics", "Name", 0)
    read_only = next(topic for topic, (_, is_read_only) in facts.aliases.items() if is_read_only)
    more = {"Topics": [{"Name": read_only, "Count": 2, "Assignments": None}], "TimeoutMs": 1, "ValidateOnly": False}
    denied = heads("CreatePartitions", 37, 0, more, "Topics", "Name", 1)[0]
    marks = {illegal[:-1]: (None, None), unknown[:-len(INTERNAL[0])]: (NO_SUCH_TOPIC, None),
             denied[:-len(read_only)]: (DENIED, None)}
    for kind in (4, 8, 16, 0, 99, -1):
        resources = [{"ResourceType": kind, "ResourceName": "x", "ConfigurationKeys": None}]
        name = heads("DescribeConfigs", 32, 1, {"Resources": resources, "IncludeSynonyms": False}, "Resources", "ResourceName", 0)[0]
        marks[name[:-1]] = NOT_OURS, kind
    return marks


class Expectation:
    """One message at one version. resized says why a stream cannot do the same: its size is promised."""

    def __init__(self, facts, messages, message, version):
        self.facts, self.messages, self.version, self.message = facts, messages, version, message
        self.embedded = {}
        self.is_request = message.kind == "request"
        self.resized = []
        self.log_dirs = 0
        self.aliases, self.has_named_alias, self.must_exist = {}, False, None
        self.plan = self._plan(message, message.fields)

    def __call__(self, value, own=None, tenant=0):
        """The message as it should come out; Refused. own: the tenant's topics, looked up for this request, as (physical name,
        number of partitions); in an answer: not None where its request was expanded so. tenant: see rewriter.c."""
        self.resized = []
        self.log_dirs = 0
        self.aliases = self.facts.aliases if tenant & 1 else {}
        self.by_physical = {physical: topic for topic, (physical, _) in self.aliases.items()}
        self.has_named_alias, self.is_consumer = False, bool(tenant & 4)
        self.has_limits, self.must_not_create = bool(tenant & 8), bool(tenant & 16)
        # Looked up for a Metadata that names topics: so that it makes none.
        self.must_exist = {name for name, _ in own} if own is not None and self.message.name == "MetadataRequest" else None
        try:
            if own is None:
                out = self._struct(self.plan, value, None)
                if self.has_named_alias and "MaxBytes" in out:
                    out["MaxBytes"] = min(out["MaxBytes"], self.facts.whole)
                if self.aliases and self.is_request and len(value.get("TopicData", "")) > 1:
                    self.resized.append("more topics than one, of which some could be aliases")
                return out
            if not self.is_request:
                return self._struct(self.plan, self._without_own_doing(value), None)
            return self._expanded(value, self._struct(self.plan, value, None), own)
        except Drop:
            raise Refused("something foreign, and no element to leave out") from None

    def _expanded(self, value, out, own):
        """Own topics in place of all."""
        array, null_since, name, partitions = MEANS_ALL.get(self.message.name, (None, 0, None, None))
        if array is None or value[array] is not None and (self.version >= null_since or value[array]):
            return out
        element = {"TopicId": bytes(16)} if array == "Topics" and self.version >= 10 else {}
        out[array] = [{**element, name: topic, **({partitions: list(range(count))} if partitions else {})}
                      for topic, count in own]
        if not own and self.version < null_since:
            out[array] = Nobody(name)
        if "AllowAutoTopicCreation" in out:
            out["AllowAutoTopicCreation"] = False
        return out

    def _without_own_doing(self, value):
        """The answer without what only the expansion brought into it."""
        array, inner, codes = NOT_OF_ALL.get(self.message.name, (None, None, ()))
        if array is None:
            return value
        if inner is None:
            return {**value, array: [e for e in value[array] if e["ErrorCode"] not in codes]}
        kept = [{**e, inner: [i for i in e[inner] if i["ErrorCode"] not in codes]} for e in value[array]]
        return {**value, array: [e for e, was in zip(kept, value[array]) if e[inner] or not was[inner]]}

    def _plan(self, message, fields):
        """[(name, field, rule or None, plan of the struct or None, is tagged)], only what has something to do."""
        plan = []
        for field in fields:
            if self.version not in field.versions:
                continue
            rule = rule_of(message, field)
            inner = None
            if rule == "gone":
                assert self.version in field.tagged, field.path
            elif field.fields is not None:
                inner = self._plan(message, field.fields)
            if rule != "pass" or inner is not None:
                plan.append((field.name, field, None if rule == "pass" else getattr(self, f"rule_{rule}"), inner))
        return plan

    def _struct(self, plan, value, above, is_element=False):
        out = dict(value)
        if out.pop(UNKNOWN, None):
            self.resized.append("an unknown tag")
        scope, drop = Scope(value, above, self._refused_error(plan, value) if is_element else None), None
        for name, field, rule, inner in plan:
            if value.get(name) is None and (name not in value or rule is None):
                continue
            try:
                if rule == self.rule_gone:
                    del out[name]
                    self.resized.append(f"the tag {name}")
                elif rule == self.rule_listed_types:
                    out[name] = rule(value[name], field, scope)
                elif field.is_array:
                    out[name] = self._array(field, rule, inner, value[name], scope)
                elif inner is not None:
                    out[name] = self._struct(inner, value[name], scope)
                else:
                    out[name] = rule(value[name], field, scope)
            except Nullify:
                if inner is None:
                    raise
                out[name] = None
            except Drop as found:
                drop = found  # go on: something further on may have to be refused
        if drop is not None:
            raise drop
        return out

    def _array(self, field, rule, inner, items, scope):
        if items is None:
            return None
        kept = []
        for item in items:
            try:
                kept.append(self._struct(inner, item, scope, True) if inner is not None else rule(item, field, scope))
            except Drop:
                self.resized.append(f"an element of {field.path}")
        return kept

    # -- the rules: value in, value out, or Drop, or Refused

    def rule_gone(self, value, field, scope):
        raise AssertionError("seen to in _struct()")

    def rule_name(self, value, field, scope):
        """A group or transactional id, or a key that is one of them."""
        if value is None:
            return None
        size = len(value.encode("utf-8", "surrogateescape"))
        if self.is_request:
            if size + len(self.facts.prefix) > STRING_MAX:
                raise Refused("too long a name")
            return self.facts.prefix + value
        if not value.startswith(self.facts.prefix):
            raise Drop
        return value[len(self.facts.prefix):]

    def _refused_error(self, plan, value):
        """The error of an element of an answer whose name came back to be refused, or None."""
        for name, field, rule, _ in plan:
            if self.is_request or field.is_array or not value.get(name):
                continue
            if rule == self.rule_topic:
                return self._owner(value[name])[1]
            if rule == self.rule_resource_name and value["ResourceType"] == TOPIC:
                return self._owner(value[name])[1]
        return None

    def _owner(self, name):
        """(virtual name, error that it is refused with or None, config resource type or None) of a physical name; Drop."""
        for head, (error, kind) in self.facts.marks.items():
            if name.startswith(head):
                return name[len(head):], error, kind
        prefix = self.facts.prefix
        if name.startswith(prefix):
            own = name[len(prefix):]
            if own == "" or own in INTERNAL or own in self.aliases:
                raise Drop
            return own, None, None
        if name in self.by_physical:
            self.resized.append("an alias")
            return self.by_physical[name], None, None
        raise Drop

    def rule_topic(self, value, field, scope):
        """By its alias or the prefix, or refused."""
        if value is None:
            return None
        if not self.is_request:
            own, _, kind = self._owner(value)
            if kind is not None:
                raise Drop
            return own
        if len(value.encode("utf-8", "surrogateescape")) + len(self.facts.prefix) > STRING_MAX:
            raise Refused("too long a name")
        physical, is_read_only = self.aliases.get(value, (None, False))
        is_denied = physical is not None and value in self.facts.contested and self.message.name == "AddPartitionsToTxnRequest"
        if is_denied or is_read_only and self.message.name in CHANGES:
            return Marked(self.facts, value)
        if physical is None and value in ("", ".", "..", *INTERNAL):
            return Marked(self.facts, value)
        known = physical or self.facts.prefix + value
        if self.must_exist is not None and known not in self.must_exist:
            return Marked(self.facts, value)
        self.has_named_alias |= physical is not None
        return known

    def rule_resource_type(self, value, field, scope):
        """Of a resource that tenants have none of, a topic that cannot be is asked for."""
        if self.is_request:
            return value if value in (TOPIC, GROUP) else TOPIC
        if value == TOPIC:
            for head, (_, kind) in self.facts.marks.items():
                if kind is not None and scope.value["ResourceName"].startswith(head):
                    return kind
        return value

    def rule_resource_name(self, value, field, scope):
        kind = scope.value["ResourceType"]
        if kind == GROUP:
            return self.rule_name(value, field, scope)
        if kind == TOPIC:
            return self._owner(value)[0] if not self.is_request else self.rule_topic(value, field, scope)
        if self.is_request:
            return Marked(self.facts, value, any_length=True)
        raise Drop

    def rule_subscription(self, value, field, scope):
        return self._embedded_value("ConsumerProtocolSubscription", value, scope)

    def rule_assignment(self, value, field, scope):
        return self._embedded_value("ConsumerProtocolAssignment", value, scope)

    def _embedded_value(self, name, value, scope):
        """Bytes of consumers hold names; those of other groups, and what is not readable, are their own affair."""
        kind = scope.find("ProtocolType", None)
        if not (kind == "consumer" if kind is not None else self.is_consumer) or value is None or len(value) < 2:
            return value
        version = int.from_bytes(value[:2], "big", signed=True)
        message = self.messages[name]
        if version < 0:
            return value
        version = min(version, message.versions.until)  # of a newer one the rest follows
        if (name, version) not in self.embedded:
            inner = Expectation(self.facts, self.messages, message, version)
            inner.is_request = self.is_request
            self.embedded[name, version] = inner, Codec(message, version)
        inner, codec = self.embedded[name, version]
        try:
            held, end = codec.read(value, 2)
        except Malformed:
            return value
        inner.aliases, inner.by_physical = self.aliases, self.by_physical
        return Embedded(codec, value[:2], inner._struct(inner.plan, held, None), value[end:])

    def rule_config_value(self, value, field, scope):
        """Brokers by number and topics by name; what cannot be read is hidden in answers."""
        name = scope.value["Name"]
        if not value or name != DEAD_LETTERS and (name not in THROTTLED or value == "*"):
            return value
        hidden = None if self.version in field.nullable else ""
        if name == DEAD_LETTERS:
            try:
                return self.rule_topic(value, field, scope)
            except Drop:
                return hidden
        pairs = [pair.strip(" ").split(":") for pair in value.split(",")]
        if not PAIRS.fullmatch(value) or value.endswith(",") or any(int(n) >= 1 << 31 for pair in pairs for n in pair):
            return value if self.is_request else hidden
        if self.is_request:
            return ",".join(f"{int(p)}:{self.facts.broker_of.get(int(b), -1 - int(b))}" for p, b in pairs)
        return ",".join(f"{int(p)}:{self.facts.vnode_of[int(b)]}" for p, b in pairs if int(b) in self.facts.vnode_of)

    def rule_code(self, value, field, scope):
        return value if scope.error is None else scope.error

    def rule_fetch_bytes(self, value, field, scope):
        """With limits no fetch brings more at once than they allow. (Of an alias see __call__(), too: topics come later.)"""
        return min(value, self.facts.fetch) if self.has_limits else value

    def rule_creation(self, value, field, scope):
        return value and not self.must_not_create

    def rule_batch(self, value, field, scope):
        """A batch with a producer id of another tenant could break that one's producer, in a topic that both write to; and
        one of a transaction could join that one's."""
        name = scope.above.value["Name"]
        if value is None or len(value) < BATCH_HEADER or name not in self.aliases or name not in self.facts.contested:
            return value
        producer = int.from_bytes(value[43:51], "big", signed=True)
        is_transactional = value[22] & 0x10
        if value[16] == 2 and (is_transactional or producer >= 0 and producer != self.facts.producer_id):
            raise Refused("somebody else's producer id")
        return value

    def rule_throttle(self, value, field, scope):
        return max(value, self.facts.throttle) if self.has_limits else value

    def rule_client_id(self, value, field, scope):
        """__admin_client has rights."""
        return "-" + value[1:] if value is not None and value.startswith("__") else value

    def rule_listed_types(self, value, field, scope):
        """None means all: topics and groups, as do those that are asked for of them."""
        return [kind for kind in value if kind in (TOPIC, GROUP)] or [TOPIC, GROUP]

    def rule_listed_name(self, value, field, scope):
        """Version 0 lists client metrics only."""
        kind = scope.value.get("ResourceType", 16)
        if kind == GROUP:
            return self.rule_name(value, field, scope)
        if kind == TOPIC:
            return self.rule_topic(value, field, scope)
        raise Drop

    def rule_next_topic(self, value, field, scope):
        """A page of other tenants' topics is none."""
        try:
            return self.rule_topic(value, field, scope)
        except Drop:
            raise Nullify from None

    def rule_pattern(self, value, field, scope):
        """None means all of the tenant's own, and so does an empty one."""
        return Confined(self.facts.prefix, value)

    def rule_coordinator_key(self, value, field, scope):
        return value if value == "" else self.rule_name(value, field, scope)

    def rule_coordinator_type(self, value, field, scope):
        if value not in (0, 1):
            raise Refused("a coordinator of neither groups nor transactions")
        return value

    def rule_node(self, value, field, scope):
        """A broker's id; negative is nobody. An unknown one is nobody, too, and not in a list at all."""
        if value < 0:
            return value
        if self.is_request:
            return self.facts.broker_of.get(value, -1 - value)
        if value not in self.facts.vnode_of and field.is_array:
            raise Drop
        return self.facts.vnode_of.get(value, -1)

    def rule_broker(self, value, field, scope):
        if self.is_request:
            return self.rule_node(value, field, scope)
        if value >= 0 and value not in self.facts.vnode_of:
            raise Drop
        return self.facts.vnode_of.get(value, -1)

    def rule_coordinator(self, value, field, scope):
        """An unknown one is the first vnode, which says that it is none."""
        return -1 if value < 0 else self.facts.vnode_of.get(value, 0)

    def _vnode_beside(self, scope):
        """Of the struct that a host or port stands in."""
        for name in ("NodeId", "BrokerId"):
            if name in scope.value:
                value = scope.value[name]
                return -1 if value < 0 else self.facts.vnode_of.get(value, 0)
        raise AssertionError("a host of nobody")

    def rule_host(self, value, field, scope):
        return self.facts.host if self._vnode_beside(scope) >= 0 else ""

    def rule_port(self, value, field, scope):
        vnode = self._vnode_beside(scope)
        return self.facts.port + vnode if vnode >= 0 else -1

    def rule_minus_one(self, value, field, scope):
        return -1

    def rule_zero(self, value, field, scope):
        return 0

    def rule_zero_id(self, value, field, scope):
        return bytes(16)

    def rule_false(self, value, field, scope):
        return False

    def rule_operations(self, value, field, scope):
        return OMITTED

    def rule_null(self, value, field, scope):
        return None if value is None or self.version in field.nullable else ""

    def rule_cluster_id(self, value, field, scope):
        return self.facts.cluster

    def rule_client_host(self, value, field, scope):
        return NO_CLIENT_HOST

    def rule_log_dir(self, value, field, scope):
        """A path of a broker: told apart by their number."""
        self.log_dirs += 1
        return f"log-dir-{self.log_dirs - 1}"

    def rule_text(self, value, field, scope):
        """The gateway's own sentence of the error code beside it."""
        if not value:
            return value
        self.resized.append("a text")
        return self.facts.error_text(scope.find("ErrorCode", 0) if scope.error is None else scope.error)
