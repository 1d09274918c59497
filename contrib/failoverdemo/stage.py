# SPDX-License-Identifier: Apache-2.0
"""The stage of the demo: two clusters, MirrorMaker 2, the schema registry and two gateways, with the
host names, ports and files of the document mapped to this machine."""

import os

import kafkalab
from kafkalab.gateway import Gateway, random_key
from kafkalab.mirror import SEED as MIRROR_SETTINGS
from kafkalab.ports import is_free

# The `environment:` of the document's two gateways, as it stands there.
GATEWAY1_ENV = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka1:9092,kafka2:9093,kafka3:9094",
    "GATEWAY_ADVERTISED_HOST": "localhost",
    "GATEWAY_MODE": "VCLUSTER",
    "GATEWAY_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "GATEWAY_FEATURE_FLAGS_ANALYTICS": "false",
    "GATEWAY_FEATURE_FLAGS_MULTI_TENANCY": "true",
    "GATEWAY_CLUSTER_ID": "private",
    "GATEWAY_BACKEND_KAFKA_SELECTOR": "file : { path:  /config/clusters.yaml}",
}
GATEWAY2_ENV = {**GATEWAY1_ENV, "GATEWAY_START_PORT": "7969"}

CLUSTERS_YAML = """\
config:
  main:
    bootstrap.servers: kafka1:9092,kafka2:9093,kafka3:9094

  failover:
    bootstrap.servers: failover-kafka1:9092,failover-kafka2:9093,failover-kafka3:9094
    gateway.roles: failover
"""

# name of a port option: (default, how many ports from there on, what listens)
PORTS = {
    "main-port": (19092, 3, "the brokers of main"),
    "failover-port": (29092, 3, "the brokers of failover"),
    "gateway1-port": (6969, 3, "gateway1"),
    "gateway2-port": (7969, 3, "gateway2"),
    "admin1-port": (8888, 1, "the admin API of gateway1"),
    "admin2-port": (8889, 1, "the admin API of gateway2"),
    "registry-port": (8081, 1, "the schema registry"),
}


class Stage:
    """Everything that runs, below `directory`; ports as in PORTS."""

    def __init__(self, directory, ports, version, registry=True):
        self.directory = os.path.abspath(directory)
        self.config_dir = os.path.join(self.directory, "config")
        self.ports = ports
        self.version = version
        self.with_registry = registry
        self.lab = None
        self.gateways = []
        self.environments = self._gateway_env()

    # -- the document's names here ---------------------------------------------------------------

    def _names(self):
        names = []
        for index in range(3):
            # The longer name first: failover-kafka1 ends in kafka1.
            names.append((f"failover-kafka{index + 1}:{9092 + index}",
                          f"localhost:{self.ports['failover-port'] + index}"))
        for index in range(3):
            names.append((f"kafka{index + 1}:{9092 + index}", f"localhost:{self.ports['main-port'] + index}"))
        return names + [("/config/", self.config_dir + "/")]

    def here(self, text):
        """A text of the document with its container names and paths replaced by what is here."""
        for theirs, ours in self._names():
            text = text.replace(theirs, ours)
        return text

    def command(self, text):
        """A command line of the document; it changes only where a port was moved by an option."""
        for option, (default, count, _) in PORTS.items():
            for index in range(count):
                text = text.replace(f"localhost:{default + index}", f"localhost:@{option}+{index}@")
        for option, (_, count, _) in PORTS.items():
            for index in range(count):
                text = text.replace(f"@{option}+{index}@", str(self.ports[option] + index))
        return text

    def clusters_yaml(self):
        """The document's clusters.yaml with the addresses of this machine."""
        return self.here(CLUSTERS_YAML)

    def mirror_text(self):
        """The document's mm2.properties (its settings) with the addresses of this machine."""
        return self.here(MIRROR_SETTINGS.format(main="kafka1:9092,kafka2:9093,kafka3:9094",
                                                failover="failover-kafka1:9092,failover-kafka2:9093,"
                                                         "failover-kafka3:9094"))

    def processes(self):
        """One line for each process that runs."""
        every = self.lab.processes() + [gateway.process for gateway in self.gateways]
        return [f"{p.name} of {os.path.basename(p.directory)}: pid {p.pid()}, log {p.log_path}"
                for p in every if p.alive()]

    # -- start and stop --------------------------------------------------------------------------

    def ports_taken(self):
        """One sentence for each port that somebody else has, with the option that moves it."""
        faults = []
        for option, (_, count, what) in PORTS.items():
            if option == "registry-port" and not self.with_registry:
                continue
            for port in range(self.ports[option], self.ports[option] + count):
                if not is_free("0.0.0.0", port):
                    faults.append(f"port {port} ({what}) is taken by another process: move it with --{option} N")
        return faults

    def start_clusters(self):
        """Both clusters, then MirrorMaker and the registry, which come up in the background."""
        self.lab = kafkalab.Lab(os.path.join(self.directory, "lab"), self.version)
        for name in ("main", "failover"):
            first = self.ports[f"{name}-port"]
            self.lab.add_cluster(name, ports=[first, first + 1, first + 2])
        self.lab.start()
        self.lab.start_mirror()
        if self.with_registry:
            self.lab.start_registry(self.ports["registry-port"])

    def _gateway_env(self):
        """The environments of the two gateways: the document's, and what has to be added."""
        added = {
            "GATEWAY_ADMIN_API_USERS": "[{username: admin, password: conduktor, admin: true}]",
            "GATEWAY_USER_POOL_SECRET_KEY": random_key(),
        }
        first = {key: self.here(value) for key, value in GATEWAY1_ENV.items()} | added
        second = {key: self.here(value) for key, value in GATEWAY2_ENV.items()} | added
        if self.ports["gateway1-port"] != 6969:
            first["GATEWAY_START_PORT"] = str(self.ports["gateway1-port"])
        if self.ports["admin1-port"] != 8888:
            first["GATEWAY_HTTP_PORT"] = str(self.ports["admin1-port"])
        second["GATEWAY_START_PORT"] = str(self.ports["gateway2-port"])
        second["GATEWAY_HTTP_PORT"] = str(self.ports["admin2-port"])
        return first, second

    def start_gateways(self):
        """clusters.yaml and two gateways that share it, as the document's containers do."""
        os.makedirs(self.config_dir, exist_ok=True)
        with open(os.path.join(self.config_dir, "clusters.yaml"), "w", encoding="utf-8") as out:
            out.write(self.clusters_yaml())
        for index, env in enumerate(self.environments, start=1):
            self.gateways.append(Gateway(
                os.path.join(self.directory, f"gateway{index}"), os.path.join(self.config_dir, "turnout.yaml"),
                env, http_port=self.ports[f"admin{index}-port"], port=self.ports[f"gateway{index}-port"],
                name=f"gateway{index}"))
        for gateway in self.gateways:
            gateway.start(wait=False)
        for gateway in self.gateways:
            gateway.wait_ready()

    def stop(self):
        """End everything, gateways first; the files stay."""
        for gateway in self.gateways:
            gateway.stop()
        if self.lab:
            self.lab.stop()

    @classmethod
    def stop_directory(cls, directory):
        """End what an earlier run with --keep left running in `directory`."""
        for index in (1, 2):
            kafkalab.Process(os.path.join(directory, f"gateway{index}"), f"gateway{index}").stop()
        kafkalab.Lab.open(os.path.join(directory, "lab")).stop()
