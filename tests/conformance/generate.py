# SPDX-License-Identifier: Apache-2.0
"""Messages at random: each nullable null, each array empty, of one and of many, tags known and unknown, there and not there,
names of the tenant's own, of another's, of nobody's.

The shape of a message can be forced (SHAPES); the first frames of a version are, so that every shape of every field has been.
Tally says what has not.
"""
import random

from codec import UNKNOWN, Codec, encode_embedded
from expect import DEAD_LETTERS, THROTTLED, rule_of

SHAPES = ("bare", "one", "many", "tags")
TEXTS = ("", "a", "orders", "payments.eu_1-x", "žluťoučký kůň", "日本語", "x" * 126, "y" * 127, "z" * 128, "n" * 249, "w" * 300)
EDGES = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}
# Regular expressions: such as can stand behind a prefix, and such as need not.
PATTERNS = ("", "a", "a.*", ".*", "orders-[0-9]+", "a|b|orders-.", "(a|b)c?", "^a.*$", "^orders-1$", "\\Qx.y\\E", "\\Q(\\E|\\Q|", "[]a]",
            "[^]a|(]+", "a\\|b", "\\(", "(?i:orders)-1", "(?i)orders-1", "[[:alpha:]]+", "x\\.y", "a{1,2}b*", "^$")
ANCHORED = ("^a|b$", "(^a)", "a$|b", "\\bab", "\\Aa", "a)|(b", "a)|.*|(?:b", ")", "(?:a)$\\z", "\\Qa\\E)|.*(")
CONFIGS = (*THROTTLED, DEAD_LETTERS, "retention.ms", "")
REPLICAS = ("0:1,1:2", "*", "", "0:3", "1:7, 2:99", " 0:1 ,1:3", "0:1,", "0:", ":1", "junk", "0:1;1:2", "0:2147483647", "0:2147483648",
            "00000000001:1", "007:0002", "0:1,1:x", "3:3 ", "0:-1", ",".join(f"{i}:{i % 4}" for i in range(3000)))
# Fields whose value decides what others mean: (name, type): values.
WORDS = {
    ("ErrorCode", "int16"): (0, 0, 3, 17, 29, 36, 84, -1, 107, 32000),
    ("ResourceType", "int8"): (2, 2, 2, 2, 32, 4, 8, 16, 0, 99),
    ("ResourceTypes", "int8"): (2, 2, 32, 32, 4, 8, 16, 0, 99, -1),
    ("TransactionalIdPattern", "string"): PATTERNS + ANCHORED,
    ("ClientId", "string"): ("", "rdkafka", "__admin_client", "__", "_", "-_x", "žluťoučký", "__admin_client", "c" * 128),
    ("KeyType", "int8"): (0, 0, 0, 0, 1, 1, 1, 0, 2, 77),
    ("ProtocolType", "string"): ("consumer", "consumer", "consumer", "connect", "", "mine"),
    ("EndpointType", "int8"): (1, 1, 2, 3),
    ("Mechanism", "string"): ("PLAIN", "PLAIN", "SCRAM-SHA-256", ""),
    ("ClientSoftwareName", "string"): ("apache-kafka-java", "x", "", "no spaces", "-x"),
    ("ClientSoftwareVersion", "string"): ("4.3.1", "1", "", "1_0"),
}
# Bytes that hold a message of their own.
EMBEDDED = {
    "JoinGroupRequest.Protocols.Metadata": "ConsumerProtocolSubscription",
    "JoinGroupResponse.Members.Metadata": "ConsumerProtocolSubscription",
    "SyncGroupRequest.Assignments.Assignment": "ConsumerProtocolAssignment",
    "SyncGroupResponse.Assignment": "ConsumerProtocolAssignment",
    "DescribeGroupsResponse.Groups.Members.MemberMetadata": "ConsumerProtocolSubscription",
    "DescribeGroupsResponse.Groups.Members.MemberAssignment": "ConsumerProtocolAssignment",
}
NAMES = ("name", "topic", "resource_name", "coordinator_key", "listed_name", "next_topic")
NODES = ("node", "broker", "coordinator")
UNKNOWN_TAGS = (0, 1, 2, 3, 5, 77, 127, 128, 20000)


