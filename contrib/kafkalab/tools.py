# SPDX-License-Identifier: Apache-2.0
"""Kafka's command-line tools under their usual names, as small scripts in a directory for PATH."""

import os
import shlex

from .artefacts import JVM_TOOL

_T = "org.apache.kafka.tools."
TOOLS = {
    "kafka-topics": _T + "TopicCommand",
    "kafka-console-producer": _T + "ConsoleProducer",
    "kafka-console-consumer": _T + "consumer.ConsoleConsumer",
    "kafka-consumer-groups": _T + "consumer.group.ConsumerGroupCommand",
    "kafka-configs": _T + "ConfigCommand",
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
# Classes that have moved: where they were before 4.4, and before 4.0.
TOOLS_4_3 = {
    "kafka-configs": "kafka.admin.ConfigCommand",
}
TOOLS_3 = {
    "kafka-console-producer": "kafka.tools.ConsoleProducer",
    "kafka-acls": "kafka.admin.AclCommand",
    "kafka-groups": None,
}


# The option for a properties file has changed its name. Kafka 4.3 still takes the old names, but announces their
# end on standard output, in the middle of the records that the original demo pipes into jq: the script gives each
# release the name that it knows.
_RENAME = """\
for word do
    shift
    case $word in
    {old}) word={new} ;;
    esac
    set -- "$@" "$word"
done
"""


def _rename(kafka, name):
    """The lines of a script that change the name of an option, or nothing."""
    if "console" in name and kafka.at_least(4, 2):
        return _RENAME.format(old="--producer.config | --consumer.config", new="--command-config")
    if "verifiable" in name and not kafka.at_least(4, 2):
        return _RENAME.format(old="--command-config", new=f"--{name.rsplit('-', 1)[1]}.config")
    return ""


def write_tools(kafka, directory):
    """Write one script per tool into `directory`; returns it."""
    tools = dict(TOOLS)
    if not kafka.at_least(4, 4):
        tools.update(TOOLS_4_3)
    if not kafka.at_least(4):
        tools.update(TOOLS_3)
    if not kafka.has_mirror():
        tools["connect-mirror-maker"] = None
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
            out.write(f'#!/bin/sh\n# Made by contrib/kafka-lab.\n{_rename(kafka, name)}exec {words} "$@"\n')
        os.chmod(path, 0o755)
    return directory

