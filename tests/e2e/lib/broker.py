# SPDX-License-Identifier: Apache-2.0
"""A Kafka broker of one node whose answers a test decides: what the mock brokers cannot do, or no broker should.

Knows just enough (ApiVersions 0, Metadata 0-1, Produce 3-7, Fetch 4, ListOffsets 1, FindCoordinator 0-1,
Heartbeat 0) to stand behind a gateway. It stores nothing.
"""

import socket
import struct
import threading

from . import wire

OFFERED = {wire.PRODUCE: (3, 7), wire.FETCH: (4, 4), wire.LIST_OFFSETS: (1, 1), wire.METADATA: (0, 1),
           wire.FIND_COORDINATOR: (0, 1), wire.HEARTBEAT: (0, 0), wire.API_VERSIONS: (0, 0)}


class Request:
    """One that came: api, version, correlation, and the whole frame."""

    def __init__(self, data):
        self.data = data
        self.api, self.version, self.correlation = struct.unpack_from(">hhi", data)

    @property
    def body(self):
        """A reader at the first field after the header."""
        answer = wire.Answer(self.data[4:])  # the correlation id is what Answer reads first
        answer.string()
        return answer


class Broker:
    """Listens at once. `answer(request)` may return a Frame or bytes (whole frames) to send instead of the usual
    answer, b"" for silence, or None for the usual one; raising ConnectionError closes the connection."""

    def __init__(self, topics=("users",), prefix="", answer=None):
        self.topics = [prefix + t for t in topics]
        self.answer = answer or (lambda request: None)
        self.requests = []
        self._connections = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        raw = wire.Raw.__new__(wire.Raw)
        raw.socket = connection
        try:
            while True:
                request = Request(raw.receive())
                self.requests.append(request)
                answer = self.answer(request)
                if answer is None:
                    answer = self.usual(request)
                if answer:
                    raw.send(answer)
        except (wire.RawClosed, OSError):
            connection.close()

    def usual(self, request):
        """The right answer as a Frame, or b"" where none is due."""
        out = wire.Frame().i32(request.correlation)
        return {wire.API_VERSIONS: self._api_versions, wire.METADATA: self._metadata, wire.PRODUCE: self._produce,
                wire.FETCH: self._fetch, wire.LIST_OFFSETS: self._list_offsets,
                wire.FIND_COORDINATOR: self._find_coordinator,
                wire.HEARTBEAT: lambda r, o: o.i16(0)}[request.api](request, out)

    def _api_versions(self, _request, out):
        return out.i16(0).array(sorted(OFFERED.items()), lambda f, a: f.i16(a[0]).i16(a[1][0]).i16(a[1][1]))

    def _metadata(self, request, out):
        def topic(frame, name):
            frame.i16(0).string(name)
            if request.version >= 1:
                frame.i8(0)
            frame.array([0], lambda f, p: f.i16(0).i32(p).i32(1).array([1], wire.Frame.i32).array([1], wire.Frame.i32))

        def node(frame, number):
            frame.i32(number).string("127.0.0.1").i32(self.port)
            if request.version >= 1:
                frame.string(None)

        out.array([1], node)
        if request.version >= 1:
            out.i32(1)
        body = request.body
        count = body.i32()
        wanted = [body.string() for _ in range(max(0, count))] if count >= 0 else self.topics
        return out.array(wanted, topic)

    def _produce(self, request, out):
        body = request.body
        body.string()
        acks = body.i16()
        body.i32()
        body.i32()
        name = body.string()
        if acks == 0:
            return b""
        out.array([name], lambda f, t: f.string(t).array(
            [0], lambda g, p: g.i32(p).i16(0).i64(0).i64(-1).raw(struct.pack(">q", 0) if request.version >= 5 else b"")))
        return out.i32(0)

    def _fetch(self, request, out):
        body = request.body
        body.at += 4 + 4 + 4 + 4 + 1 + 4
        name = body.string()
        return out.i32(0).array([name], lambda f, t: f.string(t).array(
            [0], lambda g, p: g.i32(p).i16(0).i64(3).i64(3).length32(-1).bytes(wire.record_batch([b"a", b"b", b"c"]))))

    def _list_offsets(self, request, out):
        body = request.body
        body.at += 4 + 4
        name = body.string()
        return out.array([name], lambda f, t: f.string(t).array([0], lambda g, p: g.i32(p).i16(0).i64(-1).i64(3)))

    def _find_coordinator(self, request, out):
        if request.version >= 1:
            out.i32(0).i16(0).string(None)
        else:
            out.i16(0)
        return out.i32(1).string("127.0.0.1").i32(self.port)

    def close(self):
        """Stops listening, ends all connections."""
        self._listener.close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
