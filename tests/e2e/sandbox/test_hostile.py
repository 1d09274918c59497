# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm: requests that are small to send and large to serve, before and after the login."""

import os
import re
import resource
import socket
import struct
import time

import pytest

from lib import tokens, wire
from lib.gateway import ApiError
from lib.wait import wait_until

RAW = True


def metric(gateway, name):
    return int(re.search(rf"(?m)^{name} (\d+)$", gateway.call("GET", "/metrics")).group(1))


def test_answers_that_nobody_takes_are_not_made(gateway):
    """Before the login: requests of 14 bytes for answers of hundreds. What waits in the gateway is bounded."""
    with wire.Raw(gateway.address) as raw:
        raw.send(wire.api_versions())
        size = len(raw.receive()) + 4
    requests = metric(gateway, "turnout_requests_total")
    sent = metric(gateway, "turnout_sent_bytes_total")
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        lazy.connect(gateway.address)
        lazy.setblocking(False)
        flood = wire.api_versions().bytes_on_wire() * 2000
        stuck = 0
        while stuck < 20:
            try:
                # Pieces may be cut in the middle of a request: go on there.
                flood_sent = lazy.send(flood)
                flood = flood[flood_sent:] + flood[:flood_sent]
                stuck = 0
            except BlockingIOError:
                stuck += 1
                time.sleep(0.02)
        made = (metric(gateway, "turnout_requests_total") - requests) * size
        waiting = made - (metric(gateway, "turnout_sent_bytes_total") - sent)
        assert made > 20_000, "the flood did not arrive"
        assert waiting < 40_000, f"{waiting} bytes wait for a client that has not even logged in"


def test_a_flood_that_is_read_is_served_to_its_end(gateway):
    """The bound above only makes a client wait, whatever it sends at once."""
    count = 5000
    with wire.Raw(gateway.address) as raw:
        raw.socket.settimeout(60)
        raw.send(b"".join(wire.api_versions(0, correlation=c).bytes_on_wire() for c in range(count)))
        for c in range(count):
            assert wire.Answer(raw.receive()).correlation == c


def test_requests_that_are_held_as_a_whole_have_their_own_limit(sandbox, start_gateway):
    gateway = start_gateway(sandbox.clusters, config={"limits.request.bytes": 100000})
    sandbox.create(gateway.physical("teamA", "users"), 1)
    token = gateway.token("teamA", "sa")
    with wire.leader_connection(gateway, "users", token=token) as raw:
        assert wire.read_produce(raw.ask(wire.produce("users", [b"x" * 300000])))["users"][0][0] == 0
        raw.ask(wire.metadata(["t" * 200] * 400))
        body = wire.metadata(["t" * 200] * 600).bytes_on_wire()
        try:
            raw.send(body)
        except wire.RawClosed:
            pass
        assert raw.is_closed()
    assert "limits.request.bytes" in gateway.wait_log("request.too_large", str(len(body) - 4))


def test_a_field_of_a_produce_that_cannot_be_streamed_is_limited(sandbox, start_gateway):
    """A name may be short of its end for ever, but not hold memory for what it says it will be."""
    gateway = start_gateway(sandbox.clusters, config={"limits.request.bytes": 65536})
    token = gateway.token("teamA", "sa")
    with wire.login(gateway, token=token) as raw:
        # Flexible since version 9: the header's unknown tag is one field. The mock brokers may not offer that
        # version: then the request is refused for it, which is as good.
        tag = wire.uvarint(1) + wire.uvarint(99) + wire.uvarint(1 << 20)
        frame = struct.pack(">hhih", 0, 9, 1, -1) + tag
        raw.send(struct.pack(">i", len(frame) + (2 << 20)) + frame)
        try:
            raw.send(b"\0" * (1 << 20))
        except wire.RawClosed:
            pass
        assert raw.is_closed()


def test_a_request_of_very_many_names_is_refused(gateway, sandbox):
    """Each name of one byte would cost fifty in the gateway's memory, and the other clients their time."""
    token = gateway.token("teamA", "sa")
    count = 600000
    body = wire.Frame(wire.METADATA, 1, 7).length32(count).data + b"\0\1a" * count
    with wire.login(gateway, token=token) as raw:
        try:
            raw.send(struct.pack(">i", len(body)) + body)
        except wire.RawClosed:
            pass
        assert raw.is_closed()
    assert "names" in gateway.wait_log("request.malformed", str(len(body)))
    with wire.login(gateway, token=token) as raw:
        raw.ask(wire.metadata([]))


def test_the_latest_of_all_expiries(gateway, sandbox):
    """A token that is good for all of time is good while a request is under way, too."""
    sandbox.create(gateway.physical("teamA", "users"), 1)
    gateway.token("teamA", "sa")
    token = tokens.make(gateway.key, "sa", "teamA", claims={"exp": 2 ** 63 - 1})
    with wire.leader_connection(gateway, "users", token=token) as raw:
        for turn in range(3):
            raw.ask(wire.fetch("users", correlation=turn, max_wait=500))
    wait_until(lambda: gateway.log_lines("client.close", "user=sa"), "the connection's end in the log")
    assert not gateway.log_lines("client.close", "expired")


@pytest.mark.parametrize("name", ["null", "-", "true", "1.5", "---", "0x10"])
def test_names_that_mean_something_in_yaml(gateway, name):
    """As the name of a new vcluster and of its user, and of another user of one that is there."""
    for vcluster in (name, "teamA"):
        with wire.login(gateway, vcluster, name, gateway.token(vcluster, name)) as raw:
            raw.ask(wire.metadata([]))


@pytest.mark.parametrize("name", [".hidden", "..."])
def test_names_of_files_that_no_loader_reads(gateway, name):
    """A token of such a vcluster would let nobody in."""
    with pytest.raises(ApiError) as refused:
        gateway.token(name, "sa")
    assert refused.value.status == 400
    assert sorted(os.listdir(gateway.path("vclusters"))) == ["teamA.yaml", "teamB.yaml"]


def test_a_path_cannot_write_into_the_log_as_it_likes(gateway):
    """Without a login: line ends, terminal sequences (U+009B is one), forged pairs."""
    host, port = gateway.address[0], int(gateway.url("").rsplit(":", 1)[1])
    with socket.create_connection((host, port), timeout=30) as raw:
        raw.sendall(b"GET /admin/x\xc2\x9b31m%0a\x1b[0m\xe2\x80\xae HTTP/1.1\r\nHost: x\r\n"
                    b"Authorization: Basic YTpi\r\nConnection: close\r\n\r\n")
        while raw.recv(65536):
            pass
    wait_until(lambda: gateway.log_lines("admin"), "any word of the admin API in the log")
    assert gateway.log().isascii() and gateway.log().replace("\n", "").isprintable()


def test_a_crowd_leaves_descriptors_for_the_rest(gateway):
    """More clients than there are descriptors: the admin API, probes and reloads go on."""
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (200, 200))
    crowd = []
    for _ in range(400):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(gateway.address)
        crowd.append(client)
    gateway.wait_log("accept.failed")
    for _ in range(3):
        gateway.reload()
        assert gateway.request("GET", "/health/ready", auth=None).status_code == 200
    gateway.switch("failover")
    for client in crowd:
        client.close()
    wait_until(lambda: metric(gateway, "turnout_clients_connected") == 0, "the crowd is gone")
    with wire.login(gateway) as raw:
        raw.ask(wire.metadata([]))
