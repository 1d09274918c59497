# SPDX-License-Identifier: Apache-2.0
"""ACLs of tenants, kept by brokers with Kafka's own authorizer: what is stored there, what each tenant sees and can
delete, and what is refused; and what a cluster without authorizer says."""

import contextlib
import os
import subprocess

import kafkalab
import pytest
import world
from kafka.protocol.admin import (
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse)
from lib.wait import wait_until
from lib.wire import Raw, login
from messages import talk
from world import physical

RAW = True
ANY, TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, DELEGATION_TOKEN, USER = 1, 2, 3, 4, 5, 6, 7
MATCH, LITERAL, PREFIXED = 2, 3, 4
READ, WRITE, DESCRIBE = 3, 4, 8
DENY, ALLOW = 2, 3
INVALID_REQUEST, SECURITY_DISABLED = 42, 54
BLUE, GREEN = "blue", "green"


@pytest.fixture(scope="module")
def guarded(lab):
    """A cluster of one broker with the authorizer; everybody who comes without a login may do everything."""
    host = world.HOSTS["doomed"]
    cluster = kafkalab.Cluster(lab.kafka, lab.directory + "/guarded", "guarded", kafkalab.free_ports(1, host),
                               host=host, cluster_id=world.CLUSTER_IDS["doomed"],
                               settings={"authorizer.class.name":
                                         "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                                         "super.users": "User:ANONYMOUS"})
    try:
        yield cluster.start(die_with_parent=True)
    finally:
        cluster.clean()


@pytest.fixture(scope="module")
def gateway(make_gateway, guarded):
    return make_gateway({"main": guarded}, vclusters=[BLUE, GREEN])


@pytest.fixture
def blue(gateway):
    with login(gateway, BLUE) as raw:
        yield raw


@pytest.fixture
def green(gateway):
    with login(gateway, GREEN) as raw:
        yield raw


@pytest.fixture
def broker(guarded):
    """A connection to the broker itself; no ACL is left behind."""
    with Raw((guarded.host, guarded.ports[0])) as raw:
        yield raw
        delete(raw, [ALL])
        comes(lambda: describe(raw), set())


def create(raw, acls, version=3):
    """Of (type, name, pattern, principal, host, operation, permission); returns error codes and texts."""
    row = CreateAclsRequest.AclCreation
    request = CreateAclsRequest(creations=[
        row(resource_type=a[0], resource_name=a[1], resource_pattern_type=a[2], principal=a[3], host=a[4],
            operation=a[5], permission_type=a[6]) for a in acls])
    return [(r.error_code, r.error_message) for r in talk(raw, request, version, CreateAclsResponse).results]


def comes(ask, expected):
    """A broker's own view of its ACLs is behind the controller's answer by a moment."""
    found = []

    def there():
        found[:] = [ask()]
        return found[0] == expected

    with contextlib.suppress(AssertionError):
        wait_until(there, "", seconds=20)
    assert found[0] == expected


def make(raw, acls, version=3):
    """create() of what is right, until it is seen."""
    assert create(raw, acls, version) == [(0, "")] * len(acls)
    wait_until(lambda: set(acls) <= describe(raw), "the ACLs are there")


def describe(raw, type=ANY, name=None, pattern=ANY, principal=None, host=None, version=3):
    """A set of ACLs as create() takes them, or an error code."""
    request = DescribeAclsRequest(resource_type_filter=type, resource_name_filter=name, pattern_type_filter=pattern,
                                  principal_filter=principal, host_filter=host, operation=ANY, permission_type=ANY)
    answer = talk(raw, request, version, DescribeAclsResponse)
    if answer.error_code:
        return answer.error_code
    return {(r.resource_type, r.resource_name, r.pattern_type, a.principal, a.host, a.operation, a.permission_type)
            for r in answer.resources for a in r.acls}


def delete(raw, filters, version=3):
    """One (error code, set of ACLs) per filter."""
    row = DeleteAclsRequest.DeleteAclsFilter
    request = DeleteAclsRequest(filters=[
        row(resource_type_filter=f[0], resource_name_filter=f[1], pattern_type_filter=f[2], principal_filter=f[3],
            host_filter=f[4], operation=f[5], permission_type=f[6]) for f in filters])
    return [(r.error_code, {(a.resource_type, a.resource_name, a.pattern_type, a.principal, a.host, a.operation,
                             a.permission_type) for a in r.matching_acls if a.error_code == 0})
            for r in talk(raw, request, version, DeleteAclsResponse).filter_results]


def of(type, name, pattern=LITERAL, principal="User:alice", host="*", operation=READ, permission=ALLOW):
    return type, name, pattern, principal, host, operation, permission


ALL = (ANY, None, ANY, None, None, ANY, ANY)
SOME = [of(TOPIC, "users"), of(TOPIC, "users", principal="User:*", permission=DENY, host="10.0.0.1"),
        of(TOPIC, "*", operation=DESCRIBE), of(TOPIC, "us", PREFIXED, operation=WRITE), of(GROUP, "g"),
        of(GROUP, "*"), of(TRANSACTIONAL_ID, "tx", PREFIXED), of(TRANSACTIONAL_ID, "*")]
# What must stay as it is: of nobody, of everybody, and of a prefix that begins the tenants'.
OTHERS = [of(TOPIC, "*"), of(TOPIC, "users"), of(CLUSTER, "kafka-cluster"), of(TOPIC, "Zq", PREFIXED),
          of(TOPIC, physical(BLUE, "users"), principal="User:operator"),
          of(TOPIC, "outside", principal="User:" + physical(BLUE, "alice"))]


def stored(vcluster, acl):
    """What an ACL of a tenant is on the broker."""
    type, name, pattern, principal, *rest = acl
    pattern, name = (PREFIXED, "") if (name, pattern) == ("*", LITERAL) else (pattern, name)
    return type, physical(vcluster, name), pattern, "User:" + physical(vcluster, principal[5:]), *rest


@pytest.mark.parametrize("version", [1, 2, 3])
def test_stored_behind_the_prefix_and_seen_by_the_tenant_alone(broker, blue, green, version):
    make(broker, OTHERS)
    make(blue, SOME, version)
    make(green, SOME[:3], version)
    comes(lambda: describe(broker), set(OTHERS) | {stored(BLUE, a) for a in SOME} | {
        stored(GREEN, a) for a in SOME[:3]})
    assert describe(blue, version=version) == set(SOME)
    assert describe(green, version=version) == set(SOME[:3])


@pytest.mark.parametrize("type", [ANY, TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, DELEGATION_TOKEN, USER])
@pytest.mark.parametrize("pattern", [ANY, MATCH, LITERAL, PREFIXED])
def test_filters_mean_what_they_mean_on_a_broker(broker, blue, type, pattern):
    """The same ACLs and filters straight on the broker, where nothing else is, and through the gateway."""
    names = (None, "users", "us", "u", "*", "g", "nothing", "usersandmore")
    principals = (None, "User:alice", "User:*", "User:bob", "Group:x")
    questions = [(name, principal) for name in names for principal in principals]
    make(broker, SOME)
    expected = [describe(broker, type, name, pattern, principal) for name, principal in questions]
    delete(broker, [ALL])
    comes(lambda: describe(broker), set())
    make(broker, OTHERS)
    make(blue, SOME)
    for question, wanted in zip(questions, expected):
        assert describe(blue, type, question[0], pattern, question[1]) == wanted, question


def test_delete_of_everything_deletes_ones_own(broker, blue, green):
    make(broker, OTHERS)
    make(blue, SOME)
    make(green, SOME)
    assert delete(blue, [ALL]) == [(0, set(SOME))]
    comes(lambda: describe(broker), set(OTHERS) | {stored(GREEN, a) for a in SOME})
    assert delete(blue, [ALL]) == [(0, set())]
    assert describe(green) == set(SOME)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_several_filters_are_answered_each(broker, blue, version):
    """By position, with all matches of each; also one that names what another does."""
    make(broker, OTHERS)
    make(blue, SOME)
    filters = [(TOPIC, "users", LITERAL, None, None, ANY, ANY), (USER, None, ANY, None, None, ANY, ANY),
               (TOPIC, "users", MATCH, None, None, ANY, ANY), (GROUP, "*", LITERAL, "User:alice", "*", READ, ALLOW),
               (ANY, None, ANY, "User:bob", None, ANY, ANY)]
    topics = {a for a in SOME if a[0] == TOPIC}
    assert delete(blue, filters, version) == [
        (0, {a for a in topics if a[1] == "users"}), (0, set()), (0, topics), (0, {of(GROUP, "*")}), (0, set())]
    left = {a for a in SOME if a[0] != TOPIC} - {of(GROUP, "*")}
    comes(lambda: describe(blue), left)
    comes(lambda: describe(broker), set(OTHERS) | {stored(BLUE, a) for a in left})
    assert delete(blue, [], version) == []


def test_what_cannot_be_made(broker, blue):
    """Each is refused by itself; the others of the request are made."""
    wrong = [of(CLUSTER, "kafka-cluster"), of(DELEGATION_TOKEN, "t"), of(USER, "User:alice"), of(TOPIC, ""),
             of(TOPIC, "x", MATCH), of(TOPIC, "x", ANY), of(TOPIC, "x", principal="Group:x"),
             of(TOPIC, "x", principal="User:"), of(TOPIC, "x", principal="alice"), of(ANY, "x")]
    right = [of(TOPIC, "one"), of(TOPIC, "two")]
    answer = create(blue, [right[0], *wrong, right[1]])
    assert [code for code, _ in answer] == [0, *[INVALID_REQUEST] * len(wrong), 0]
    assert all(text for code, text in answer if code)
    comes(lambda: describe(broker), {stored(BLUE, a) for a in right})
    assert [code for code, _ in create(blue, wrong)] == [INVALID_REQUEST] * len(wrong)


def test_a_broker_refuses_what_it_refuses(broker, blue):
    """Errors of the broker come back at their places, in words of ours."""
    wrong = [of(TOPIC, "one"), of(TOPIC, "x", operation=ANY), of(TOPIC, "two")]
    told = [code for code, _ in create(broker, wrong)]
    assert told[1] != 0
    answer = create(blue, [wrong[0], of(CLUSTER, "x"), *wrong[1:]])
    assert [code for code, _ in answer] == [told[0], INVALID_REQUEST, *told[1:]]
    for _, text in answer:
        assert physical(BLUE, "") not in text


def test_many_acls(broker, blue):
    make(broker, OTHERS)
    many = [of(TOPIC, f"t{i}", principal=f"User:u{i % 7}") for i in range(1000)]
    make(blue, many)
    assert describe(blue) == set(many)
    assert delete(blue, [(TOPIC, None, ANY, "User:u3", None, ANY, ANY), ALL]) == [
        (0, {a for a in many if a[3] == "User:u3"}), (0, set(many))]
    comes(lambda: describe(broker), set(OTHERS))


def test_kafka_acls(broker, gateway, lab, tmp_path):
    """Kafka's own tool adds, lists and removes."""
    properties = os.path.join(str(tmp_path), "client.properties")
    with open(properties, "w", encoding="utf-8") as out:
        out.write(gateway.target(BLUE).java())

    def tool(*words):
        done = subprocess.run(["kafka-acls", "--bootstrap-server", gateway.bootstrap, "--command-config", properties,
                               *words], env=lab.env(), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    make(broker, OTHERS)
    tool("--add", "--allow-principal", "User:alice", "--consumer", "--topic", "users", "--group", "g")
    tool("--add", "--deny-principal", "User:bob", "--operation", "Write", "--topic", "us",
         "--resource-pattern-type", "prefixed")
    shown = tool("--list")
    assert "name=users, patternType=LITERAL" in shown and "principal=User:alice" in shown
    assert "name=us, patternType=PREFIXED" in shown and physical(BLUE, "") not in shown and "outside" not in shown
    assert stored(BLUE, of(TOPIC, "users")) in describe(broker)
    tool("--remove", "--force", "--topic", "users")
    tool("--remove", "--force", "--group", "g")
    comes(lambda: describe(broker), set(OTHERS) | {
        stored(BLUE, of(TOPIC, "us", PREFIXED, "User:bob", operation=WRITE, permission=DENY))})


def test_a_cluster_without_authorizer(make_gateway):
    gateway = make_gateway(vclusters=[BLUE])
    with login(gateway, BLUE) as raw:
        assert describe(raw) == SECURITY_DISABLED
        assert [code for code, _ in create(raw, SOME[:2])] == [SECURITY_DISABLED] * 2
        assert delete(raw, [ALL, ALL]) == [(SECURITY_DISABLED, set())] * 2
