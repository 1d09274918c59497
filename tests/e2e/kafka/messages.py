# SPDX-License-Identifier: Apache-2.0
"""Requests of any API and version as a raw client sends them, encoded and decoded by kafka-python's classes, which are
made from Kafka's own definitions."""

import itertools

_ids = itertools.count(1000)


def talk(raw, request, version, response_class):
    """Sends a kafka-python request on a lib.wire.Raw; returns the decoded answer."""
    raw.send(encode(request, version))
    return receive(raw, version, response_class)


def encode(request, version):
    """The bytes on the wire."""
    request.API_VERSION = version
    request.with_header(correlation_id=next(_ids), client_id="e2e")
    return bytes(request.encode(version=version, header=True, framed=True))


def receive(raw, version, response_class):
    """Decodes the next answer."""
    return response_class.decode(raw.receive(), version=version, header=True)
