# SPDX-License-Identifier: Apache-2.0
"""Real Apache Kafka on one small machine, for the failover demo and the end-to-end tests.

Owns: fetching Kafka (artefacts), processes that are ended by pid (procs), clusters of KRaft brokers
(cluster), command-line tools under Kafka's usual names (tools), MirrorMaker 2 (mirror), a schema
registry (registry) and turnoutd beside them (gateway).  Standard library only.
Must not: touch anything outside the directory it is given and the cache, or end a process that it
did not start.  Start at lab.py; contrib/kafka-lab is the command line.
"""

from .artefacts import (KAFKA_VERSION, NEWEST_VERSION, LabError, cache_dir, fetch_kafka, fetch_registry,
                        install_missing)
from .cluster import Cluster
from .gateway import ApiError, Gateway, find_binary
from .lab import Lab
from .mirror import Mirror
from .ports import free_ports, wait_port
from .procs import Process
from .registry import Registry
from .tools import write_tools

__all__ = [
    "KAFKA_VERSION", "NEWEST_VERSION", "ApiError", "LabError", "cache_dir", "fetch_kafka", "fetch_registry", "Cluster",
    "Gateway", "install_missing", "find_binary", "Lab", "Mirror", "free_ports", "wait_port", "Process", "Registry",
    "write_tools",
]
