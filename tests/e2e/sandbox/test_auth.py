# SPDX-License-Identifier: Apache-2.0
"""Who is let in: tokens right and wrong, requests before authentication, the admin API's accounts."""

import os
import re
import stat

import pytest

from lib import tokens, wire
from lib.gateway import ApiError
from lib.wait import wait_until

RAW = True


@pytest.fixture
def known(gateway):
    """A gateway that knows sa of teamA and sb of teamB."""
    gateway.token("teamA", "sa")
    gateway.token("teamB", "sb")
    return gateway


def refuse(gateway, username, token):
    """Logs in, must be refused; returns the message."""
    with wire.Raw(gateway.address) as raw:
        error, message = raw.authenticate(username, token)
        assert error == wire.SASL_AUTHENTICATION_FAILED
        assert message
        assert raw.is_closed(), "a refused connection stays open"
        return message


def test_a_right_token_is_let_in(known):
    for version in (0, 1):
        with wire.Raw(known.address) as raw:
            assert raw.ask(wire.sasl_handshake()).i16() == 0
            answer = raw.ask(wire.sasl_authenticate("sa", tokens.make(known.key, "sa", "teamA"), version))
            assert answer.i16() == 0
            assert wire.read_metadata(raw.ask(wire.metadata([])))[0]


