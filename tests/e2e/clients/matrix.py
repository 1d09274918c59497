# SPDX-License-Identifier: Apache-2.0
"""The matrix of clients as data: the steps, what must come out of them, the clients of every language.

CONTRACT.md is the same as text, for whoever writes a program.  Must not: run anything; that is runner.py.
"""

import json
import os
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))

# The tenant's read-only alias that clients try to write to.
READONLY = "shared"

PRODUCE = ("produce-acks-0", "produce-acks-1", "produce-acks-all", "produce-none", "produce-gzip", "produce-snappy",
           "produce-lz4", "produce-zstd", "produce-idempotent")
STEPS = ("versions", "create", "create-again", "list", "describe", "describe-config", "alter-config",
         "describe-config-after", "create-partitions", *PRODUCE, "produce-transactional", "consume-assign",
         "consume-group", "committed", "lag", "seek", "consume-group-two", "list-groups", "describe-group",
         "delete-group", "error-unknown-topic", "error-too-large", "error-illegal-name", "denied", "delete-topic",
         "list-after")
BATCH = 20
PARTITIONS = 4

# What comes out of a step wherever it is done; what depends on the steps before is in expected().
OUTCOMES = {
    "create": "ok",
    "create-again": "TOPIC_ALREADY_EXISTS",
    "list": ["RUN-main"],
    "describe": {"partitions": 3, "replicas": 1},
    "describe-config": "604800000",
    "alter-config": "ok",
    "describe-config-after": "123456789",
    "create-partitions": PARTITIONS,
    **{step: BATCH for step in PRODUCE},
    "produce-transactional": {"committed": 10, "aborted": 0},
    "lag": 0,
    "list-groups": ["RUN-group", "RUN-two"],
    "describe-group": {"state": "Stable", "members": 1, "topics": ["RUN-main"]},
    "delete-group": "ok",
    "error-unknown-topic": "UNKNOWN_TOPIC_OR_PARTITION",
    "error-too-large": "MESSAGE_TOO_LARGE",
    "error-illegal-name": "INVALID_TOPIC_EXCEPTION",
    "denied": "TOPIC_AUTHORIZATION_FAILED",
    "delete-topic": "ok",
    "list-after": [],
}


def checksum(values):
    """The contract's checksum of values."""
    crc = 0
    for value in sorted(value.encode() for value in values):
        crc = zlib.crc32(value + b"\n", crc)
    return f"{crc:08x}"


class Client:
    """One program: `language` is its folder, the rest stands in the clients.json there."""

    def __init__(self, language, name, told):
        self.language = language
        self.name = name
        self.version = told["version"]
        self.quick = told["quick"]
        self.unsupported = frozenset(told.get("unsupported", ()))
        self.differs = told.get("differs", {})
        unknown = (self.unsupported | set(self.differs)) - set(STEPS)
        assert not unknown, f"{name}: no steps called {sorted(unknown)}"

    def program(self):
        """The path of its executable, in the cache."""
        cache = os.environ.get("TURNOUT_CACHE") or os.path.expanduser("~/.cache/turnout")
        return os.path.join(cache, "clients", self.language, "bin", self.name)

    def steps(self, denied):
        """The steps that it must report; `denied`: there is a topic that it may not write to."""
        return [step for step in STEPS if step != "denied" or denied]

    def expected(self):
        """{step: outcome} of all that it can do."""
        produced = [step for step in PRODUCE if step not in self.unsupported]
        values = [f"{step}-{i:04}" for step in produced for i in range(BATCH)]
        first = [f"{step}-{i:04}" for step in produced for i in range(0, BATCH, PARTITIONS)]
        total = {"count": len(values), "checksum": checksum(values)}
        outcomes = {
            **OUTCOMES,
            "versions": self.version,
            "consume-assign": total,
            "consume-group": total,
            "committed": len(values),
            "seek": {"first": first[3], "count": len(first) - 3},
            "consume-group-two": {"members": 2, "partitions": list(range(PARTITIONS)), **total},
        }
        outcomes["list-groups"] = [group for step, group in (("consume-group", "RUN-group"), ("consume-group-two", "RUN-two"))
                                   if step not in self.unsupported]
        outcomes.update(self.differs)
        return {step: outcome for step, outcome in outcomes.items() if step not in self.unsupported}


def clients():
    """Every client of every language that has a clients.json, by name."""
    found = {}
    for language in sorted(os.listdir(HERE)):
        path = os.path.join(HERE, language, "clients.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as source:
                for name, told in json.load(source).items():
                    assert name not in found, f"two clients are called {name}"
                    found[name] = Client(language, name, told)
    return found
