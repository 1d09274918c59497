# SPDX-License-Identifier: Apache-2.0
"""A tenant that wants to be served alone: requests that are small to send and large to hold, connections that stop in
the middle, clients that do not read. The others are served on, and what the gateway holds stays bounded.

No time is asserted: the victim's requests go through while the attack lasts, and memory is counted.
"""

import os
import socket
import struct

import pytest
from lib import rawclient as rc
from lib.wait import wait_until
from lib.wire import RawClosed
from peers import tenant

RAW = True
VICTIM, THIEF = "azure", "sepia"
MIB = 1 << 20
REQUEST_MAX, BUFFER_MAX, CONNECTIONS = 2 * MIB, MIB // 4, 300
ELEMENTS_MAX = 1 << 17


@pytest.fixture(scope="module")
def gateway(make_gateway):
    """A gateway with limits that an attack of this size reaches."""
    return make_gateway(vclusters=[VICTIM, THIEF], config={
        "limits.request.bytes": REQUEST_MAX, "limits.buffer.bytes": BUFFER_MAX, "limits.connections": CONNECTIONS,
        "workers": 1})


def _closing(peer):
    yield peer
    peer.close()


@pytest.fixture
def thief(gateway):
    """The attacker."""
    yield from _closing(tenant(gateway, THIEF))


@pytest.fixture
def victim(gateway):
    """The victim, with a topic."""
    peer = tenant(gateway, VICTIM)
    peer.create("work")
    yield from _closing(peer)


def works(victim, times=20):
    """The victim writes, reads and asks, on old connections and on new ones."""
    old = victim.leader("work")
    for _ in range(times):
        assert rc.produced(old.call(rc.PRODUCE, 7, rc.produce_body("work", rc.batch([b"x"]))))[0] == 0
        assert old.call(rc.FETCH, 11, rc.fetch_body("work"))["Responses"]
        assert victim.connect().is_served()


def memory(gateway):
    """Resident bytes of the gateway."""
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def flood(client, frame, times, seconds):
    """Sends a frame over and over and reads nothing, until nothing more is taken."""
    client.socket.settimeout(seconds)
    try:
        for _ in range(times):
            client.socket.sendall(frame)
    except (TimeoutError, ConnectionError):
        pass


@pytest.mark.parametrize("what", ["metadata", "groups", "fetch", "api-versions", "refused"])
def test_answers_that_nobody_reads_are_bounded(gateway, thief, victim, what):
    """src/proxy/client.c, may_read() and is_reading(): nothing is read from a client whose answers wait."""
    thief.create("bulk")
    if what == "fetch":
        for _ in range(8):
            assert thief.produce("bulk", [os.urandom(900000)])[0] == 0
    frames = {"metadata": rc.request(rc.METADATA, 1, {"Topics": None}),
              "groups": rc.request(rc.DESCRIBE_GROUPS, 0, {"Groups": [f"g{i}" for i in range(50)]}),
              "fetch": rc.request(rc.FETCH, 11, rc.fetch_body("bulk", MaxBytes=1 << 30)),
              "api-versions": rc.request(rc.API_VERSIONS, 3),
              "refused": rc.request(rc.METADATA, 1, {"Topics": [{"Name": "/" * 200}] * 50})}
    works(victim, 2)
    before = memory(gateway)
    lazy = [thief.leader("bulk") for _ in range(6)]
    for client in lazy:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        flood(client, frames[what], 2000, 0.3)
    grown = memory(gateway) - before
    works(victim)
    # Each direction of a connection has its buffer, and the frame that came when it was not yet full.
    assert grown < len(lazy) * (2 * BUFFER_MAX + 4 * MIB), f"{grown / MIB:.1f} MiB for {len(lazy)} connections"


