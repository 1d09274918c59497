# SPDX-License-Identifier: Apache-2.0
"""Both sides of a gateway for tests by raw frames: a tenant of it, and the brokers behind it."""

from lib import rawclient as rc
from lib.rawclient import RawClient
from lib.wait import wait_until
from world import USER

NOT_NOW = (3, 5, 6, 9, 14, 15, 16, 51)  # errors of a topic or coordinator that is not there yet


class Peer:
    """Somebody to connect to: an address and, for gateways, a login. All connections are closed by close()."""

    def __init__(self, address, login=None):
        self.address, self.login, self.open = address, login, []

    def connect(self, address=None, **options):
        """A new connection, to the first address unless told another."""
        self.open.append(RawClient(address or self.address, self.login, **options))
        return self.open[-1]

    def close(self):
        for client in self.open:
            client.close()

    def _metadata(self, topics):
        with RawClient(self.address, self.login) as client:
            return client.call(rc.METADATA, 5, {"Topics": topics and [{"Name": t} for t in topics]})

    def nodes(self):
        """{node: (host, port)}."""
        return {b["NodeId"]: (b["Host"], b["Port"]) for b in self._metadata([])["Brokers"]}

    def topics(self):
        """Every topic name there is."""
        return {t["Name"] for t in self._metadata(None)["Topics"]}

    def leader_id(self, topic, partition=0):
        """The node that leads a partition, once there is one."""
        def look():
            answer, = self._metadata([topic])["Topics"]
            leads = {p["PartitionIndex"]: p["LeaderId"] for p in answer["Partitions"]}
            return leads.get(partition, -1) >= 0 and (leads[partition],)
        return wait_until(look, f"a leader of {topic}", 30)[0]

    def leader(self, topic, partition=0, **options):
        """A connection to the node that leads a partition."""
        node = self.leader_id(topic, partition)
        return self.connect(self.nodes()[node], **options)

    def coordinator(self, key, key_type=0):
        """A connection to the coordinator of a group (0) or transactional id (1)."""
        def look():
            with RawClient(self.address, self.login) as client:
                answer = client.call(rc.FIND_COORDINATOR, 3, {"Key": key, "KeyType": key_type})
            return answer["ErrorCode"] == 0 and (answer["Host"], answer["Port"])
        return self.connect(wait_until(look, f"a coordinator of {key}", 60))

    # -- what many tests do ----------------------------------------------------------------------

    def create(self, topic, partitions=1, replicas=1, configs=None, assignments=None):
        """Creates a topic; returns its name."""
        body = {"Topics": [{"Name": topic, "NumPartitions": partitions, "ReplicationFactor": replicas,
                            "Configs": [{"Name": k, "Value": v} for k, v in (configs or {}).items()]}]}
        if assignments:
            body["Topics"][0].update(NumPartitions=-1, ReplicationFactor=-1, Assignments=[
                {"PartitionIndex": i, "BrokerIds": ids} for i, ids in enumerate(assignments)])
        with RawClient(self.address, self.login) as client:
            answer, = client.call(rc.CREATE_TOPICS, 5, body)["Topics"]
        assert answer["ErrorCode"] in (0, 36), answer
        self.leader_id(topic)
        return topic

    def produce(self, topic, values, partition=0, **options):
        """Writes records; returns (error, base offset)."""
        with self.leader(topic, partition) as client:
            def write():
                done = rc.produced(client.call(rc.PRODUCE, 7, rc.produce_body(
                    topic, rc.batch(values, **options), partition)))
                return done[0] not in NOT_NOW and (done,)
            return wait_until(write, f"{topic} takes records", 30)[0]

    def end(self, topic, partition=0):
        """The high watermark."""
        with self.leader(topic, partition) as client:
            answer = client.call(rc.LIST_OFFSETS, 2, {"Topics": [{"Name": topic, "Partitions": [
                {"PartitionIndex": partition, "Timestamp": -1}]}]})
        return answer["Topics"][0]["Partitions"][0]["Offset"]

    def commit(self, group, topic, offset):
        """Commits an offset for a group without members."""
        client = self.coordinator(group)

        def write():
            answer = client.call(rc.OFFSET_COMMIT, 5, {"GroupId": group, "Topics": [
                {"Name": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": offset}]}]})
            return answer["Topics"][0]["Partitions"][0]["ErrorCode"] == 0
        wait_until(write, f"{group} takes a commit", 30)

    def committed(self, group, topic):
        """The committed offset, -1 for none."""
        answer = self.coordinator(group).call(rc.OFFSET_FETCH, 5, {"GroupId": group, "Topics": [
            {"Name": topic, "PartitionIndexes": [0]}]})
        return answer["Topics"][0]["Partitions"][0]["CommittedOffset"]

    def groups(self):
        """Every group that any node lists."""
        found = set()
        for address in self.nodes().values():
            with RawClient(address, self.login) as client:
                found |= {g["GroupId"] for g in client.call(rc.LIST_GROUPS, 2)["Groups"]}
        return found

    def producer(self, transactional_id, coordinator=None, **more):
        """InitProducerId of a transactional id: (error, producer id, epoch)."""
        client = coordinator or self.coordinator(transactional_id, 1)

        def ask():
            answer = client.call(rc.INIT_PRODUCER_ID, 4, {"TransactionalId": transactional_id, **more})
            done = answer["ErrorCode"], answer["ProducerId"], answer["ProducerEpoch"]
            return done[0] not in NOT_NOW and done
        return wait_until(ask, f"a producer id for {transactional_id}", 30)


def tenant(gateway, name):
    """A tenant of a world.LabGateway."""
    return Peer(gateway.address, (USER, gateway.target(name).token))


def brokers(cluster):
    """The brokers of a kafkalab.Cluster, by physical names."""
    host, port = cluster.bootstrap.split(",")[0].rsplit(":", 1)
    return Peer((host, int(port)))
