# SPDX-License-Identifier: Apache-2.0
"""What a request that is refused as a whole should be answered with, by what Kafka's own getErrorResponse() does: one error
everywhere, beside the names and partitions of the request, and nothing else that could say anything."""
from codec import UNKNOWN
from expect import rule_of

UNAUTHORIZED = (29, 30, 31, 53)  # topic, group, cluster, transactional id
NAMES = ("name", "topic", "resource_name", "coordinator_key")
# Errors of topics, which a fetch as such does not have: clients would ask again for ever.
OF_TOPICS = (3, 17, 29)


# Names are compared with names of their kind.
KINDS = {"topicName": "topics", "groupId": "groups", "transactionalId": "transactions"}
# Errors stand only beside what there is none of.
WITHOUT_ERROR = ("DescribeLogDirs", 3)  # API, the version that has one for the whole


class Seen:
    """The leaves of a message that a refusal is judged by."""

    def __init__(self, message, value, version):
        self.names, self.partitions, self.codes, self.texts, self.others, self.version = {}, [], [], [], [], version
        self._struct(message, message.fields, value)

    def _struct(self, message, fields, value):
        for field in fields:
            if field.name in ("Cursor", "ForgottenTopicsData") or field.name not in value or value[field.name] is None:
                continue
            items = value[field.name] if field.is_array else [value[field.name]]
            for item in items:
                if field.fields is not None:
                    self._struct(message, field.fields, item)
                else:
                    self._leaf(message, field, item)
        if UNKNOWN in value and message.kind == "response":
            self.others.append(f"unknown tags in {message.name}")

    def _leaf(self, message, field, item):
        rule = rule_of(message, field)
        if rule in NAMES:
            self.names.setdefault(KINDS.get(field.entity, "key"), []).append(item)
        elif field.name.endswith("ErrorCode"):
            self.codes.append((field.path, item))
        elif field.type == "string" and field.name.endswith("ErrorMessage"):
            self.texts.append(item)
        elif field.name in ("Partition", "PartitionIndex", "PartitionIndexes", "Partitions", "PartitionId", "Index"):
            self.partitions.append(item)
        elif field.type in ("string", "bytes", "records") and item:
            self.others.append(item)


def complaint(facts, messages, api, version, request, answer, error):
    """What is wrong with the answer to a request that was refused with this error (0: the user may not), or None."""
    asked = Seen(messages[api.name + "Request"], request, version)
    got = Seen(messages[api.name + "Response"], answer, version)
    codes = {code for path, code in got.codes if not (api.name == "Fetch" and path == "ErrorCode" and code == 0)}
    allowed = set(UNAUTHORIZED) if error == 0 else {error}
    if not codes <= allowed:
        return f"its errors are {sorted(codes)} instead of {sorted(allowed)}"
    if api.name == "Fetch" and error not in (0, *OF_TOPICS) and version >= 7 and ("ErrorCode", error) not in got.codes:
        return "the fetch itself has no error"
    if not got.codes and asked.partitions and not (api.name == WITHOUT_ERROR[0] and version < WITHOUT_ERROR[1]):
        return "it says no error"
    for kind, names in got.names.items():
        if any(names) and names != asked.names.get(kind):
            return f"it names {names}, the request names {asked.names}"
    if got.partitions and got.partitions != asked.partitions:
        return f"it has the partitions {got.partitions}, the request {asked.partitions}"
    for text in got.texts:
        if text not in {facts.error_text(code) for code in codes}:
            return f"a text is {text!r}"
    given = set(asked.others)
    others = [item for item in got.others if item not in given]
    return f"it has {others[0]!r}, which is not from the request" if others else None
