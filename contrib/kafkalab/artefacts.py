# SPDX-License-Identifier: Apache-2.0
"""What has to be on disk before a broker can start: Kafka's jars, the compiled launcher, the
formatted metadata snapshot, the schema registry.

Everything goes into the cache directory (TURNOUT_CACHE, default ~/.cache/turnout), once per
version; a finished directory carries a file `.complete`, so an interrupted fetch is done again.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tarfile
import uuid
import base64

KAFKA_VERSION = "4.3.1"  # the newest that is complete
NEWEST_VERSION = "4.4.0"  # the newest whose brokers and tools are to be had
WITHOUT_MIRROR = ("4.4.0",)  # releases whose connect-mirror was not published beside the rest
REGISTRY_VERSION = "3.0.9"
HERE = os.path.dirname(os.path.abspath(__file__))

# Where a formatted node has its snapshot, relative to its data: that moved with 4.4.
SNAPSHOTS = ("bootstrap.checkpoint", "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint")

# One node that is broker and controller at once wants little of a small machine.
JVM_SERVER = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
JVM_TOOL = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto"]


class LabError(Exception):
    """Something outside the lab went wrong; the message says what and what to do."""


def install_missing():
    """Packages that are not installed yet; quick when all are there."""
    deps = os.path.join(os.path.dirname(HERE), "deps")
    if os.access(deps, os.X_OK) and subprocess.run([deps, "kafka"], check=False).returncode != 0:
        raise LabError("contrib/deps kafka failed, see above")


def cache_dir():
    """The cache directory, outside the tree; made when it is missing."""
    path = os.environ.get("TURNOUT_CACHE") or os.path.expanduser("~/.cache/turnout")
    os.makedirs(path, exist_ok=True)
    return path


def random_uuid():
    """22 characters as Kafka writes its ids; never with a leading '-' (tools take it for an option)."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def java():
    """The java command: JAVA_HOME first, then PATH."""
    home = os.environ.get("JAVA_HOME")
    if home and os.access(os.path.join(home, "bin", "java"), os.X_OK):
        return os.path.join(home, "bin", "java")
    found = shutil.which("java")
    if not found:
        raise LabError("no java found: run contrib/deps kafka (package openjdk-17-jdk-headless)")
    return found


def javac():
    """The compiler that belongs to java()."""
    beside = os.path.join(os.path.dirname(os.path.realpath(java())), "javac")
    found = beside if os.access(beside, os.X_OK) else shutil.which("javac")
    if not found:
        raise LabError("no javac found: run contrib/deps kafka (package openjdk-17-jdk-headless)")
    return found


