# SPDX-License-Identifier: Apache-2.0
"""Frames that no client should send: the gateway answers or closes, stays alive, and serves the others."""

import os
import random
import socket
import struct

import pytest

from lib import wire
from lib.broker import Broker
from lib.gateway import prefix_of
from lib.load import Witness

RAW = True
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "golden")
BEFORE = {
    "api-versions-0": lambda: wire.api_versions(0),
    "api-versions-3": lambda: wire.api_versions(3),
    "sasl-handshake": wire.sasl_handshake,
    "sasl-authenticate": lambda: wire.sasl_authenticate("sa", "token"),
}
AFTER = {
    "metadata": lambda: wire.metadata(["users", "more"]),
    "produce": lambda: wire.produce("users", [b"malformed"]),
    "produce-no-acks": lambda: wire.produce("users", [b"malformed"], acks=0),
    "fetch": lambda: wire.fetch("users"),
    "fetch-11": lambda: (wire.Frame(wire.FETCH, 11, 1).i32(-1).i32(10).i32(1).i32(1000).i8(0).i32(0).i32(-1)
                         .array(["users"], lambda f, t: f.string(t).array(
                             [0], lambda g, p: g.i32(p).i32(-1).i64(0).i64(-1).i32(1000)))
                         .array([], lambda f, t: f).string("")),
    "list-offsets": lambda: wire.list_offsets("users"),
    "find-coordinator": lambda: wire.find_coordinator("group"),
    "join-group": lambda: wire.join_group("group"),
    "sync-group": lambda: wire.sync_group("group"),
    "heartbeat": lambda: wire.heartbeat("group"),
    "leave-group": lambda: wire.leave_group("group"),
    "offset-commit": lambda: wire.offset_commit("group", "users"),
    "offset-fetch": lambda: wire.offset_fetch("group", "users"),
    "init-producer-id": lambda: wire.init_producer_id("tx"),
    "add-partitions-to-txn": lambda: wire.add_partitions_to_txn("tx", "users"),
    "txn-offset-commit": lambda: wire.txn_offset_commit("tx", "group", "users"),
}


@pytest.fixture
def token(gateway):
    return gateway.token("teamA", "sa")


@pytest.fixture
def witness(gateway, sandbox, token):
    """A well-behaved client, which must be served all the time."""
    sandbox.create(gateway.physical("teamA", "users"), 1)
    sandbox.create(gateway.physical("teamA", "more"), 1)
    client = Witness(gateway, token)
    client.start()
    yield client
    client.stop()


def attack(gateway, token, authenticated, what, data, silent=False):
    """Sends the bytes on a connection of their own and takes what comes: an answer, or the end. `silent`: neither
    may come (part of a frame, or a request without an answer), so the client leaves."""
    raw = wire.login(gateway, token=token) if authenticated else wire.Raw(gateway.address)
    with raw:
        raw.socket.settimeout(30)
        try:
            raw.send(data)
            if silent:
                raw.socket.shutdown(socket.SHUT_WR)
                raw.is_closed()
                return
            raw.receive()
        except wire.RawClosed:
            pass
        except TimeoutError:
            raise AssertionError(f"{what}: neither an answer nor the end of the connection") from None


def all_frames():
    return [(name, False, make) for name, make in BEFORE.items()] + [(name, True, make) for name, make in AFTER.items()]


@pytest.mark.parametrize("name,authenticated,make", all_frames(), ids=[f[0] for f in all_frames()])
def test_truncated_at_each_byte(gateway, token, witness, name, authenticated, make):
    for what, data in make().truncations():
        # Cut after acks=0 the frame may look whole: then no answer is due.
        attack(gateway, token, authenticated, f"{name}: {what}", data, silent=name == "produce-no-acks")
    witness.check()
    assert gateway.process.alive()


@pytest.mark.parametrize("name,authenticated,make", all_frames(), ids=[f[0] for f in all_frames()])
def test_cut_off_at_each_byte(gateway, token, witness, name, authenticated, make):
    """The client goes away in the middle of a frame."""
    whole = make().bytes_on_wire()
    for size in range(0, len(whole), 1 if len(whole) < 120 else 3):
        attack(gateway, token, authenticated, name, whole[:size], silent=True)
    witness.check()