# By kind: the reason that the operator must find in the log, and the user name and token.
WRONG = {
    "none": ("algorithm", lambda key: ("sa", tokens.make(key, "sa", "teamA", algorithm="none"))),
    "none-signed": ("algorithm", lambda key: ("sa", tokens.make(key, "sa", "teamA", header={"alg": "none"}))),
    "None-case": ("algorithm", lambda key: ("sa", tokens.make(key, "sa", "teamA", header={"alg": "nOnE"}))),
    "HS384": ("algorithm", lambda key: ("sa", tokens.make(key, "sa", "teamA", algorithm="HS384"))),
    "HS512": ("algorithm", lambda key: ("sa", tokens.make(key, "sa", "teamA", algorithm="HS512"))),
    "RS256": ("algorithm", lambda key: ("sa", tokens.make(key, "sa", "teamA", header={"alg": "RS256"}))),
    "no-alg": ("malformed", lambda key: ("sa", tokens.make(key, "sa", "teamA", header={"typ": "JWT"}))),
    "expired": ("expired", lambda key: ("sa", tokens.make(key, "sa", "teamA", lifetime=-10))),
    "no-exp": ("malformed", lambda key: ("sa", tokens.make(key, "sa", "teamA", claims={"exp": None}))),
    "exp-text": ("malformed", lambda key: ("sa", tokens.make(key, "sa", "teamA", claims={"exp": "tomorrow"}))),
    "unknown-vcluster": ("unknown_vcluster", lambda key: ("sa", tokens.make(key, "sa", "teamX"))),
    "no-vcluster": ("malformed", lambda key: ("sa", tokens.make(key, "sa", "teamA", claims={"vcluster": None}))),
    "user-of-another-vcluster": ("unknown_user", lambda key: ("sb", tokens.make(key, "sb", "teamA"))),
    "unknown-user": ("unknown_user", lambda key: ("nobody", tokens.make(key, "nobody", "teamA"))),
    "other-username": ("username", lambda key: ("sb", tokens.make(key, "sa", "teamA"))),
    "username-not-text": ("malformed", lambda key: ("sa", tokens.make(key, "sa", "teamA", claims={"username": ["sa"]}))),
    "wrong-key": ("signature", lambda key: ("sa", tokens.make(tokens.new_key(), "sa", "teamA"))),
    "no-signature": ("signature", lambda key: ("sa", tokens.make(key, "sa", "teamA").rsplit(".", 1)[0] + ".")),
    "signature-cut": ("signature", lambda key: ("sa", tokens.make(key, "sa", "teamA")[:-4])),
    "two-parts": ("signature", lambda key: ("sa", tokens.make(key, "sa", "teamA").rsplit(".", 1)[0])),
    "no-token": ("malformed", lambda key: ("sa", "")),
    "garbage": ("malformed", lambda key: ("sa", "not a token at all")),
    "long": ("malformed", lambda key: ("sa", "x" * 20000)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_tokens_are_refused(known, kind):
    """The client hears no reason, the operator's log tells it, with the client's address."""
    reason, make = WRONG[kind]
    before = len(known.log_lines(r"\bclient\.refused\b"))
    refuse(known, *make(known.key))
    line = known.wait_log(r"\bclient\.refused\b", since=before)
    assert re.search(rf"\breason={reason}(\s|$)", line), line
    assert re.search(r"\bpeer=\S+:\d+", line), line


def test_all_refusals_sound_the_same(known):
    """An attacker learns nothing from the message."""
    messages = {refuse(known, *make(known.key)) for _, make in WRONG.values()}
    assert len(messages) == 1, messages


def test_malformed_plain_messages(known):
    for data in (b"", b"\0", b"\0\0", b"sa", b"\0sa", b"\0sa\0", b"\0\0token", b"a\0b\0c\0d", b"\xff" * 100, b"\0" * 100):
        with wire.Raw(known.address) as raw:
            assert raw.ask(wire.sasl_handshake()).i16() == 0
            answer = raw.ask(wire.Frame(wire.SASL_AUTHENTICATE, 1, 2).bytes(data))
            assert answer.i16() == wire.SASL_AUTHENTICATION_FAILED, data
            assert raw.is_closed()


def test_other_mechanisms_are_refused_by_name(known):
    for mechanism in ("SCRAM-SHA-256", "OAUTHBEARER", "GSSAPI", "", "plain"):
        with wire.Raw(known.address) as raw:
            answer = raw.ask(wire.sasl_handshake(mechanism))
            assert answer.i16() == 33, mechanism  # UNSUPPORTED_SASL_MECHANISM
            assert answer.array(answer.string) == ["PLAIN"]


@pytest.mark.parametrize("frame", [
    wire.metadata([]), wire.produce("users", [b"x"]), wire.fetch("users"), wire.find_coordinator("g"),
    wire.join_group("g"), wire.init_producer_id(), wire.sasl_authenticate("sa", "x"),
], ids=["metadata", "produce", "fetch", "find-coordinator", "join-group", "init-producer-id", "no-handshake"])
def test_nothing_is_served_before_authentication(known, frame):
    with wire.Raw(known.address) as raw:
        raw.send(frame)
        assert raw.is_closed()
    with wire.Raw(known.address) as raw:
        assert raw.ask(wire.sasl_handshake()).i16() == 0
        raw.send(frame)
        if frame.api == wire.SASL_AUTHENTICATE:
            assert wire.Answer(raw.receive()).i16() == wire.SASL_AUTHENTICATION_FAILED
        assert raw.is_closed()


def test_api_versions_before_authentication(known):
    with wire.Raw(known.address) as raw:
        for version in (0, 3):
            answer = raw.ask(wire.api_versions(version))
            assert answer.i16() == 0
        # A version that nobody knows is answered in version 0 with error 35, so that clients can step down.
        answer = raw.ask(wire.Frame(wire.API_VERSIONS, 99, 5, flexible=True).compact_string("x").compact_string("y").tags())
        assert answer.i16() == 35


def test_silent_clients_are_shown_out(sandbox, start_gateway):
    gateway = start_gateway(sandbox.clusters, config={"timeouts.authenticate.ms": 500})
    with wire.Raw(gateway.address) as silent, wire.Raw(gateway.address) as half:
        half.send(b"\0\0\0")
        assert silent.is_closed() and half.is_closed()
    with wire.login(gateway) as raw:
        raw.ask(wire.metadata([]))


def test_keys_rotate(sandbox, start_gateway):
    old, new = tokens.new_key(), tokens.new_key()
    gateway = start_gateway(sandbox.clusters, key=old)
    token = gateway.token("teamA", "sa")

    def set_keys(*keys):
        gateway.config["token.keys"] = f"[{', '.join(keys)}]"
        gateway.write_turnout()
        gateway.reload()

    set_keys(new, old)
    with wire.login(gateway, token=token):
        pass
    fresh = gateway.token("teamA", "sa")
    set_keys(new)
    refuse(gateway, "sa", token)
    with wire.login(gateway, token=fresh):
        pass


def test_removing_a_user_cuts_its_connections(known):
    token = known.token("teamA", "sa")
    raw = wire.login(known, token=token)
    other = wire.login(known, "teamB", "sb")
    known.call("DELETE", "/admin/vclusters/v1/vcluster/teamA/username/sa")
    assert raw.is_closed()
    other.ask(wire.metadata([]))
    other.close()
    refuse(known, "sa", token)


def test_not_before_revokes_older_tokens(known):
    token = known.token("teamA", "sa")
    from lib.gateway import prefix_of
    known.write_vcluster("teamA", f"prefix: {prefix_of('teamA')}\nusers:\n  sa: {{not.before: 2099-01-01T00:00:00Z}}\n")
    known.reload()
    refuse(known, "sa", token)


def test_token_of_a_new_vcluster_makes_its_file(gateway, sandbox):
    token = gateway.token("teamNew", "first")
    assert tokens.claims_of(token)["username"] == "first"
    assert tokens.claims_of(token)["vcluster"] == "teamNew"
    assert os.path.exists(gateway.path("vclusters", "teamNew.yaml"))
    with wire.login(gateway, "teamNew", "first", token=token) as raw:
        raw.ask(wire.metadata([]))


def test_generated_secrets(sandbox, start_gateway):
    gateway = start_gateway(sandbox.clusters, secrets_configured=False)
    for name in ("token.key", "admin.password"):
        path = os.path.join(gateway.state, name)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert gateway.log_lines("admin.password"), "the log does not say where the password is"
    token = gateway.token("teamA", "sa")
    user = gateway.user
    gateway.restart()
    assert gateway.user == user, "a restart must keep what was generated"
    with wire.login(gateway, token=token):
        pass
    done = gateway.ctl("--state-dir", gateway.state, "status", user=False)
    assert "main" in done.stdout


@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("nobody", "x"), ("", "")])
def test_admin_api_asks_for_an_account(gateway, auth):
    for method, path in (("GET", "/admin/pclusters/v1"), ("POST", "/admin/pclusters/v1/pcluster/main/switch?to=failover"),
                         ("POST", "/admin/vclusters/v1/vcluster/teamA/username/sa"), ("POST", "/admin/config/v1/reload"),
                         ("GET", "/admin/vclusters/v1"), ("GET", "/admin/config/v1")):
        answer = gateway.request(method, path, auth=auth)
        assert answer.status_code == 401, path
        assert "WWW-Authenticate" in answer.headers and answer.content == b""
    assert gateway.active() == "main"


