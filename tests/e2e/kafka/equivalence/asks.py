# SPDX-License-Identifier: Apache-2.0
"""What a script consists of: one request each, with placeholders for what only the one who sends it knows."""

import dataclasses


class Name(str):
    """A topic, group or transactional id as a tenant calls it. On the brokers it has the tenant's prefix."""

    def __repr__(self):
        return f"Name({str(self)!r})"


@dataclasses.dataclass(frozen=True)
class ProducerId:
    """The producer id that InitProducerId gave to this transactional id ("" for none)."""
    of: str


@dataclasses.dataclass(frozen=True)
class ProducerEpoch:
    """The epoch beside it, `ahead` of what was given."""
    of: str
    ahead: int = 0


@dataclasses.dataclass(frozen=True)
class Member:
    """The member id that the group gave at the last JoinGroup."""
    group: str


@dataclasses.dataclass(frozen=True)
class Generation:
    """The generation of the group then, `ahead` of it."""
    group: str
    ahead: int = 0


@dataclasses.dataclass(frozen=True)
class Batch:
    """Records of a partition. With a producer (as in ProducerId) they carry the next sequence number, `shift` beside
    it; with transactional they belong to its transaction."""
    topic: str
    partition: int
    values: tuple
    producer: str = None
    shift: int = 0
    transactional: bool = False


@dataclasses.dataclass(frozen=True)
class Subscription:
    """What a member of a group says that it wants, in the consumer protocol."""
    topics: tuple


@dataclasses.dataclass(frozen=True)
class Assignment:
    """What a leader gives to a member, in the consumer protocol: partition 0 of each topic."""
    topics: tuple


@dataclasses.dataclass(frozen=True)
class Ask:
    """One request in the newest version that both sides have, or `back` versions before that one."""
    api: str
    fields: dict
    back: int = 0