@pytest.mark.parametrize("name,authenticated,make", all_frames(), ids=[f[0] for f in all_frames()])
def test_every_length_lies(gateway, token, witness, name, authenticated, make):
    for what, data in make().mutations():
        attack(gateway, token, authenticated, f"{name}: {what}", data, silent=name == "produce-no-acks")
    witness.check()


def golden_frames():
    """[(api, version, frame without its size)]: of each API one request as Kafka's own classes write it, in the newest
    golden version and in the first that is flexible, with two elements in its arrays and with tags."""
    found = []
    for name in sorted(os.listdir(GOLDEN)):
        requests = {}
        if name.endswith(".txt"):
            with open(os.path.join(GOLDEN, name), encoding="ascii") as f:
                lines = f.read().splitlines()
            for at, line in enumerate(lines):
                if line.startswith("@ request ") and line.endswith(" rich"):
                    tagged = any(x.startswith("header.#") for x in lines[at + 2:at + 8])
                    requests[int(line.split()[2])] = bytes.fromhex(lines[at + 1])[4:], tagged
        flexible = [v for v, (_, tagged) in requests.items() if tagged]
        for version in {max(requests), min(flexible, default=max(requests))} if requests else ():
            found.append((name[:-4], version, requests[version][0]))
    return found


def lies(frame):
    """(what, bytes on the wire): the frame cut, and its first lengths made huge. Where those are is not known here,
    so each of the bytes after the header's ids is taken for the first of one."""
    for part in (1, 2, 3, 5, 7):
        size = max(8, len(frame) * part // 8)
        yield f"cut to {size} of {len(frame)}", struct.pack(">i", size) + frame[:size]
    yield "cut by one byte", struct.pack(">i", len(frame) - 1) + frame[:-1]
    client_id = 10 + max(0, struct.unpack_from(">h", frame, 8)[0])
    for at in (8, *range(client_id, min(client_id + 12, len(frame)))):
        for form, value in (("int32", b"\xff\xff\xff\xff"), ("int32", b"\x7f\xff\xff\xff"),
                            ("varint", b"\xff\xff\xff\xff\x0f")):
            data = frame[:at] + value + frame[at + (4 if form == "int32" else 1):]
            yield f"{form} {value.hex()} at {at}", struct.pack(">i", len(data)) + data


@pytest.fixture
def knows_all():
    """A broker that offers every API and version: with the mock clusters, most golden frames would be refused for
    their version and never be read. What is no part of the gateway's own work ends its connection."""
    apis = {api: (0, 50) for api in range(80)}

    def answer(request):
        if request.api == wire.API_VERSIONS:
            return wire.Frame().i32(request.correlation).i16(0).array(
                sorted(apis.items()), lambda f, a: f.i16(a[0]).i16(a[1][0]).i16(a[1][1]))
        if request.api != wire.METADATA:
            raise ConnectionError
        if request.version < 2:
            return None
        out = wire.Frame().i32(request.correlation)  # version 8: this node, and no topic
        return (out.i32(0).array([1], lambda f, n: f.i32(n).string("127.0.0.1").i32(broker.port).string(None))
                .string("cluster").i32(1).array([], None).i32(0))

    apis[wire.API_VERSIONS], apis[wire.METADATA] = (0, 0), (0, 8)
    broker = Broker(prefix=prefix_of("teamA"), answer=answer)
    yield broker
    broker.close()


def test_golden_frames_that_lie(knows_all, start_gateway):
    """All APIs, rewritten, forwarded or local ones, on one connection each. What can be read goes to the broker or is
    answered; what cannot closes the connection. Neither may crash the gateway or keep the witness waiting."""
    gateway = start_gateway({"main": knows_all.bootstrap})
    token = gateway.token("teamA", "sa")
    witness = Witness(gateway, token)
    witness.start()
    frames = golden_frames()
    assert len({api for api, _, _ in frames}) == 43, "APIs of tests/golden"
    for name, version, frame in frames:
        for what, data in lies(frame):
            attack(gateway, token, True, f"{name} v{version}: {what}", data, silent=True)
            assert gateway.process.alive(), f"{name} v{version}: {what}"
        witness.check()
    witness.stop()
    # Each was offered, and each was looked into.
    assert not gateway.log_lines("request.unsupported")
    bad = gateway.log_lines("request.malformed")
    for name, version, _ in frames:
        assert any(f" api={name} " in x and f" version={version} " in x for x in bad), f"{name} v{version}"


@pytest.mark.parametrize("size", [0, 1, 7, -1, -2147483648, 2147483647, 0x16030100])
@pytest.mark.parametrize("authenticated", [False, True])
def test_frame_length_itself_lies(gateway, token, witness, size, authenticated):
    """Too short for a header, negative, or beyond any limit (a TLS hello among them): closed at once."""
    raw = wire.login(gateway, token=token) if authenticated else wire.Raw(gateway.address)
    with raw:
        # Of a frame that is only too large, the gateway waits for the header, to tell the API in its log.
        raw.send(struct.pack(">i", size) + b"\0" * max(0, min(size, 16)))
        assert raw.is_closed()
    witness.check()


def test_frame_limit_before_authentication(gateway, token, witness):
    """64 KiB, told in the log with the peer, the API and the size."""
    with wire.Raw(gateway.address) as raw:
        peer = raw.socket.getsockname()
        big = wire.sasl_authenticate("sa", "x" * 70000).bytes_on_wire()
        size = len(big) - 4
        try:
            raw.ask(wire.sasl_handshake())
            raw.send(big)
        except wire.RawClosed:
            pass
        assert raw.is_closed()
    line = gateway.wait_log(str(size))
    assert f"{peer[0]}:{peer[1]}" in line and "SaslAuthenticate" in line and "65536" in line, line
    witness.check()


def test_frame_limit_after_authentication(sandbox, start_gateway):
    gateway = start_gateway(sandbox.clusters, config={"limits.frame.bytes": 200000})
    sandbox.create(gateway.physical("teamA", "users"), 1)
    token = gateway.token("teamA", "sa")
    with wire.leader_connection(gateway, "users", token=token) as raw:
        fits = wire.produce("users", [b"x" * 190000])
        assert wire.read_produce(raw.ask(fits))["users"][0][0] == 0
        big = wire.produce("users", [b"x" * 210000], correlation=9).bytes_on_wire()
        peer = raw.socket.getsockname()
        try:
            raw.send(big)
        except wire.RawClosed:
            pass
        assert raw.is_closed()
    line = gateway.wait_log(str(len(big) - 4))
    assert f"{peer[0]}:{peer[1]}" in line and "Produce" in line and "200000" in line, line
    assert sandbox.count(gateway.physical("teamA", "users"))["main"] == 1


def test_claimed_length_allocates_nothing(gateway, token, witness):
    """Fifty clients that claim 100 MiB each and send nothing more must not cost the gateway 5 GB."""
    def memory():
        with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    before = memory()
    head = wire.produce("users", [b"x"]).data[:60]
    clients = [wire.login(gateway, token=token) for _ in range(50)]
    for client in clients:
        client.send(struct.pack(">i", 100 << 20) + head)
    witness.check()
    assert memory() - before < 200_000, "kB of memory for frames that never came"
    for client in clients:
        client.close()
    witness.check()


def test_random_bytes(gateway, token, witness):
    rng = random.Random(20261123)
    for _ in range(150):
        data = rng.randbytes(rng.randrange(1, 400))
        attack(gateway, token, rng.random() < 0.5, "random", struct.pack(">i", len(data)) + data, silent=True)
    witness.check()


def test_random_changes_of_good_frames(gateway, token, witness):
    """One to three bytes of a good frame changed; under the sanitizers this finds what the tables above do not."""
    rng = random.Random(42)
    for _ in range(400):
        _, authenticated, make = rng.choice(all_frames())
        data = bytearray(make().bytes_on_wire())
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(4, len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        attack(gateway, token, authenticated, bytes(data), bytes(data), silent=True)
    witness.check()


def test_unknown_apis_and_versions_are_closed(gateway, token, witness):
    cases = [(4, 0), (5, 0), (6, 0), (7, 0), (27, 0), (29, 0), (50, 0), (68, 0), (71, 0), (999, 0), (-1, 0),
             (wire.METADATA, 99), (wire.METADATA, -1), (wire.PRODUCE, 99), (wire.FETCH, 17), (wire.METADATA, 12)]
    for api, version in cases:
        with wire.login(gateway, token=token) as raw:
            raw.send(wire.Frame(api, version, 3).raw(b"\0" * 64))
            assert raw.is_closed(), (api, version)
    witness.check()


def test_pipelined_requests_keep_their_order(gateway, sandbox, token):
    """Two hundred requests at once, of kinds that the gateway answers itself and that it forwards."""
    sandbox.create(gateway.physical("teamA", "users"), 1)
    with wire.leader_connection(gateway, "users", token=token) as raw:
        kinds = [lambda c: wire.metadata(["users"], correlation=c), lambda c: wire.api_versions(0, correlation=c),
                 lambda c: wire.produce("users", [b"%d" % c], correlation=c),
                 lambda c: wire.list_offsets("users", correlation=c), lambda c: wire.api_versions(3, correlation=c),
                 lambda c: wire.init_producer_id(correlation=c)]
        frames = [kinds[i % len(kinds)](1000 + i) for i in range(200)]
        raw.send(b"".join(f.bytes_on_wire() for f in frames))
        for frame in frames:
            assert wire.Answer(raw.receive()).correlation == frame.correlation
    produced = sum(1 for f in frames if f.api == wire.PRODUCE)
    assert sandbox.count(gateway.physical("teamA", "users"))["main"] == produced


def test_what_was_sent_before_the_end_arrives(gateway, sandbox, token):
    """A client that closes at once, before the gateway has reached the broker: a producer with acks=0 does that."""
    sandbox.create(gateway.physical("teamA", "users"), 1)
    for number in range(20):
        with wire.leader_connection(gateway, "users", token=token) as raw:
            raw.send(wire.produce("users", [b"%d" % number], acks=1).bytes_on_wire())
    sandbox.wait_count(gateway.physical("teamA", "users"), main=20)


def test_one_byte_at_a_time(gateway, sandbox, token):
    sandbox.create(gateway.physical("teamA", "users"), 1)
    with wire.leader_connection(gateway, "users", token=token) as raw:
        for frame in (wire.metadata(["users"]), wire.produce("users", [b"slowly"]), wire.fetch("users")):
            for byte in frame.bytes_on_wire():
                raw.send(bytes([byte]))
            assert wire.Answer(raw.receive()).correlation == frame.correlation
    assert sandbox.count(gateway.physical("teamA", "users"))["main"] == 1


def test_a_reader_that_does_not_read(gateway, sandbox, token, witness):
    """Answers of many megabytes that nobody takes: bounded memory, and the others are served."""
    with wire.leader_connection(gateway, "users", token=token) as writer:
        for _ in range(4):
            assert wire.read_produce(writer.ask(wire.produce("users", [os.urandom(900_000)])))["users"][0][0] == 0
    lazy = wire.leader_connection(gateway, "users", token=token)
    lazy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for i in range(100):
        lazy.send(wire.fetch("users", correlation=i, max_bytes=4 << 20))
    for _ in range(20):
        witness.check()
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    assert rss < 400_000, f"{rss} kB"
    lazy.reset()
    witness.check()


def test_many_connections_come_and_go(gateway, token, witness):
    for _ in range(5):
        clients = [wire.Raw(gateway.address) for _ in range(100)]
        for i, client in enumerate(clients):
            if i % 3 == 0:
                client.send(wire.api_versions())
            if i % 2:
                client.reset()
            else:
                client.close()
    witness.check()