class Tally:
    """Which shapes each field of a message had."""

    def __init__(self):
        self.seen = {}

    def add(self, path, what):
        self.seen.setdefault(path, set()).add(what)

    def missing(self, path, wanted):
        return [f"{path}: never {what}" for what in wanted if what not in self.seen.get(path, ())]


class Generator:
    """Messages of one definition at one version."""

    def __init__(self, facts, messages, message, version):
        self.facts, self.messages, self.message, self.version = facts, messages, message, version
        self.is_flexible = version in message.flexible
        self.is_response = message.kind == "response"
        self.tally = Tally()
        self.random = random.Random(0)
        self.shape = None
        self.embedded = {}  # generators of what stands in bytes fields
        self.make = self._struct(message.fields, "")

    def __call__(self, rng, shape=None):
        """A message; shape: one of SHAPES, or None for anything."""
        self.random, self.shape = rng, shape
        return self.make(0)

    def missing(self):
        """Shapes that no message has had."""
        found = []
        self._missing(self.message.fields, found)
        return found

    def _missing(self, fields, found):
        for field in fields:
            if self.version not in field.versions:
                continue
            if self.version in field.tagged:
                found += self.tally.missing(field.path, ("with tag", "without tag"))
            if self.version in field.nullable:
                found += self.tally.missing(field.path, ("null", "not null"))
            if field.is_array:
                found += self.tally.missing(field.path, ("empty", "of one", "of many"))
            if field.fields is not None:
                self._missing(field.fields, found)
        if self.is_flexible and fields is self.message.fields:
            found += self.tally.missing("", ("unknown tag", "no unknown tag"))

    # -- shapes

    def _struct(self, fields, path):
        inline = [(f, self._field(f)) for f in fields if self.version in f.versions and self.version not in f.tagged]
        tagged = [(f, self._field(f)) for f in fields if self.version in f.versions and self.version in f.tagged]
        unknown = [t for t in UNKNOWN_TAGS if t not in {f.tag for f, _ in tagged}]

        def make(depth):
            value = {field.name: make_field(depth) for field, make_field in inline}
            for field, make_field in tagged:
                there = self._chance(0.5, bare=False, one=True, many=True, tags=True)
                self.tally.add(field.path, "with tag" if there else "without tag")
                if there:
                    value[field.name] = make_field(depth)
            if self.is_flexible:
                there = self._chance(0.06, bare=False, one=False, many=False, tags=True)
                self.tally.add(path, "unknown tag" if there else "no unknown tag")
                if there:
                    tags = self.random.sample(unknown, self.random.choice((1, 1, 2, 3)))
                    value[UNKNOWN] = {tag: self._bytes(20) for tag in tags}
            return value

        return make

    def _field(self, field):
        if field.fields is not None:
            make = self._struct(field.fields, field.path)
        else:
            leaf = self._leaf(field)

            def make(_depth):
                return leaf()
        if field.is_array:
            make = self._array(field, make)
        if self.version not in field.nullable:
            return make

        def make_nullable(depth):
            is_null = self._chance(0.2, bare=True, one=False, many=False, tags=False)
            self.tally.add(field.path, "null" if is_null else "not null")
            return None if is_null else make(depth)

        return make_nullable

    def _array(self, field, make):
        is_leaf = field.fields is None

        def make_array(depth):
            count = self._count(depth, is_leaf)
            self.tally.add(field.path, ("empty", "of one", "of many")[min(count, 2)])
            return [make(depth + 1) for _ in range(count)]

        return make_array

    def _count(self, depth, is_leaf):
        if self.shape in ("bare", "one"):
            return 0 if self.shape == "bare" else 1
        if self.shape is not None:
            return 2
        if self.random.random() < 0.004 and depth < 2:
            return self.random.choice((126, 127, 128) if is_leaf or depth == 0 else (20, 30))
        return self.random.choices((0, 1, 2, 3, 4), ((15, 30, 30, 15, 10), (15, 45, 30, 10, 0), (30, 50, 20, 0, 0))[min(depth, 2)])[0]

    def _chance(self, probability, **forced):
        return forced[self.shape] if self.shape is not None else self.random.random() < probability

    # -- leaves

    def _leaf(self, field):
        rule = rule_of(self.message, field)
        embedded = EMBEDDED.get(f"{self.message.name}.{field.path}")
        words = WORDS.get((field.name, field.type))
        if rule == "batch":
            return self._batch
        if rule == "config_value":
            return lambda: self.random.choice(REPLICAS) if self.random.random() < 0.7 else self._name()
        if field.path.endswith((".Configs.Name", ".Synonyms.Name")):
            return lambda: self.random.choice(CONFIGS)
        if embedded is not None:
            return lambda: self._embedded(self.messages[embedded])
        if words is not None:
            return lambda: self.random.choice(words)
        if rule in NAMES:
            return self._name
        if rule in NODES:
            nodes = self._nodes()
            return lambda: self.random.choice(nodes)
        if field.type == "string":
            return self._text
        if field.type in ("bytes", "records"):
            return lambda: self._bytes(120)
        if field.type == "uuid":
            return lambda: self.random.randbytes(16)
        if field.type == "bool":
            return lambda: self.random.random() < 0.5
        if field.type == "float64":
            return lambda: self.random.uniform(-1e9, 1e9)
        return self._number(field.type)

    def _number(self, kind):
        if kind.startswith("u"):
            top = (1 << int(kind[4:])) - 1
            edges = (0, 1, top, top >> 1)
            return lambda: self.random.choice(edges)
        bits = EDGES[kind]
        edges = (0, 0, 1, 1, -1, 5, (1 << bits) - 1, -(1 << bits))

        def number():
            at = int(self.random.random() * 12)
            return edges[at] if at < 8 else self.random.randrange(-(1 << bits), 1 << bits)

        return number

    def _nodes(self):
        if self.is_response:
            return [*self.facts.vnode_of, *self.facts.vnode_of, *self.facts.vnode_of, -1, 0, 99, (1 << 31) - 1]
        return [*self.facts.broker_of, *self.facts.broker_of, -1, 99, (1 << 31) - 1]

    def _text(self):
        return self.random.choice(TEXTS) if self.random.random() < 0.4 else f"text-{int(self.random.random() * 1000)}"

    def _name(self):
        """In answers mostly the tenant's own, in questions mostly without any prefix."""
        prefix, at = self.facts.prefix, self.random.random()
        bare = f"name-{int(self.random.random() * 1000)}" if self.random.random() < 0.6 else self.random.choice(TEXTS)
        if at < 0.75:
            return prefix + bare if self.is_response else bare
        if at < 0.85:
            aliases, marks = self.facts.aliases, [head + bare for head in self.facts.marks]
            return self.random.choice([physical for physical, _ in aliases.values()] + marks if self.is_response else [*aliases])
        return self.random.choice((
            prefix + bare, prefix, prefix[:-1] + "B" + bare, prefix[:-1], prefix.lower() + bare, bare + prefix, bare, "", ".", "..",
            "__consumer_offsets", prefix + "__consumer_offsets", prefix + "orders", "__x", "日" + prefix, prefix + "\u00e9", "\udcff" + bare))

    def _bytes(self, most):
        return self.random.randbytes(int(self.random.random() * most)) if self.random.random() < 0.85 else b""

    def _batch(self):
        """A record batch as far as anybody looks at it: magic, attributes, producer id."""
        data = bytearray(self._bytes(200))
        if len(data) > 61 and self.random.random() < 0.8:
            data[16], data[22] = self.random.choice((2, 2, 2, 1)), self.random.choice((0, 0, 0, 0x10))
            own = self.facts.producer_id
            data[43:51] = self.random.choice((-1, own, own, own ^ 1, 1000)).to_bytes(8, "big", signed=True)
        return bytes(data)

    def _embedded(self, message):
        """Consumer protocol bytes of some version, now and then of one that nobody knows, or junk."""
        if self.random.random() < 0.15:
            return self._bytes(40)
        version = self.random.randrange(message.versions.until + 1)
        if (message.name, version) not in self.embedded:
            generator = Generator(self.facts, self.messages, message, version)
            generator.is_response = self.is_response
            self.embedded[message.name, version] = generator, Codec(message, version)
        generator, codec = self.embedded[message.name, version]
        data = encode_embedded(codec, generator(self.random, self.shape))
        if self.random.random() < 0.1:
            data = (9).to_bytes(2, "big") + data[2:] + self._bytes(9)
        return data