def run(command, what, **kwargs):
    """Run a command to its end; a failure is a LabError with the end of its output."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, check=False, **kwargs)
    except FileNotFoundError as missing:
        raise LabError(f"{what}: {missing.filename} is not installed: run contrib/deps kafka") from None
    if done.returncode != 0:
        tail = "\n".join(done.stdout.decode(errors="replace").splitlines()[-15:])
        raise LabError(f"{what} failed with status {done.returncode}:\n{tail}")
    return done.stdout.decode(errors="replace")


@contextlib.contextmanager
def _building(path):
    """Yield an empty directory to fill, or None when `path` is complete already; renamed at the end."""
    with open(path + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(os.path.join(path, ".complete")):
            yield None
            return
        shutil.rmtree(path, ignore_errors=True)
        part = path + ".part"
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(part)
        yield part
        open(os.path.join(part, ".complete"), "w", encoding="ascii").close()
        os.rename(part, path)


def _maven(goal, *options):
    repo = os.path.join(cache_dir(), "m2")
    return ["mvn", "-B", "-ntp", "-q", f"-Dmaven.repo.local={repo}", goal, *options]


class Kafka:
    """One fetched version of Kafka: its class path, launcher classes and formatted snapshot."""

    def __init__(self, version, path):
        self.version = version
        self.path = path
        self.libs = os.path.join(path, "libs")
        self.classpath = os.path.join(path, "classes") + ":" + os.path.join(self.libs, "*")

    def at_least(self, *wanted):
        """Whether this is Kafka of that version or a later one."""
        return tuple(int(part) for part in self.version.split(".")[:len(wanted)]) >= wanted

    def has_mirror(self):
        """Whether MirrorMaker 2 is there for this version."""
        return self.version not in WITHOUT_MIRROR

    def copy_snapshot(self, data):
        """Put the snapshot into the data directory of a new node, where this version looks for it."""
        place = _snapshot_in(self.path)
        os.makedirs(os.path.dirname(os.path.join(data, place)), exist_ok=True)
        shutil.copy(os.path.join(self.path, place), os.path.join(data, place))

    def command(self, main, *arguments, jvm=JVM_SERVER, properties=()):
        """The command line that runs a class of this version."""
        options = [f"-D{name}" for name in properties]
        return [java(), *jvm, *options, "-cp", self.classpath, main, *arguments]


def fetch_kafka(version=KAFKA_VERSION):
    """Fetch a version of Kafka unless it is there, and return it."""
    path = os.path.join(cache_dir(), f"kafka-lab-{version}")
    source = os.path.join(HERE, "KafkaNodes.java")
    with _building(path) as part:
        if part:
            kafka = Kafka(version, part)
            run(_maven("dependency:copy-dependencies", "-f", os.path.join(HERE, "kafka.pom.xml"),
                       f"-Dkafka.version={version}", *(["-Pmirror"] if kafka.has_mirror() else []),
                       "-DincludeScope=runtime",
                       "-DexcludeArtifactIds=slf4j-reload4j",
                       f"-DoutputDirectory={os.path.join(part, 'libs')}"), f"fetching Kafka {version}")
            _compile(part, source)
            _format(kafka, part)
    kafka = Kafka(version, path)
    compiled = os.path.join(path, "classes", "KafkaNodes.class")
    if os.path.getmtime(compiled) < os.path.getmtime(source):
        _compile(path, source)
    return kafka


def _compile(path, source):
    classes = os.path.join(path, "classes")
    os.makedirs(classes, exist_ok=True)
    run([javac(), "--release", "11", "-cp", os.path.join(path, "libs", "*"), "-d", classes, source],
        "compiling the broker launcher")


def _snapshot_in(directory):
    """The place of the snapshot below a directory that has one."""
    for place in SNAPSHOTS:
        if os.path.exists(os.path.join(directory, place)):
            return place
    raise LabError(f"{directory}: no snapshot of a formatted node, neither {' nor '.join(SNAPSHOTS)}")


def _format(kafka, path):
    """Format one throw-away node with Kafka's own tool and keep its snapshot: it is the same for
    every node of this version, and copying it is twenty times faster than running the tool."""
    data = os.path.join(path, "format")
    config = os.path.join(path, "format.properties")
    with open(config, "w", encoding="ascii") as out:
        out.write("process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"
                  "controller.quorum.voters=1@127.0.0.1:1\nlisteners=PLAINTEXT://127.0.0.1:2,"
                  "CONTROLLER://127.0.0.1:1\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,"
                  f"CONTROLLER:PLAINTEXT\nlog.dirs={data}\n")
    run(kafka.command("kafka.tools.StorageTool", "format", "-t", random_uuid(), "-c", config),
        "formatting a node")
    place = _snapshot_in(data)
    os.makedirs(os.path.dirname(os.path.join(path, place)), exist_ok=True)
    shutil.move(os.path.join(data, place), os.path.join(path, place))
    shutil.rmtree(data)
    os.unlink(config)


def fetch_registry(version=REGISTRY_VERSION):
    """Fetch the schema registry unless it is there; returns the directory of its jars."""
    path = os.path.join(cache_dir(), f"registry-{version}")
    with _building(path) as part:
        if part:
            # dependency:copy takes the one file; resolving it as a dependency would want the
            # parent of its pom, which is not published.
            run(_maven("dependency:copy",
                       f"-Dartifact=io.apicurio:apicurio-registry-app:{version}:tar.gz:all",
                       f"-DoutputDirectory={part}"), f"fetching the schema registry {version}")
            archive = os.path.join(part, f"apicurio-registry-app-{version}-all.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(part)
            os.unlink(archive)
    return path
