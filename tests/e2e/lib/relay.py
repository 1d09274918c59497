# SPDX-License-Identifier: Apache-2.0
"""A TCP relay between a gateway and one broker: counts what the broker says, and can break off.

The broker advertises the relay's address, so that every connection of the gateway goes through it.
"""

import contextlib
import select
import socket
import threading


class Relay:
    """Listens on (host, port), passes everything on to `to`. All in one thread."""

    def __init__(self, host, port, to):
        self.to = to
        self.answered = 0  # bytes from the broker, of all connections
        self.pairs = {}  # socket: the other side's
        self.brokers = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, port))
        self.wake, self._woken = socket.socketpair()
        self.break_next = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _accept(self):
        client = self.listener.accept()[0]
        try:
            broker = socket.create_connection(self.to, timeout=10)
        except OSError:
            client.close()
            return
        for one in (client, broker):
            one.settimeout(30)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pairs[client], self.pairs[broker] = broker, client
        self.brokers.add(broker)

    def _drop(self, one):
        other = self.pairs.pop(one, None)
        self.pairs.pop(other, None)
        self.brokers -= {one, other}
        for end in (one, other):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.close()

    def _pass_on(self, one):
        try:
            data = one.recv(65536)
            if not data or (one in self.brokers and self._breaks(data)):
                self._drop(one)
                return
            if one in self.brokers:
                self.answered += len(data)
            self.pairs[one].sendall(data)
        except OSError:
            self._drop(one)

    def _breaks(self, data):
        with self.lock:
            if self.break_next is None or not self.break_next(data):
                return False
            self.break_next = None
            return True

    def _run(self):
        while True:
            ready, _, _ = select.select([self.listener, self._woken, *self.pairs], [], [])
            if self._woken in ready:
                break
            for one in ready:
                if one is self.listener:
                    self._accept()
                elif one in self.pairs:
                    self._pass_on(one)
        for one in list(self.pairs):
            self._drop(one)
        self.listener.close()

    def break_when(self, fn):
        """Ends the connection on which the broker next says something that fn(bytes) is true of; None: no more."""
        with self.lock:
            self.break_next = fn

    def is_broken(self):
        """Whether break_when() has struck."""
        with self.lock:
            return self.break_next is None

    def close(self):
        self.wake.close()
        self.thread.join(10)
