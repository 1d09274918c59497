# SPDX-License-Identifier: Apache-2.0
"""Kafka's message definitions, straight from the kafka-clients jar (common/message/*.json).

Nothing here or in the other files of this folder reads src/kafka/fields.def or what makes it: this is the second
reading of the same source. messages_of(release) gives {name: Message}.
"""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import zipfile

FOR_EVER = 1 << 15


class Range:
    """A range of versions, both ends included; an empty one for "none"."""

    __slots__ = ("since", "until")

    def __init__(self, text):
        self.since, self.until = 1, 0
        if text not in (None, "none"):
            first, dash, last = text.rstrip("+").partition("-")
            self.since = int(first)
            self.until = FOR_EVER if text.endswith("+") else int(last) if dash else self.since

    def __contains__(self, version):
        return self.since <= version <= self.until


class Field:
    """One field. `type` is that of an array's elements; `fields` are those of a struct, else None."""

    def __init__(self, raw, structs, path):
        self.name = raw["name"]
        self.path = f"{path}.{self.name}" if path else self.name
        self.is_array = raw["type"].startswith("[]")
        self.type = raw["type"].removeprefix("[]")
        self.versions = Range(raw.get("versions"))
        self.nullable = Range(raw.get("nullableVersions"))
        self.tagged = Range(raw.get("taggedVersions"))
        self.tag = raw.get("tag")
        self.flexible = Range(raw["flexibleVersions"]) if "flexibleVersions" in raw else None
        self.entity = raw.get("entityType")
        self.fields = None
        if self.type[0].isupper():
            inner = raw.get("fields") or structs[self.type]
            structs.setdefault(self.type, inner)
            self.fields = [Field(f, structs, self.path) for f in inner]


class Message:
    """One definition: request, response, header or data."""

    def __init__(self, raw):
        self.name = raw["name"]
        self.kind = raw["type"]
        self.key = raw.get("apiKey")
        self.versions = Range(raw["validVersions"])
        self.flexible = Range(raw["flexibleVersions"])
        structs = {s["name"]: s["fields"] for s in raw.get("commonStructs", [])}
        self.fields = [Field(f, structs, "") for f in raw["fields"]]


def cache_dir():
    """Where jars are kept; see contrib/kafkalab."""
    return pathlib.Path(os.environ.get("TURNOUT_CACHE") or pathlib.Path.home() / ".cache/turnout")


def jar_of(release):
    """The kafka-clients jar: one that a test or a maintainer's tool has fetched already, or a new one."""
    cache, name = cache_dir(), f"kafka-clients-{release}.jar"
    own = cache / "kafka-clients" / name
    for jar in (own, cache / f"kafka-{release}/jars" / name, cache / f"kafka-lab-{release}/libs" / name):
        if jar.exists():
            return jar
    own.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=own.parent) as folder:
        subprocess.run(["mvn", "-B", "-ntp", "-q", f"-Dmaven.repo.local={cache}/m2", "dependency:copy",
                        f"-Dartifact=org.apache.kafka:kafka-clients:{release}", f"-DoutputDirectory={folder}"],
                       check=True, stdin=subprocess.DEVNULL, cwd=folder)
        (pathlib.Path(folder) / name).rename(own)
    return own


def messages_of(release):
    """{name: Message} of a release of Kafka; those of messages that exist no more are left out."""
    found = {}
    with zipfile.ZipFile(jar_of(release)) as archive:
        for entry in archive.namelist():
            if re.fullmatch(r"common/message/\w+\.json", entry):
                lines = archive.read(entry).decode().splitlines()
                raw = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
                if raw["validVersions"] != "none":
                    found[raw["name"]] = Message(raw)
    return found
