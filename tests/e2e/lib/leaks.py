# SPDX-License-Identifier: Apache-2.0
"""No byte of a backend may reach a client.

With TURNOUT_RECORD=FILE in its environment turnoutd appends every byte that it sends to Kafka clients to FILE.
The gateways of the tests listen and advertise on 127.0.0.2 while the brokers are on 127.0.0.1, and the tests'
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


def search(path, wanted, chunk=1 << 20):
    """What of `wanted` (from needles()) is in the file, as a list of sentences; reads it in pieces."""
    overlap = max((len(n) for n in wanted.values()), default=1)
    faults, tail, offset = {}, b"", 0
    with open(path, "rb") as f:
        while piece := f.read(chunk):
            data = tail + piece
            for what, needle in wanted.items():
                at = data.find(needle)
                if at >= 0 and what not in faults:
                    around = data[max(0, at - 48):at + len(needle) + 48]
                    faults[what] = f"{what} was sent to a client, at byte {offset - len(tail) + at}: {around!r}"
            tail = data[-overlap:]
            offset += len(piece)
    return list(faults.values())
