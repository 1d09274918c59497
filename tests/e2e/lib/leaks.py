# SPDX-License-Identifier: Apache-2.0
"""No byte of a backend may reach a client.

With TURNOUT_RECORD=FILE in its environment turnoutd appends every byte that it sends to Kafka clients to FILE.
The gateways of the tests listen and advertise on another loopback address than the brokers, and the tests'
tenants have prefixes that occur nowhere else, so a plain search of the file finds every leak.
"""

import struct


def needles(backends, prefixes, cluster_ids):
    """{what it is: bytes}. backends: [(host, port)]; prefixes and cluster_ids: texts."""
    found = {}
    for host, port in backends:
        found[f"broker address {host}:{port} as text"] = f"{host}:{port}".encode()
        # Kafka's form in Metadata, FindCoordinator and others: the string and right after it the int32.
        found[f"broker address {host}:{port} as fields"] = host.encode() + struct.pack(">i", port)
        found[f"broker host {host}"] = host.encode()
    for prefix in prefixes:
        found[f"tenant prefix {prefix}"] = prefix.encode()
    for cluster_id in cluster_ids:
        found[f"cluster id {cluster_id}"] = cluster_id.encode()
    return found


def _is_echo(data, at, end, echoes):
    """Whether data[at:end] is a piece of a name that the client itself has sent."""
    for echo in echoes:
        begin = data.find(echo, max(0, end - len(echo)), at + len(echo))
        if begin >= 0:
            return True
    return False


def search(path, wanted, echoes=(), chunk=1 << 20):
    """What of `wanted` (from needles()) is in the file, as a list of sentences; reads it in pieces. `echoes` are
    names (bytes) that the test's client asked for: an answer has to repeat them, so they are no leak."""
    overlap = max((len(n) for n in (*wanted.values(), *echoes)), default=1)
    faults, data, offset, begin, piece = {}, b"", 0, 0, b"-"
    with open(path, "rb") as f:
        while piece:
            piece = f.read(chunk)
            data += piece
            # What is nearer to the end is judged with the next piece, when all around it is there.
            limit = len(data) - (overlap if piece else 0)
            for what, needle in wanted.items():
                at = data.find(needle, begin)
                while 0 <= at < limit and what not in faults:
                    if not _is_echo(data, at, at + len(needle), echoes):
                        around = data[max(0, at - 48):at + len(needle) + 48]
                        faults[what] = f"{what} was sent to a client, at byte {offset + at}: {around!r}"
                    at = data.find(needle, at + 1)
            # And what is before it has been judged, but may be the beginning of an echo.
            done = max(0, limit - overlap)
            begin = max(0, limit) - done
            offset += done
            data = data[done:]
    return list(faults.values())
