# SPDX-License-Identifier: Apache-2.0
"""Frames that no client should send: the gateway answers or closes, stays alive, and serves the others."""

import os
import random
import socket
import struct

import pytest

from lib import wire
from lib.load import Witness

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