def test_an_account_without_admin_only_reads(sandbox, start_gateway):
    gateway = start_gateway(sandbox.clusters)
    gateway.config["admin.users"] = (f"[{{username: admin, password: '{gateway.password}', admin: true}}, "
                                     "{username: viewer, password: looking, admin: false}]")
    gateway.write_turnout()
    gateway.reload()
    viewer = ("viewer", "looking")
    wait_until(lambda: gateway.request("GET", "/admin/pclusters/v1", auth=viewer).status_code == 200,
               "the new account works")
    answer = gateway.request("POST", "/admin/pclusters/v1/pcluster/main/switch?to=failover", auth=viewer)
    assert answer.status_code == 403 and answer.json()["message"]
    answer = gateway.request("POST", "/admin/vclusters/v1/vcluster/teamA/username/sa", auth=viewer,
                             json={"lifeTimeSeconds": 60})
    assert answer.status_code == 403
    assert gateway.active() == "main"


@pytest.mark.parametrize("body", [None, "", "{}", "[]", "nonsense", '{"lifeTimeSeconds": "long"}',
                                  '{"lifeTimeSeconds": 0}', '{"lifeTimeSeconds": -5}', '{"lifeTimeSeconds": 1e99}'])
def test_wrong_token_requests(gateway, body):
    answer = gateway.request("POST", "/admin/vclusters/v1/vcluster/teamA/username/sa", data=body,
                             headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.json()["message"]


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "a%2fb", "a b", "%00", ".", "x" * 300])
def test_names_that_are_no_file_names(gateway, name):
    with pytest.raises(ApiError) as refused:
        gateway.token(name, "sa")
    assert refused.value.status in (400, 404)
    assert sorted(os.listdir(gateway.path("vclusters"))) == ["teamA.yaml", "teamB.yaml"]
