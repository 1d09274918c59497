# SPDX-License-Identifier: Apache-2.0
"""kcat, with its settings in a file (a token is no command-line argument)."""

import os
import subprocess


class Kcat:
    """kcat for one client's properties (Gateway.client()); `directory` keeps the settings file."""

    def __init__(self, properties, directory):
        self.file = os.path.join(str(directory), f"kcat-{os.getpid()}-{id(self)}.properties")
        with open(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            f.writelines(f"{k}={v}\n" for k, v in properties.items())

    def command(self, *arguments):
        return ["kcat", "-F", self.file, *arguments]

    def run(self, *arguments, text=None, check=True, seconds=60):
        """Runs it; returns the finished process."""
        done = subprocess.run(self.command(*arguments), input=text, capture_output=True, text=True,
                              timeout=seconds)
        if check:
            assert done.returncode == 0, f"kcat {arguments}: {done.returncode}: {done.stderr}"
        return done

    def produce(self, topic, lines, *more):
        self.run("-P", "-t", topic, *more, text="\n".join(lines) + "\n")

    def consume(self, topic, *more):
        """All records from the beginning to the end, as lines (sorted, as partitions come in any order)."""
        out = self.run("-C", "-t", topic, "-o", "beginning", "-e", "-q", *more).stdout
        return sorted(out.splitlines())

    def topics(self):
        """Names of the topics that the client sees."""
        return sorted(line.split('"')[1] for line in self.run("-L").stdout.splitlines()
                      if line.strip().startswith("topic "))