@pytest.mark.parametrize("name", [b"", b"a"])
def test_arrays_of_tiny_names_are_refused(gateway, thief, victim, name):
    """src/proxy/rewrite.c, ELEMENTS_MAX: a name costs the gateway many times its size, and the brokers much more: a
    million groups in two megabytes kept a broker busy for minutes, until its memory was gone."""
    element = struct.pack(">h", len(name)) + name
    before = memory(gateway)
    for key in (rc.METADATA, rc.DESCRIBE_GROUPS, rc.DELETE_GROUPS, rc.DELETE_TOPICS):
        for count in (ELEMENTS_MAX + 1, (REQUEST_MAX - 100) // len(element)):
            body = rc.wire.Frame(key, 1, 7).length32(count).data + element * count
            if key == rc.DELETE_TOPICS:
                body += struct.pack(">i", 1000)
            client = thief.connect()
            with pytest.raises(RawClosed):
                client.send(struct.pack(">i", len(body)) + body)
                client.receive()
            assert "names" in gateway.wait_log("request.malformed", f"size={len(body)}")
    works(victim, 3)
    assert memory(gateway) - before < 64 * MIB


def test_counts_that_lie_cost_nothing(gateway, thief, victim):
    """src/kafka/walk.c, begin_array(): nothing is made for what a count says, only for what is there."""
    before = memory(gateway)
    for count in (2 ** 31 - 1, 10 ** 6, -2, -2 ** 31):
        for key in (rc.METADATA, rc.DESCRIBE_GROUPS, rc.DELETE_GROUPS, rc.CREATE_TOPICS):
            client = thief.connect()
            client.send(rc.wire.Frame(key, 2 if key == rc.CREATE_TOPICS else 1, 7).i32(count).raw(b"\0\1a"))
            with pytest.raises(RawClosed):
                client.receive()
    works(victim, 2)
    assert memory(gateway) - before < 8 * MIB


def test_half_a_frame_holds_only_what_has_come(gateway, thief, victim):
    """A connection that stops in the middle of a request holds what it has sent, and the room for the whole at most."""
    before = memory(gateway)
    frames = [struct.pack(">ihhih", REQUEST_MAX - 4, rc.METADATA, 1, 1, -1),
              struct.pack(">ihhih", REQUEST_MAX - 4, rc.METADATA, 1, 1, -1) + b"\0" * 1000,
              struct.pack(">ihhih", 50 * MIB, rc.PRODUCE, 7, 1, -1), struct.pack(">ih", 100, rc.METADATA), b"\0\0"]
    for i in range(150):
        thief.connect().send(frames[i % len(frames)])
    works(victim)
    grown = memory(gateway) - before
    assert grown < 64 * MIB, f"{grown / MIB:.1f} MiB for 150 halves of frames"


def test_a_produce_that_stops_midway_holds_no_one_up(thief, victim):
    """A large Produce is passed on while it arrives, on a connection of its own to the broker."""
    thief.create("own")
    body = rc.request(rc.PRODUCE, 7, rc.produce_body("own", rc.batch([os.urandom(900000)])))
    for part in (200, 70000, 500000, len(body) - 1):
        thief.leader("own").send(body[:part])
    works(victim)
    assert thief.end("own") == 0


def test_very_slow_readers_hold_no_one_up(thief, victim):
    """Answers of a megabyte that are taken byte by byte."""
    thief.create("bulk")
    thief.produce("bulk", [os.urandom(900000)])
    slow = [thief.leader("bulk") for _ in range(20)]
    for client in slow:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.post(rc.FETCH, 11, rc.fetch_body("bulk"))
        client.socket.recv(1)
    works(victim)


def test_long_lists_hold_no_one_up(thief, victim):
    """Thousands of names in each request, on many connections at once."""
    names = [{"Name": f"no-such-topic-{i:06}"} for i in range(2000)]
    frame = rc.request(rc.METADATA, 5, {"Topics": names, "AllowAutoTopicCreation": False})
    busy = [thief.connect() for _ in range(8)]
    for client in busy:
        client.send(frame)
    works(victim)
    for client in busy:
        client.receive()


def test_what_the_connections_limit_is(gateway, thief, victim):
    """limits.connections holds for the gateway as a whole: those that are there are served on, and the room is given
    back at once."""
    old = victim.leader("work")
    assert old.is_served()
    crowd = []
    for _ in range(CONNECTIONS + 50):
        client = socket.create_connection(gateway.address, timeout=30)
        crowd.append(client)
    for _ in range(20):
        assert old.is_served()
    for client in crowd:
        client.close()

    def served():
        try:
            return victim.connect().is_served()
        except (RawClosed, OSError):
            return False
    wait_until(served, "there is room again")
