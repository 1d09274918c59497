# SPDX-License-Identifier: Apache-2.0
"""Kafka frames by hand, right and wrong ones, in the classic (not flexible) encoding and a few flexible ones.

A Frame remembers where its length fields are, so that a test can make each of them lie (mutations()). A Raw is
one TCP connection that sends any bytes and reads whole frames. Errors of the peer are RawClosed.
"""

import socket
import struct
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP = 8, 9, 10, 11
HEARTBEAT, LEAVE_GROUP, SYNC_GROUP, SASL_HANDSHAKE, API_VERSIONS = 12, 13, 14, 17, 18
INIT_PRODUCER_ID, ADD_PARTITIONS_TO_TXN, TXN_OFFSET_COMMIT, SASL_AUTHENTICATE, DESCRIBE_CLUSTER = 22, 24, 28, 36, 60

SASL_AUTHENTICATION_FAILED = 58


def _crc32c_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = (i >> 1) ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    return table


_CRC = _crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def varint(value):
    """Kafka's zigzag varint of records."""
    return uvarint((value << 1) ^ (value >> 63))


def uvarint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def record_batch(values, base_timestamp=None, producer=(-1, -1, -1), attributes=0):
    """A record batch, magic 2, of records with these values (bytes) and no keys; producer: (id, epoch, sequence)."""
    now = int(time.time() * 1000) if base_timestamp is None else base_timestamp
    records = b""
    for i, value in enumerate(values):
        body = b"\0" + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(body)) + body
    tail = struct.pack(">hiqqqhii", attributes, len(values) - 1, now, now, *producer, len(values)) + records
    head = struct.pack(">ibI", -1, 2, crc32c(tail))
    return struct.pack(">qi", 0, len(head) + len(tail)) + head + tail


class Frame:
    """A request under construction; each method appends a field and returns self."""

    def __init__(self, api=None, version=0, correlation=1, client_id="e2e", flexible=False):
        self.data = b""
        self.lengths = []  # (offset, struct format) of every length and count field
        self.api, self.version, self.correlation, self.flexible = api, version, correlation, flexible
        if api is not None:
            self.i16(api).i16(version).i32(correlation).string(client_id)
            if flexible:
                self.tags()

    def _pack(self, form, value):
        self.data += struct.pack(form, value)
        return self

    def i8(self, value):
        return self._pack(">b", value)

    def i16(self, value):
        return self._pack(">h", value)

    def i32(self, value):
        return self._pack(">i", value)

    def i64(self, value):
        return self._pack(">q", value)

    def raw(self, data):
        self.data += data
        return self

    def length16(self, value):
        self.lengths.append((len(self.data), ">h"))
        return self.i16(value)

    def length32(self, value):
        self.lengths.append((len(self.data), ">i"))
        return self.i32(value)

    def compact_length(self, value):
        """Of a compact string or array: one more than the length; a one-byte varint."""
        self.lengths.append((len(self.data), "uvarint"))
        return self.raw(uvarint(value + 1))

    def string(self, text):
        if text is None:
            return self.length16(-1)
        data = text.encode()
        return self.length16(len(data)).raw(data)

    def bytes(self, data):
        return self.length32(-1) if data is None else self.length32(len(data)).raw(data)

    def compact_string(self, text):
        data = text.encode()
        return self.compact_length(len(data)).raw(data)

    def tags(self):
        self.lengths.append((len(self.data), "uvarint0"))
        return self.raw(b"\0")

    def array(self, items, write):
        """write(frame, item) for each."""
        self.length32(len(items))
        for item in items:
            write(self, item)
        return self

    def bytes_on_wire(self):
        return struct.pack(">i", len(self.data)) + self.data

    def mutations(self):
        """(what, bytes on the wire) for each length field made negative, huge, or a little wrong. The frame's own
        length stays right, so the lie is inside."""
        huge = {">h": (-1, -2, -32768, 32767), ">i": (-1, -2, -2147483648, 2147483647, 0x7FFFFF00)}
        for offset, form in self.lengths:
            if form in huge:
                size = struct.calcsize(form)
                own = struct.unpack_from(form, self.data, offset)[0]
                for value in (*huge[form], own + 1, own + 7):
                    yield (f"length at {offset} is {value} instead of {own}",
                           self._with(offset, size, struct.pack(form, value)))
            else:
                for value in (b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80" * 12,
                              b"\x7f"):
                    yield f"varint at {offset} is {value!r}", self._with(offset, 1, value)

    def _with(self, offset, size, new):
        data = self.data[:offset] + new + self.data[offset + size:]
        return struct.pack(">i", len(data)) + data

    def truncations(self):
        """(what, bytes on the wire) of the frame cut after each byte, its length telling the cut size."""
        for size in range(len(self.data)):
            yield f"cut to {size} of {len(self.data)}", struct.pack(">i", size) + self.data[:size]


