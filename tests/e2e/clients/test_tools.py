# SPDX-License-Identifier: Apache-2.0
"""Kafka's own command-line tools, Streams and Connect, and kcat: what they print through the gateway is what they print
on the brokers, but for names, ids and times.  All of them only with --full: each call starts a JVM.

TransactionalMessageCopier has no option for a login and takes no properties file, so it cannot reach the gateway; the
word count copies from topic to topic in transactions, offsets included, as it does.
"""

import json
import os
import re
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor

import kafkalab
import pytest
from lib.wait import wait_until
from runner import Running

pytestmark = pytest.mark.full
WAIT = 90


class Tools:
    """The tools at one Way; names are those of the run, results have them as RUN-SOMETHING."""

    def __init__(self, way, lab, directory, run):
        self.way = way
        self.lab = lab
        self.directory = os.path.join(directory, way.name)
        self.run_word = run + way.name[0]
        os.makedirs(self.directory)
        self.config = os.path.join(self.directory, "client.properties")
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(way.target.java())

    def name(self, what):
        """The name of a topic or group of this run."""
        return f"{self.way.prefix}{self.run_word}-{what}"

    def clean(self, text):
        """Without prefix and run word."""
        return (text.replace(self.way.prefix, "") if self.way.prefix else text).replace(self.run_word, "RUN")

    def program(self, *command, stdin=None):
        """Runs one to its end: (status, output, errors), names cleaned."""
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=WAIT, check=False,
                              env=dict(self.lab.env(), **self.way.environment(self.run_word)), cwd=self.directory)
        print(f"--- {self.way.name}: {' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.returncode, self.clean(done.stdout), self.clean(done.stderr)

    def __call__(self, tool, *arguments, config="--command-config", stdin=None):
        """The output of one of Kafka's tools; its exit status must be 0."""
        status, output, errors = self.program(
            os.path.join(self.lab.bin, tool), "--bootstrap-server", self.way.bootstrap, config, self.config,
            *arguments, stdin=stdin)
        assert status == 0, f"{tool} at {self.way.name}: {status}\n{errors}"
        return output

    def lines(self, tool, *arguments, **options):
        """The lines of the output that speak of this run, sorted."""
        return sorted(line.strip() for line in self(tool, *arguments, **options).splitlines() if "RUN" in line)

    def create(self, what, partitions=1):
        """A topic, once it shows."""
        self("kafka-topics", "--create", "--topic", self.name(what), "--partitions", str(partitions),
             "--replication-factor", "1")
        wait_until(lambda: f"RUN-{what}" in self("kafka-topics", "--list").split(), f"{what} shows", WAIT)

    def produce(self, what, values):
        """By the console producer."""
        self("kafka-console-producer", "--topic", self.name(what), config="--producer.config",
             stdin="".join(value + "\n" for value in values))

    def consume(self, what, count, *more):
        """By the console consumer, sorted."""
        out = self("kafka-console-consumer", "--topic", self.name(what), "--from-beginning", "--max-messages", str(count),
                   "--timeout-ms", "40000", *more, config="--consumer.config")
        return sorted(line for line in out.splitlines() if not line.startswith("Option --"))


@pytest.fixture
def both(ways, lab, tmp_path):
    """both(script): script(Tools) of either way, side by side; the two results must be equal, one is returned."""
    def run_both(script):
        tools = [Tools(way, lab, str(tmp_path), f"t{secrets.token_hex(3)}") for way in ways]
        with ThreadPoolExecutor(len(tools)) as pool:
            direct, gateway = pool.map(script, tools)
        assert gateway == direct
        return direct
    return run_both


def test_topics(both):
    """kafka-topics: create, describe, alter, list, delete."""
    def described(tools, *more):
        text = "\n".join(tools.lines("kafka-topics", "--describe", "--topic", tools.name("t"), *more))
        text = re.sub(r"TopicId: \S+\t*", "", text)
        return re.sub(r"(Leader|Replicas|Isr|Elr|LastKnownElr): ?\S*\s*", "", text)

    def script(tools):
        tools.create("t", 3)
        seen = [described(tools)]
        tools("kafka-topics", "--alter", "--topic", tools.name("t"), "--partitions", "5")
        wait_until(lambda: "PartitionCount: 5" in described(tools), "the partitions show", WAIT)
        seen += [described(tools), tools.lines("kafka-topics", "--list")]
        tools("kafka-topics", "--delete", "--topic", tools.name("t"))
        wait_until(lambda: not tools.lines("kafka-topics", "--list"), "it is gone", WAIT)
        status, _, errors = tools.program(os.path.join(tools.lab.bin, "kafka-topics"), "--bootstrap-server",
                                          tools.way.bootstrap, "--command-config", tools.config, "--describe",
                                          "--topic", tools.name("t"))
        return seen + [status, "does not exist as expected" in errors]

    seen = both(script)
    assert "PartitionCount: 3" in seen[0] and "PartitionCount: 5" in seen[1]
    assert seen[2:] == [["RUN-t"], 1, True]


def test_configs(both):
    """kafka-configs: describe, alter, delete a topic's configuration."""
    def script(tools):
        topic = ("--entity-type", "topics", "--entity-name", tools.name("c"))

        def shows(wanted):
            text = tools("kafka-configs", "--describe", *topic)
            return ("retention.ms=7654321" in text) == wanted
        tools.create("c")
        every = tools("kafka-configs", "--describe", "--all", *topic)
        tools("kafka-configs", "--alter", "--add-config", "retention.ms=7654321,cleanup.policy=compact", *topic)
        wait_until(lambda: shows(True), "the configuration shows", WAIT)
        changed = sorted(word for word in tools("kafka-configs", "--describe", *topic).split() if "=" in word)
        tools("kafka-configs", "--alter", "--delete-config", "retention.ms", *topic)
        wait_until(lambda: shows(False), "the configuration is gone", WAIT)
        return sorted(re.findall(r"^  ([a-z.]+)=(\S*)", every, re.M)), changed

    every, changed = both(script)
    assert dict(every)["retention.ms"] == "604800000" and "retention.ms=7654321" in changed


def test_console_and_groups(both):
    """Console producer and consumer, kafka-consumer-groups: list, describe, reset, delete offsets, delete."""
    def row(tools):
        rows = [line.split() for line in tools("kafka-consumer-groups", "--describe", "--group",
                                               tools.name("g")).splitlines()]
        return sorted(row[:6] for row in rows if row[:2] == ["RUN-g", "RUN-m"])

    def script(tools):
        tools.create("m", 2)
        tools.produce("m", [f"value-{i}" for i in range(30)])
        seen = [tools.consume("m", 30, "--group", tools.name("g"))]
        total = row(tools)
        seen.append((sum(int(r[3]) for r in total), sum(int(r[5]) for r in total), len(total)))
        seen.append(tools.lines("kafka-consumer-groups", "--list"))
        state = tools("kafka-consumer-groups", "--describe", "--group", tools.name("g"), "--state")
        seen.append("Empty" in state)
        tools("kafka-consumer-groups", "--reset-offsets", "--to-earliest", "--execute", "--group", tools.name("g"),
              "--topic", tools.name("m"))
        seen.append([r[3] for r in row(tools)])
        tools("kafka-consumer-groups", "--delete-offsets", "--group", tools.name("g"), "--topic", tools.name("m"))
        seen.append(row(tools))
        # Without offsets the group itself is gone or about to go.
        tools.program(os.path.join(tools.lab.bin, "kafka-consumer-groups"), "--bootstrap-server", tools.way.bootstrap,
                      "--command-config", tools.config, "--delete", "--group", tools.name("g"))
        wait_until(lambda: not tools.lines("kafka-consumer-groups", "--list"), "the group is gone", WAIT)
        return seen

    assert both(script) == [sorted(f"value-{i}" for i in range(30)), (30, 0, 2), ["RUN-g"], True, ["0", "0"], []]


def test_acls(both):
    """kafka-acls where the brokers have no authorizer: both ways say so."""
    def script(tools):
        _, output, errors = tools.program(os.path.join(tools.lab.bin, "kafka-acls"), "--bootstrap-server",
                                          tools.way.bootstrap, "--command-config", tools.config, "--list")
        return re.findall(r"errors\.(\w+Exception)", output + errors)[0]

    assert both(script) == "SecurityDisabledException"


def test_perf_tools(both):
    """Producer and consumer perf test: how many records."""
    def script(tools):
        tools.create("p", 2)
        out = tools("kafka-producer-perf-test", "--topic", tools.name("p"), "--num-records", "2000", "--record-size", "100",
                    "--throughput", "-1", "--producer-props", f"bootstrap.servers={tools.way.bootstrap}",
                    config="--producer.config")
        sent = re.findall(r"^(\d+) records sent, .* 99th", out, re.M)
        out = tools("kafka-consumer-perf-test", "--topic", tools.name("p"), "--messages", "2000", "--hide-header",
                    "--timeout", "40000", config="--consumer.config")
        return sent, out.strip().splitlines()[-1].split(", ")[4]

    assert both(script) == (["2000"], "2000")


def test_verifiable_tools(both):
    """Verifiable producer and consumer: every value acknowledged and consumed."""
    def events(text, kind):
        told = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [event for event in told if event["name"] == kind]

    def script(tools):
        tools.create("v", 3)
        sent = tools("kafka-verifiable-producer", "--topic", tools.name("v"), "--max-messages", "500")
        values = sorted(int(event["value"]) for event in events(sent, "producer_send_success"))
        read = tools("kafka-verifiable-consumer", "--topic", tools.name("v"), "--group-id", tools.name("vg"),
                     "--max-messages", "500", "--reset-policy", "earliest")
        return values, sum(event["count"] for event in events(read, "records_consumed")), \
            events(read, "partitions_assigned")[0]["partitions"]

    values, count, assigned = both(script)
    assert values == list(range(500)) and count == 500
    assert assigned == [{"topic": "RUN-v", "partition": p} for p in range(3)]


def test_kcat(both):
    """Debian's kcat: produce, list, consume, a group, query of offsets."""
    def script(tools):
        conf = [word for key, value in tools.way.target.librdkafka().items() if key != "bootstrap.servers"
                for word in ("-X", f"{key}={value}")]

        def kcat(*arguments, stdin=None):
            status, output, errors = tools.program("kcat", "-b", tools.way.bootstrap, *conf, *arguments, stdin=stdin)
            assert status == 0, errors
            return output
        tools.create("k", 2)
        kcat("-P", "-t", tools.name("k"), "-z", "lz4", stdin="".join(f"k{i}\n" for i in range(20)))
        topics = json.loads(kcat("-L", "-J"))["topics"]
        mine = [(t["topic"], len(t["partitions"])) for t in topics if "RUN" in t["topic"]]
        read = sorted(kcat("-C", "-q", "-e", "-t", tools.name("k"), "-o", "beginning").split())
        grouped = sorted(kcat("-q", "-c", "20", "-X", "auto.offset.reset=earliest", "-G", tools.name("kg"),
                              tools.name("k")).split())
        ends = [kcat("-Q", "-t", f"{tools.name('k')}:{p}:-1") for p in range(2)]
        return mine, read, grouped, sum(int(re.search(r"offset (\d+)", end).group(1)) for end in ends)

    values = sorted(f"k{i}" for i in range(20))
    assert both(script) == ([("RUN-k", 2)], values, values, 20)


def installed(program):
    """A program of tools/install."""
    cache = os.environ.get("TURNOUT_CACHE") or os.path.expanduser("~/.cache/turnout")
    return os.path.join(cache, "clients", "tools", "bin", program)


def test_streams_word_count(both):
    """Streams: repartition and changelog topics, exactly once."""
    lines = ["a rose is a rose", "is a rose"]

    def script(tools):
        tools.create("lines", 2)
        tools.create("counts")
        tools.produce("lines", lines)
        words = sum(len(line.split()) for line in lines)
        status, _, errors = tools.program(installed("wordcount"), os.path.join(tools.directory, "state"), str(words))
        assert status == 0, errors
        out = tools.consume("counts", words, "--property", "print.key=true", "--isolation-level", "read_committed")
        return out, tools.lines("kafka-topics", "--list"), tools.lines("kafka-consumer-groups", "--list")

    counts, topics, groups = both(script)
    assert counts == ["a\t1", "a\t2", "a\t3", "is\t1", "is\t2", "rose\t1", "rose\t2", "rose\t3"]
    assert topics == ["RUN-app-counts-changelog", "RUN-app-words-repartition", "RUN-counts", "RUN-lines"]
    assert groups == ["RUN-app"]


def test_connect_file_source(both):
    """Connect, standalone: the file source writes a file's lines to a topic that Connect creates."""
    def script(tools):
        port = kafkalab.free_ports(1, "127.0.0.1")[0]
        source = os.path.join(tools.directory, "lines.txt")
        with open(source, "w", encoding="utf-8") as out:
            out.writelines(f"line-{i}\n" for i in range(25))
        login = [line for line in tools.way.target.java().splitlines() if not line.startswith("bootstrap")]
        text = "\n".join([f"bootstrap.servers={tools.way.bootstrap}", *login,
                          *(f"producer.{line}" for line in login), *(f"admin.{line}" for line in login),
                          "key.converter=org.apache.kafka.connect.storage.StringConverter",
                          "value.converter=org.apache.kafka.connect.storage.StringConverter",
                          f"offset.storage.file.filename={tools.directory}/offsets", "offset.flush.interval.ms=500",
                          "plugin.discovery=only_scan", f"listeners=http://127.0.0.1:{port}"])
        job = "\n".join(["name=source", "connector.class=org.apache.kafka.connect.file.FileStreamSourceConnector",
                         "tasks.max=1", f"file={source}", f"topic={tools.name('file')}",
                         "topic.creation.default.partitions=1", "topic.creation.default.replication.factor=1"])
        for name, content in (("worker", text), ("job", job)):
            with open(os.path.join(tools.directory, f"{name}.properties"), "w", encoding="utf-8") as out:
                out.write(content + "\n")
        worker = Running([installed("connect"), "worker.properties", "job.properties"], dict(os.environ),
                         tools.directory, "connect")
        try:
            wait_until(lambda: tools.lines("kafka-topics", "--list") or worker.popen.poll() is not None,
                       lambda: worker.text("err")[-4000:], WAIT)
            return tools.lines("kafka-topics", "--list"), tools.consume("file", 25)
        finally:
            print(worker.text("err")[-2000:])
            worker.end(0)

    assert both(script) == (["RUN-file"], sorted(f"line-{i}" for i in range(25)))
