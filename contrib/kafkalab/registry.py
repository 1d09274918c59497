# SPDX-License-Identifier: Apache-2.0
"""A schema registry that keeps its schemas in the topic `_schemas` of one cluster.

The one of the original document cannot be fetched from a Maven repository; Apicurio speaks the same
API at /apis/ccompat/v7.  No step uses it but the topic that it makes.
"""

import os
import time
import urllib.error
import urllib.request

from .artefacts import JVM_SERVER, LabError, fetch_registry, java
from .procs import Process


class Registry:
    """One registry process in `directory`."""

    def __init__(self, directory, bootstrap, port=8081, host="127.0.0.1"):
        self.directory = directory
        self.bootstrap = bootstrap
        self.port = port
        self.host = host
        self.process = Process(directory, "schema-registry")

    @property
    def url(self):
        """Where it serves the usual schema registry API."""
        return f"http://{self.host}:{self.port}/apis/ccompat/v7"

    def start(self, die_with_parent=False):
        """Start it; wait_ready() waits for its API."""
        home = fetch_registry()
        env = dict(os.environ, APICURIO_STORAGE_KIND="kafkasql",
                   APICURIO_KAFKASQL_BOOTSTRAP_SERVERS=self.bootstrap,
                   APICURIO_KAFKASQL_TOPIC="_schemas", QUARKUS_HTTP_HOST=self.host,
                   QUARKUS_HTTP_PORT=str(self.port))
        jar = [name for name in os.listdir(home) if name.endswith("-runner.jar")]
        if len(jar) != 1:
            raise LabError(f"no runner in {home}: remove that directory and try again")
        os.makedirs(self.directory, exist_ok=True)
        command = [java(), *JVM_SERVER, "-jar", os.path.join(home, jar[0])]
        self.process.start(command, env=env, cwd=self.directory, die_with_parent=die_with_parent)
        return self

    def ready(self):
        """Whether the API answers."""
        try:
            with urllib.request.urlopen(self.url + "/subjects", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def wait_ready(self, seconds=180):
        """Wait until the API answers; LabError with the log's end if not."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            if time.monotonic() > deadline or not self.process.alive():
                raise LabError(f"the schema registry does not come up\n{self.process.log_tail()}")
            time.sleep(0.2)

    def stop(self):
        """End it."""
        self.process.stop(grace=0)