# -- requests ------------------------------------------------------------------------------------


def api_versions(version=0, correlation=1):
    if version < 3:
        return Frame(API_VERSIONS, version, correlation)
    return (Frame(API_VERSIONS, version, correlation, flexible=True)
            .compact_string("e2e").compact_string("1.0").tags())


def sasl_handshake(mechanism="PLAIN", correlation=1):
    return Frame(SASL_HANDSHAKE, 1, correlation).string(mechanism)


def sasl_authenticate(username, password, version=1, correlation=2, authzid=""):
    token = b"\0".join(x.encode() for x in (authzid, username, password))
    return Frame(SASL_AUTHENTICATE, version, correlation).bytes(token)


def metadata(topics=None, version=1, correlation=1):
    frame = Frame(METADATA, version, correlation)
    if topics is None:
        return frame.length32(-1)
    return frame.array(topics, lambda f, t: f.string(t))


def produce(topic, values, partition=0, acks=-1, version=7, correlation=1, transactional_id=None, records=None):
    batch = record_batch(values) if records is None else records
    return (Frame(PRODUCE, version, correlation).string(transactional_id).i16(acks).i32(10000)
            .array([topic], lambda f, t: f.string(t).array([partition], lambda g, p: g.i32(p).bytes(batch))))


def fetch(topic, offset=0, partition=0, version=4, correlation=1, max_wait=100, max_bytes=1 << 20):
    return (Frame(FETCH, version, correlation).i32(-1).i32(max_wait).i32(1).i32(max_bytes).i8(0)
            .array([topic], lambda f, t: f.string(t).array(
                [partition], lambda g, p: g.i32(p).i64(offset).i32(max_bytes))))


def list_offsets(topic, timestamp=-1, partition=0, version=1, correlation=1):
    return (Frame(LIST_OFFSETS, version, correlation).i32(-1)
            .array([topic], lambda f, t: f.string(t).array([partition], lambda g, p: g.i32(p).i64(timestamp))))


def find_coordinator(key, version=1, correlation=1):
    frame = Frame(FIND_COORDINATOR, version, correlation).string(key)
    return frame.i8(0) if version >= 1 else frame


def subscription(topics, version=0):
    """The consumer protocol's metadata inside JoinGroup."""
    return Frame().i16(version).array(topics, lambda f, t: f.string(t)).bytes(b"").data


def join_group(group, topics=("users",), version=2, correlation=1, member=""):
    return (Frame(JOIN_GROUP, version, correlation).string(group).i32(10000).i32(10000).string(member)
            .string("consumer").array(["range"], lambda f, n: f.string(n).bytes(subscription(list(topics)))))


def sync_group(group, member="m", topics=("users",), version=1, correlation=1):
    assignment = Frame().i16(0).array(list(topics), lambda f, t: f.string(t).array([0], lambda g, p: g.i32(p)))
    return (Frame(SYNC_GROUP, version, correlation).string(group).i32(1).string(member)
            .array([member], lambda f, m: f.string(m).bytes(assignment.bytes(b"").data)))


def heartbeat(group, member="m", version=1, correlation=1):
    return Frame(HEARTBEAT, version, correlation).string(group).i32(1).string(member)


def leave_group(group, member="m", version=1, correlation=1):
    return Frame(LEAVE_GROUP, version, correlation).string(group).string(member)


def offset_commit(group, topic, version=2, correlation=1):
    return (Frame(OFFSET_COMMIT, version, correlation).string(group).i32(-1).string("").i64(-1)
            .array([topic], lambda f, t: f.string(t).array([0], lambda g, p: g.i32(p).i64(5).string("note"))))


def offset_fetch(group, topic, version=1, correlation=1):
    return (Frame(OFFSET_FETCH, version, correlation).string(group)
            .array([topic], lambda f, t: f.string(t).array([0], lambda g, p: g.i32(p))))


def init_producer_id(transactional_id=None, version=1, correlation=1):
    return Frame(INIT_PRODUCER_ID, version, correlation).string(transactional_id).i32(60000)


def add_partitions_to_txn(transactional_id, topic, version=1, correlation=1):
    return (Frame(ADD_PARTITIONS_TO_TXN, version, correlation).string(transactional_id).i64(1).i16(0)
            .array([topic], lambda f, t: f.string(t).array([0], lambda g, p: g.i32(p))))


def txn_offset_commit(transactional_id, group, topic, version=2, correlation=1):
    return (Frame(TXN_OFFSET_COMMIT, version, correlation).string(transactional_id).string(group).i64(1).i16(0)
            .array([topic], lambda f, t: f.string(t).array(
                [0], lambda g, p: g.i32(p).i64(5).i32(-1).string("note"))))


