# SPDX-License-Identifier: Apache-2.0
"""Before a broker whose answers the test decides: acks=0, and answers that no broker should give."""

import socket
import struct
import threading
import time

import pytest

from lib import wire
from lib.broker import Broker
from lib.gateway import prefix_of
from lib.load import Witness

RAW = True
ATTACK = "attack"


@pytest.fixture
def broker():
    one = Broker(prefix=prefix_of("teamA"))
    yield one
    one.close()


@pytest.fixture
def gateway(broker, start_gateway):
    return start_gateway({"main": broker.bootstrap})


@pytest.fixture
def token(gateway):
    return gateway.token("teamA", "sa")


@pytest.fixture
def witness(gateway, token):
    client = Witness(gateway, token)
    client.start()
    yield client
    client.stop()


def test_acks_0_has_no_answer_and_keeps_the_order(gateway, broker, token):
    """One write of a hundred requests, every second one without an answer."""
    with wire.login(gateway, token=token) as raw:
        start = len(broker.requests)
        data = b""
        for turn in range(50):
            data += wire.produce("users", [b"none %d" % turn], acks=0, correlation=5000 + turn).bytes_on_wire()
            data += wire.metadata(["users"], correlation=6000 + turn).bytes_on_wire()
        raw.send(data)
        for turn in range(50):
            assert wire.Answer(raw.receive()).correlation == 6000 + turn
    # Probes come on connections of their own: only this client's requests name the topic.
    mine = [r for r in broker.requests[start:] if b"users" in r.data]
    assert [r.api for r in mine] == [wire.PRODUCE, wire.METADATA] * 50
    for turn, request in enumerate(r for r in mine if r.api == wire.PRODUCE):
        assert b"none %d" % turn in request.data


def test_acks_0_alone_reaches_the_broker(gateway, broker, token):
    done = threading.Event()
    broker.answer = lambda r: done.set() if b"fire and forget" in r.data else None
    with wire.login(gateway, token=token) as raw:
        raw.send(wire.produce("users", [b"fire and forget"], acks=0))
        assert done.wait(30)


QUESTIONS = {
    "metadata": lambda: wire.metadata([ATTACK]),
    "produce": lambda: wire.produce(ATTACK, [b"x"], version=7),
    "fetch": lambda: wire.fetch(ATTACK),
    "list-offsets": lambda: wire.list_offsets(ATTACK),
    "find-coordinator": lambda: wire.find_coordinator(ATTACK),
}


def ask(gateway, token, question):
    """Asks on a connection of its own; an answer or the end must come."""
    with wire.login(gateway, token=token) as raw:
        raw.socket.settimeout(30)
        raw.send(question)
        try:
            return raw.receive()
        except wire.RawClosed:
            return None
        except TimeoutError:
            raise AssertionError("neither an answer nor the end of the connection") from None


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("kind", ["truncations", "mutations"])
def test_malformed_answers(gateway, broker, token, witness, name, kind):
    """Cut at each byte, each length lying: the client gets an answer or is closed, the others are served."""
    question = QUESTIONS[name]()
    case = {}

    def answer(request):
        if ATTACK.encode() not in request.data:
            return None
        right = broker.usual(request)
        variants = list(getattr(right, kind)())
        case["count"] = len(variants)
        return variants[case["number"]][1]

    broker.answer = answer
    case["number"], case["count"] = 0, 1
    while case["number"] < case["count"]:
        ask(gateway, token, question)
        case["number"] += 1
    assert case["count"] > 5
    broker.answer = lambda request: None
    witness.check()
    assert ask(gateway, token, question) is not None, "the gateway does not recover"


@pytest.mark.parametrize("data", [
    struct.pack(">i", -1), struct.pack(">i", 0), struct.pack(">i", 3) + b"abc", struct.pack(">i", 2147483647) + b"\0" * 64,
    struct.pack(">ii", 4, -5), struct.pack(">ii", 4, 0x7FFFFFFF), b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x46",
], ids=["negative", "empty", "short", "huge", "correlation", "correlation-2", "http", "tls-alert"])
def test_answers_that_are_no_frames(gateway, broker, token, witness, data):
    broker.answer = lambda r: data if ATTACK.encode() in r.data else None
    with wire.login(gateway, token=token) as raw:
        raw.send(wire.metadata([ATTACK]))
        if data[:1] == b"\x15":
            witness.check()  # a claim of 352 MB with three bytes of it: nothing can be told yet
        else:
            assert raw.is_closed()
    witness.check()


def test_an_answer_that_nobody_asked_for(gateway, broker, token, witness):
    def twice(request):
        if ATTACK.encode() not in request.data:
            return None
        frame = broker.usual(request).bytes_on_wire()
        return frame + frame

    broker.answer = twice
    with wire.login(gateway, token=token) as raw:
        raw.send(wire.metadata([ATTACK]))
        assert raw.is_closed(), "the connection to the broker is out of step"
    witness.check()


def test_the_broker_closes_in_the_middle_of_an_answer(gateway, broker, token, witness):
    def half(request):
        if ATTACK.encode() not in request.data:
            return None
        whole = broker.usual(request).bytes_on_wire()
        # Sent by hand on the newest connection, then closed.
        broker._connections[-1].sendall(whole[:len(whole) // 2])
        raise ConnectionError

    broker.answer = half
    for question in QUESTIONS.values():
        with wire.login(gateway, token=token) as raw:
            raw.send(question())
            assert raw.is_closed()
    witness.check()


def test_error_texts_of_a_broker_do_not_name_it(gateway, broker, token):
    """FindCoordinator's error message is free text: what it tells of the broker must not get through."""
    def telling(request):
        if request.api != wire.FIND_COORDINATOR:
            return None
        return (wire.Frame().i32(request.correlation).i32(0).i16(15)
                .string(f"broker 127.0.0.1:{broker.port} says no to {prefix_of('teamA')}{ATTACK}")
                .i32(-1).string("").i32(-1))

    broker.answer = telling
    with wire.login(gateway, token=token) as raw:
        answer = raw.ask(wire.find_coordinator(ATTACK))
        answer.i32()
        assert answer.i16() == 15
        text = answer.string() or ""
        assert "127.0.0.1" not in text and prefix_of("teamA") not in text


def test_a_refused_client_does_not_stay_by_reading_slowly(broker, start_gateway):
    """A login that is refused with megabytes still waiting: the deadline counts from then on."""
    gateway = start_gateway({"main": broker.bootstrap},
                            config={"limits.buffer.bytes": 256 << 20, "timeouts.authenticate.ms": 2000})
    token = gateway.token("teamA", "sa")
    whole = wire.Frame().i32(77).i32(0).array([prefix_of("teamA") + "users"], lambda f, t: f.string(t).array(
        [0], lambda g, p: g.i32(p).i16(0).i64(3).i64(3).length32(-1).bytes(b"\0" * (40 << 20)))).bytes_on_wire()
    sent = threading.Event()

    def answer(request):
        if request.api != wire.FETCH:
            return None
        threading.Timer(0.5, sent.set).start()
        return whole

    broker.answer = answer
    with wire.login(gateway, token=token) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        raw.send(wire.fetch("users", correlation=77))
        assert sent.wait(30)
        raw.send(wire.sasl_handshake(correlation=78))
        raw.send(wire.sasl_authenticate("sa", "no token", correlation=79))
        got = 0
        try:
            while piece := raw.socket.recv(65536):
                got += len(piece)
                time.sleep(0.02)
        except ConnectionResetError:
            pass
    assert 0 < got < 30 << 20, f"{got} bytes"
    assert gateway.log_lines("client.close", "does not read")
