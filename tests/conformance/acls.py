# SPDX-License-Identifier: Apache-2.0
"""ACLs: a broker's store of them, played here by Kafka's own rules, and what a tenant should see of it and do to it.

The gateway answers these requests out of questions of its own. judge() hands over a request, answers the questions from a
store with ACLs of the tenant, of others and of nobody, and compares the answer, and the store afterwards, with what the
request means among the tenant's ACLs alone.
"""
from collections import namedtuple

import driver
from codec import Frames

Acl = namedtuple("Acl", "type name pattern principal host operation permission")
ANY, MATCH, LITERAL, PREFIXED = 1, 2, 3, 4
TOPIC, GROUP, CLUSTER, TRANSACTION = 2, 3, 4, 5
FILTER = ("ResourceTypeFilter", "ResourceNameFilter", "PatternTypeFilter", "PrincipalFilter", "HostFilter", "Operation",
          "PermissionType")
CREATION = ("ResourceType", "ResourceName", "ResourcePatternType", "Principal", "Host", "Operation", "PermissionType")
SHOWN = ("ResourceType", "ResourceName", "PatternType", "Principal", "Host", "Operation", "PermissionType")
QUESTIONS_MOST = 50


def matches(wanted, acl):
    """As Kafka's ResourcePatternFilter and AccessControlEntryFilter have it; wanted: a filter as an Acl."""
    if wanted.type not in (ANY, acl.type) or wanted.operation not in (ANY, acl.operation):
        return False
    if wanted.permission not in (ANY, acl.permission) or wanted.host not in (None, acl.host):
        return False
    if wanted.principal not in (None, acl.principal) or wanted.pattern not in (ANY, MATCH, acl.pattern):
        return False
    if wanted.name is None or wanted.name == acl.name:
        return wanted.name is None or wanted.pattern != MATCH or acl.pattern in (LITERAL, PREFIXED)
    if wanted.pattern != MATCH:
        return False
    return acl.name == "*" if acl.pattern == LITERAL else wanted.name.startswith(acl.name)


def virtual(prefix, acl):
    """What the tenant sees of an ACL on the brokers, or None."""
    user = "User:" + prefix
    if acl.type not in (TOPIC, GROUP, TRANSACTION) or not acl.principal.startswith(user) or acl.principal == user:
        return None
    if not acl.name.startswith(prefix):
        return None
    name, principal = acl.name[len(prefix):], "User:" + acl.principal[len(user):]
    if acl.pattern == PREFIXED:
        return acl._replace(principal=principal, **({"name": name} if name else {"name": "*", "pattern": LITERAL}))
    return acl._replace(principal=principal, name=name) if name not in ("", "*") else None


def physical(prefix, acl, aliases):
    """What the tenant's ACL is on the brokers, or None: it can have no such."""
    if acl.type not in (TOPIC, GROUP, TRANSACTION) or acl.pattern not in (LITERAL, PREFIXED) or acl.name == "":
        return None
    if not acl.principal.startswith("User:") or acl.principal == "User:":
        return None
    if acl.type == TOPIC and acl.pattern == LITERAL and acl.name in aliases:
        return None  # the operator's
    out = acl._replace(principal="User:" + prefix + acl.principal[5:], name=prefix + acl.name)
    return out._replace(name=prefix, pattern=PREFIXED) if acl.pattern == LITERAL and acl.name == "*" else out


class Broker:
    """A store that answers requests."""

    def __init__(self, messages, store):
        self.messages, self.store = messages, set(store)

    def answer(self, question):
        """The answer (without its size) to a question (with its size)."""
        key, version = int.from_bytes(question[4:6], "big"), int.from_bytes(question[6:8], "big")
        name = {29: "DescribeAcls", 30: "CreateAcls", 31: "DeleteAcls"}[key]
        frame = Frames(self.messages, self.messages[name + "Request"], version).decode(question[4:])
        body = {"ThrottleTimeMs": 0, **getattr(self, name)(frame["body"])}
        header = {"CorrelationId": frame["header"]["CorrelationId"]}
        return Frames(self.messages, self.messages[name + "Response"], version).encode({"header": header, "body": body})

    def DescribeAcls(self, body):
        wanted = Acl(*(body[n] for n in FILTER))
        resources = {}
        for acl in sorted(a for a in self.store if matches(wanted, a)):
            resources.setdefault(acl[:3], []).append(dict(zip(SHOWN[3:], acl[3:])))
        return {"ErrorCode": 0, "ErrorMessage": None,
                "Resources": [{**dict(zip(SHOWN, head)), "Acls": acls} for head, acls in resources.items()]}

    def CreateAcls(self, body):
        self.store |= {Acl(*(c[n] for n in CREATION)) for c in body["Creations"]}
        return {"Results": [{"ErrorCode": 0, "ErrorMessage": None} for _ in body["Creations"]]}

    def DeleteAcls(self, body):
        results, gone = [], set()
        for item in body["Filters"]:
            found = sorted(a for a in self.store if matches(Acl(*(item[n] for n in FILTER)), a))
            gone |= set(found)
            shown = [{"ErrorCode": 0, "ErrorMessage": None, **dict(zip(SHOWN, a))} for a in found]
            results.append({"ErrorCode": 0, "ErrorMessage": None, "MatchingAcls": shown})
        self.store -= gone
        return {"FilterResults": results}