# -- connections ---------------------------------------------------------------------------------


class RawClosed(Exception):
    """The gateway closed the connection."""


class Raw:
    """One connection; timeouts are failures of the test, a closed connection is RawClosed."""

    def __init__(self, address, timeout=30):
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        try:
            self.socket.sendall(data.bytes_on_wire() if isinstance(data, Frame) else data)
        except (BrokenPipeError, ConnectionResetError) as fault:
            raise RawClosed(str(fault)) from None

    def _read(self, size):
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionResetError as fault:
                raise RawClosed(str(fault)) from None
            if not piece:
                raise RawClosed(f"after {len(data)} of {size} bytes")
            data += piece
        return data

    def receive(self):
        """The payload of the next frame."""
        return self._read(struct.unpack(">i", self._read(4))[0])

    def ask(self, frame):
        """Sends a request, returns the Answer; its correlation id must be the request's."""
        self.send(frame)
        answer = Answer(self.receive())
        assert answer.correlation == frame.correlation, "an answer to another request"
        return answer

    def authenticate(self, username, token):
        """SaslHandshake and SaslAuthenticate; returns (error code, message)."""
        assert self.ask(sasl_handshake()).i16() == 0
        answer = self.ask(sasl_authenticate(username, token))
        return answer.i16(), answer.string()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def is_closed(self, timeout=30):
        """Waits for the end of the connection, ignoring what comes before."""
        self.socket.settimeout(timeout)
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Answer:
    """A response, read field by field in the classic encoding."""

    def __init__(self, data):
        self.data, self.at = data, 0
        self.correlation = self.i32()

    def _unpack(self, form):
        value = struct.unpack_from(form, self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def i8(self):
        return self._unpack(">b")

    def i16(self):
        return self._unpack(">h")

    def i32(self):
        return self._unpack(">i")

    def i64(self):
        return self._unpack(">q")

    def string(self):
        size = self.i16()
        return None if size < 0 else self._take(size).decode()

    def bytes(self):
        size = self.i32()
        return None if size < 0 else self._take(size)

    def _take(self, size):
        assert self.at + size <= len(self.data), "the answer is shorter than it says"
        value = self.data[self.at:self.at + size]
        self.at += size
        return value

    def array(self, read):
        return [read() for _ in range(max(0, self.i32()))]

    def left(self):
        return len(self.data) - self.at


def read_metadata(answer):
    """Of a Metadata v1 answer: ({id: (host, port)}, {topic: (error, {partition: leader})})."""
    def node():
        return answer.i32(), (answer.string(), answer.i32(), answer.string())[:2]

    def partition():
        answer.i16()
        number, leader = answer.i32(), answer.i32()
        answer.array(answer.i32)
        answer.array(answer.i32)
        return number, leader

    def topic():
        error, name = answer.i16(), answer.string()
        answer.i8()
        return name, (error, dict(answer.array(partition)))

    nodes = dict(answer.array(node))
    answer.i32()
    return nodes, dict(answer.array(topic))


def read_produce(answer):
    """Of a Produce v3..v7 answer: {topic: {partition: (error, base offset)}}."""
    def partition():
        number, error, offset = answer.i32(), answer.i16(), answer.i64()
        answer.i64()
        return number, (error, offset)

    def partition_with_start():
        value = partition()
        answer.i64()
        return value

    def topic():
        return answer.string(), dict(answer.array(partition_with_start))

    return dict(answer.array(topic))


def login(gateway, vcluster="teamA", user="sa", token=None):
    """An authenticated Raw connection to a lib.gateway.Gateway's first vnode."""
    raw = Raw(gateway.address)
    error, message = raw.authenticate(user, token or gateway.token(vcluster, user))
    assert error == 0, message
    return raw


def leader_connection(gateway, topic, partition=0, token=None, vcluster="teamA", user="sa"):
    """An authenticated connection to the vnode that leads a partition, as Metadata says; creates the topic on the
    sandbox. Returns it."""
    token = token or gateway.token(vcluster, user)
    with login(gateway, vcluster, user, token) as raw:
        deadline = time.monotonic() + 20
        while True:
            nodes, topics = read_metadata(raw.ask(metadata([topic])))
            error, partitions = topics[topic]
            if error == 0 and partitions.get(partition, -1) in nodes:
                break
            assert time.monotonic() < deadline, f"no leader of {topic}: {topics}"
            time.sleep(0.05)
    host, port = nodes[partitions[partition]]
    raw = Raw((host, port))
    error, message = raw.authenticate(user, token)
    assert error == 0, message
    return raw
