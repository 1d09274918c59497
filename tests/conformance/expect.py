# SPDX-License-Identifier: Apache-2.0
"""What should become of a message, from a reading of its own.

rule_of() says which rule a field has: by its path (SPECIAL), else by Kafka's entityType, else by its name (BY_NAME). What no
line here names must go through unchanged. The rules themselves are the methods rule_NAME of Expectation. Written from
Kafka's definitions and the reference pages, not from src/kafka/meaning.def: where the two differ, one of them is wrong.
"""
import re

from codec import UNKNOWN

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

# Kafka's entityType: rule.
BY_ENTITY = {"topicName": "topic", "groupId": "name", "transactionalId": "name", "producerId": "pass", "brokerId": "node"}

# (pattern over MESSAGE.PATH, type or None, rule): the first that fits.
BY_NAME = [
    (r"\.CurrentLeader\.LeaderId$", "int32", "minus_one"),
    (r"Request\..*\bReplicaId$|Request\.ReplicaId$", "int32", "minus_one"),
    (r"Response\.(.*\.)?Brokers\.(NodeId|BrokerId)$", "int32", "broker"),
    (r"\.(Current|Committed)?LeaderEpoch$|\.LastFetchedEpoch$", "int32", "minus_one"),
    (r"\.TopicId$", "uuid", "zero_id"),
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


class Refused(Exception):
    """The message must not go through."""


class Drop(Exception):
    """What the value belongs to must vanish: the array's element, or the innermost struct in an array."""


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

    __slots__ = ("value", "above", "fields")

    def __init__(self, value, above):
        self.value, self.above = value, above

    def find(self, name, default):
        """The nearest value of that name, outwards."""
        scope = self
        while scope is not None:
            if name in scope.value:
                return scope.value[name]
            scope = scope.above
        return default


class Expectation:
    """One message at one version. resized says why a stream cannot do the same: its size is promised."""

    def __init__(self, facts, message, version):
        self.facts, self.version = facts, version
        self.is_request = message.kind == "request"
        self.resized = []
        self.log_dirs = 0
        self.plan = self._plan(message, message.fields)

    def __call__(self, value):
        """The message as it should come out; Refused."""
        self.resized = []
        self.log_dirs = 0
        try:
            return self._struct(self.plan, value, None)
        except Drop:
            raise Refused("something foreign, and no element to leave out") from None

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

    def _struct(self, plan, value, above):
        out = dict(value)
        if out.pop(UNKNOWN, None):
            self.resized.append("an unknown tag")
        scope, drop = Scope(value, above), None
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
                kept.append(self._struct(inner, item, scope) if inner is not None else rule(item, field, scope))
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

    def rule_topic(self, value, field, scope):
        """As above, but "" and the names of dots are no topic's, with a prefix neither."""
        if self.is_request and value in ("", ".", ".."):
            self.resized.append("not a topic's name")
            return value
        if not self.is_request and value == self.facts.prefix:
            raise Drop
        return self.rule_name(value, field, scope)

    def rule_resource_name(self, value, field, scope):
        kind = scope.value["ResourceType"]
        if kind not in (TOPIC, GROUP):
            raise Drop
        return (self.rule_topic if kind == TOPIC else self.rule_name)(value, field, scope)

    def rule_listed_types(self, value, field, scope):
        """None means all: topics and groups, as do those that are asked for of them."""
        return [kind for kind in value if kind in (TOPIC, GROUP)] or [TOPIC, GROUP]

    def rule_listed_name(self, value, field, scope):
        """Version 0 lists client metrics only."""
        return self.rule_resource_name(value, field, Scope({"ResourceType": 16, **scope.value}, scope.above))

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
        return self.facts.error_text(scope.find("ErrorCode", 0))
