# SPDX-License-Identifier: Apache-2.0
"""What the gateway's own answers should say: LOCAL[api](facts, version, request) gives checks of the answer's body, each of
which returns a complaint or None; or None where the request is not answered but forwarded."""
import re

from generate import ANCHORED

OMITTED = -(1 << 31)
SASL_AUTHENTICATION_FAILED, UNSUPPORTED_SASL_MECHANISM, INVALID_REQUEST = 58, 33, 42
MISMATCHED_ENDPOINT_TYPE, UNSUPPORTED_ENDPOINT_TYPE = 114, 115
INVALID_REGULAR_EXPRESSION, REBALANCE_IN_PROGRESS = 128, 27
PRIVATE_IDS = 1 << 62


def _is(wanted):
    """The answer is exactly this, as far as the version has the fields."""
    def check(got):
        for name, value in got.items():
            if name not in wanted:
                return f"{name} is not expected"
            if value != wanted[name]:
                return f"{name}: {value!r} instead of {wanted[name]!r}"
        return None

    return [check]


def api_versions(facts, version, request):
    """All that is offered, and no feature; KIP-511 on the client's names."""
    software = [request[n] for n in ("ClientSoftwareName", "ClientSoftwareVersion") if n in request]
    good = all(re.fullmatch(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?", text) for text in software)
    keys = [{"ApiKey": api.key, "MinVersion": api.advertised_min, "MaxVersion": api.max} for api in facts.apis]
    return _is({"ErrorCode": 0 if good else INVALID_REQUEST, "ApiKeys": keys if good else [], "ThrottleTimeMs": 0})


def sasl_handshake(facts, version, request):
    good = request["Mechanism"] == "PLAIN"
    return _is({"ErrorCode": 0 if good else UNSUPPORTED_SASL_MECHANISM, "Mechanisms": ["PLAIN"]})


def sasl_authenticate(facts, version, request):
    """The driver has no keys, so that nobody gets in; the text says nothing of why."""
    def check(got):
        if not got["ErrorMessage"]:
            return "no text"
        return _is({**got, "ErrorCode": SASL_AUTHENTICATION_FAILED, "AuthBytes": b"", "SessionLifetimeMs": 0})[0](got)

    return [check]


def init_producer_id(facts, version, request):
    """Only without a transactional id; ids that no cluster gives out."""
    if request["TransactionalId"] is not None:
        return None

    def check(got):
        if not PRIVATE_IDS <= got["ProducerId"] < 2 * PRIVATE_IDS:
            return f"ProducerId: {got['ProducerId']} could be a cluster's own"
        return _is({"ThrottleTimeMs": 0, "ErrorCode": 0, "ProducerEpoch": 0, **{"ProducerId": got["ProducerId"]}})[0](got)

    return [check]


def describe_cluster(facts, version, request):
    kind = request.get("EndpointType", 1)
    error = 0 if kind == 1 else MISMATCHED_ENDPOINT_TYPE if kind == 2 else UNSUPPORTED_ENDPOINT_TYPE
    nodes = facts.present if error == 0 else []
    broker = {"Rack": None, **({"IsFenced": False} if version >= 2 else {})}
    return _is({
        "ThrottleTimeMs": 0, "ErrorCode": error, "ErrorMessage": facts.error_text(error) if error else None, "EndpointType": 1,
        "ClusterId": facts.cluster, "ControllerId": nodes[0] if nodes else -1, "ClusterAuthorizedOperations": OMITTED,
        "Brokers": [{"BrokerId": n, "Host": facts.host, "Port": facts.port + n, **broker} for n in nodes]})


def list_transactions(facts, version, request):
    """A pattern that cannot stand behind the prefix may be answered as not valid."""
    if request.get("TransactionalIdPattern") in ANCHORED:
        return _is({"ThrottleTimeMs": 0, "ErrorCode": INVALID_REGULAR_EXPRESSION, "UnknownStateFilters": [],
                    "TransactionStates": []})
    return None


def list_config_resources(facts, version, request):
    """Of kinds that are all the operator's, and in version 0, there is nothing."""
    kinds = request.get("ResourceTypes", [16])
    if not kinds or {2, 32} & set(kinds):
        return None
    return _is({"ThrottleTimeMs": 0, "ErrorCode": 0, "ConfigResources": []})


def sync_group(facts, version, request):
    """The driver's connection has joined no group: what the request does not say of its own it cannot know."""
    if request.get("ProtocolType") is not None:
        return None
    return _is({"ThrottleTimeMs": 0, "ErrorCode": REBALANCE_IN_PROGRESS, "ProtocolType": None, "ProtocolName": None,
                "Assignment": b""})


# What is answered here because of what the connection did before: with another past it is forwarded.
DEPENDS = ("SyncGroup",)
LOCAL = {"SyncGroup": sync_group, "ListTransactions": list_transactions, "ListConfigResources": list_config_resources,
         "ApiVersions": api_versions, "SaslHandshake": sasl_handshake, "SaslAuthenticate": sasl_authenticate,
         "InitProducerId": init_producer_id, "DescribeCluster": describe_cluster}