def make(rng, facts, api):
    """(request body, store) at random."""
    prefix = facts.prefix

    def name(own):
        bare = rng.choice(("", "orders", "orders-1", "o", "*", "x.y", "\u017elu\u0165", *facts.aliases))
        return bare if own else rng.choice((prefix, prefix, prefix, "", "teamB", prefix[:-1])) + bare

    def principal(own):
        bare = rng.choice(("sa", "sb", "*", "", "a b"))
        if own:
            return rng.choice(("User:", "User:", "User:", "Group:", "")) + bare
        return rng.choice(("User:" + prefix, "User:" + prefix, "User:" + prefix, "User:", "User:teamB", "Group:" + prefix)) + bare

    def acl(own):
        return Acl(rng.choice((TOPIC, TOPIC, TOPIC, GROUP, TRANSACTION, CLUSTER, 6)), name(own),
                   rng.choice((LITERAL, LITERAL, PREFIXED) if not own else (LITERAL, LITERAL, PREFIXED, PREFIXED, ANY, MATCH)),
                   principal(own), rng.choice(("*", "10.0.0.1")), rng.choice((2, 3, 4)), rng.choice((2, 3)))

    def wanted():
        out = acl(True)
        return out._replace(
            type=rng.choice((ANY, ANY, out.type)), name=rng.choice((None, None, out.name, out.name)),
            pattern=rng.choice((ANY, ANY, MATCH, LITERAL, PREFIXED)), principal=rng.choice((None, None, out.principal)),
            host=rng.choice((None, None, out.host)), operation=rng.choice((ANY, ANY, out.operation)),
            permission=rng.choice((ANY, ANY, out.permission)))

    store = {acl(False) for _ in range(rng.choice((0, 5, 30, 60)))}
    store |= {p for p in (physical(prefix, acl(True), {}) for _ in range(rng.choice((0, 5, 30)))) if p}
    count = rng.choice((0, 1, 1, 2, 3, 5))
    if api == "DescribeAcls":
        return dict(zip(FILTER, wanted())), store
    if api == "CreateAcls":
        return {"Creations": [dict(zip(CREATION, acl(True))) for _ in range(count)]}, store
    return {"Filters": [dict(zip(FILTER, wanted())) for _ in range(count)]}, store


def _shown(items):
    return sorted(Acl(*(item[n] for n in SHOWN)) for item in items)


def _check_describe(body, answer, mine, _store, _after, _prefix, _aliases):
    wanted = sorted(v for v in mine.values() if matches(Acl(*(body[n] for n in FILTER)), v))
    got = _shown([{**r, **a} for r in answer["Resources"] for a in r["Acls"]])
    if got != wanted or answer["ErrorCode"] != 0:
        return f"shows {got} instead of {wanted}"
    return None


def _check_create(body, answer, _mine, store, after, prefix, aliases):
    wanted = [physical(prefix, Acl(*(c[n] for n in CREATION)), aliases) for c in body["Creations"]]
    errors = [r["ErrorCode"] for r in answer["Results"]]
    if [e == 0 for e in errors] != [w is not None for w in wanted]:
        return f"errors {errors} for {wanted}"
    if after != store | {w for w in wanted if w}:
        return f"made {after - store} instead of {wanted}"
    return None


def _check_delete(body, answer, mine, store, after, _prefix, _aliases):
    gone = set()
    for item, result in zip(body["Filters"], answer["FilterResults"]):
        found = {p: v for p, v in mine.items() if matches(Acl(*(item[n] for n in FILTER)), v)}
        gone |= set(found)
        if _shown(result["MatchingAcls"]) != sorted(found.values()) or result["ErrorCode"] != 0:
            return f"says {result} instead of {sorted(found.values())}"
    if len(body["Filters"]) != len(answer["FilterResults"]):
        return "not a result for each filter"
    if after != store - gone:
        return f"removed {store - after} instead of {gone}"
    return None


CHECKS = {"DescribeAcls": _check_describe, "CreateAcls": _check_create, "DeleteAcls": _check_delete}


def judge(facts, messages, rewriter, api, version, frame, tenant):
    """A complaint, or None. frame: {"header", "body", "store"}."""
    frames = Frames(messages, messages[api.name + "Request"], version)
    broker, before = Broker(messages, frame["store"]), set(frame["store"])
    outcome, out = rewriter("asked", api.key, version, frames.encode(frame), tenant=tenant)
    for _ in range(QUESTIONS_MOST):
        if outcome != driver.QUESTION:
            break
        outcome, out = rewriter("told", api.key, version, broker.answer(out), tenant=tenant)
    if outcome != driver.FRAME:
        return f"no answer: {out.decode(errors='replace')}"
    answer = Frames(messages, messages[api.name + "Response"], version).decode(out[4:])
    if answer["header"]["CorrelationId"] != frame["header"]["CorrelationId"]:
        return f"header: {answer['header']}"
    mine = {p: v for p, v in ((p, virtual(facts.prefix, p)) for p in before) if v}
    aliases = facts.aliases if tenant & 1 else {}
    return CHECKS[api.name](frame["body"], answer["body"], mine, before, broker.store, facts.prefix, aliases)
