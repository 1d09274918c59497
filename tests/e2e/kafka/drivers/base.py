# SPDX-License-Identifier: Apache-2.0
"""What every client can be asked to do, and where it connects to."""


class Failed(Exception):
    """A client's call was refused; `code` is the name of the error as that client spells it."""

    def __init__(self, code, text=""):
        super().__init__(f"{code} {text}".strip())
        self.code = code


class Target:
    """An address, with the credentials of a tenant where it is a gateway."""

    def __init__(self, bootstrap, user=None, token=None):
        self.bootstrap = bootstrap
        self.user = user
        self.token = token

    def librdkafka(self, **more):
        """The configuration of librdkafka's clients."""
        conf = {"bootstrap.servers": self.bootstrap, **more}
        if self.token:
            conf.update({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                         "sasl.username": self.user, "sasl.password": self.token})
        return conf

    def python(self, **more):
        """The keyword arguments of kafka-python and aiokafka."""
        conf = {"bootstrap_servers": self.bootstrap.split(","), **more}
        if self.token:
            conf.update(security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN",
                        sasl_plain_username=self.user, sasl_plain_password=self.token)
        return conf

    def java(self):
        """The lines of a properties file."""
        lines = [f"bootstrap.servers={self.bootstrap}"]
        if self.token:
            lines += ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN",
                      "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
                      f"username='{self.user}' password='{self.token}';"]
        return "\n".join(lines) + "\n"


class Driver:
    """One client library at one target.  A call that the server refuses raises Failed.

    lab: the kafkalab.Lab whose command-line tools are used; directory: for temporary files.
    """

    name = "none"
    # A call takes seconds.
    slow = False

    def __init__(self, target, lab, directory):
        self.target = target
        self.lab = lab
        self.directory = directory

    def create(self, topic, partitions):
        """Create a topic with one replica."""
        raise NotImplementedError

    def delete(self, topic):
        """Delete a topic."""
        raise NotImplementedError

    def topics(self):
        """The set of topic names that can be seen."""
        raise NotImplementedError

    def describe(self, topic):
        """{"partitions": n, "replicas": n} and where the client can, "cleanup.policy"."""
        raise NotImplementedError

    def produce(self, topic, values):
        """Send all values with acks=all; returns how many were acknowledged."""
        raise NotImplementedError

    def consume(self, topic, group, count):
        """Join the group, read `count` values from its offsets on, commit, leave; returns them."""
        raise NotImplementedError

    def committed(self, topic, group):
        """The sum of the group's committed offsets of the topic."""
        raise NotImplementedError

    def lag(self, topic, group):
        """How many records the group has not committed."""
        raise NotImplementedError

    def groups(self):
        """The set of group names that can be seen."""
        raise NotImplementedError

    def close(self):
        """Close what is open."""
