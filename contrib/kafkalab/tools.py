# SPDX-License-Identifier: Apache-2.0
"""Kafka's command-line tools under their usual names, as small scripts in a directory for PATH."""

import os
import shlex

from .artefacts import JVM_TOOL, fetch_kafka

_T = "org.apache.kafka.tools."
TOOLS = {
    "kafka-topics": _T + "TopicCommand",
    "kafka-console-producer": _T + "ConsoleProducer",
    "kafka-console-consumer": _T + "consumer.ConsoleConsumer",
    "kafka-consumer-groups": _T + "consumer.group.ConsumerGroupCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-get-offsets": _T + "GetOffsetShell",
    "kafka-verifiable-producer": _T + "VerifiableProducer",
    "kafka-verifiable-consumer": _T + "VerifiableConsumer",
    "kafka-producer-perf-test": _T + "ProducerPerformance",
    "kafka-consumer-perf-test": _T + "ConsumerPerformance",
    "kafka-e2e-latency": _T + "EndToEndLatency",
    "kafka-broker-api-versions": _T + "BrokerApiVersionsCommand",
    "kafka-transactions": _T + "TransactionsCommand",
    "kafka-groups": _T + "GroupsCommand",
    "kafka-acls": _T + "AclCommand",
    "kafka-delete-records": _T + "DeleteRecordsCommand",
    "connect-mirror-maker": "org.apache.kafka.connect.mirror.MirrorMaker",
}
# Classes that moved between the two major versions.
TOOLS_3 = {
    "kafka-console-producer": "kafka.tools.ConsoleProducer",
    "kafka-acls": "kafka.admin.AclCommand",
    "kafka-groups": None,
}


def write_tools(kafka, directory):
    """Write one script per tool into `directory`; returns it."""
    tools = dict(TOOLS)
    if kafka.version.startswith("3."):
        tools.update(TOOLS_3)
    os.makedirs(directory, exist_ok=True)
    for name, main in tools.items():
        if main is None:
            continue
        command = kafka.command(main, jvm=JVM_TOOL, properties=(
            "org.slf4j.simpleLogger.defaultLogLevel=${TOOL_LOG_LEVEL:-warn}",
            "org.slf4j.simpleLogger.logFile=System.err"))
        words = " ".join(f'"{word}"' if "$" in word else shlex.quote(word) for word in command)
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(f'#!/bin/sh\n# Made by contrib/kafka-lab.\nexec {words} "$@"\n')
        os.chmod(path, 0o755)
    return directory


def main_write_tools(version, directory):
    """For callers that have no Kafka object at hand."""
    return write_tools(fetch_kafka(version), directory)
