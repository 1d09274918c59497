# SPDX-License-Identifier: Apache-2.0
"""The steps of the document, as a table: title, command line, and what its output must say.

A check returns the list of what is wrong, in sentences.  A step whose result MirrorMaker brings is
tried again while the mirror may still be at work.  Add a step by adding a row to STEPS.
"""

import base64
import json
import time

PEOPLE = {
    "tom": '{"name":"tom","username":"tom@conduktor.io","password":"motorhead","visa":"#abc123",'
           '"address":"Chancery lane, London"}',
    "laura": '{"name":"laura","username":"laura@conduktor.io","password":"kitesurf","visa":"#888999XZ",'
             '"address":"Dubai, UAE"}',
    "alice": '{"name":"alice","username":"alice@conduktor.io","password":"youpi","visa":"#812SSS",'
             '"address":"Les ifs"}',
}

# The listings of the document. Its first ten names are where the original gateway keeps its state.
THEIR_STATE = set("_acls _auditLogs _consumerGroupSubscriptionBackingTopic _encryptionConfig _interceptorConfigs"
                  " _license _offsetStore _topicMappings _topicRegistry _userMapping".split())
ON_MAIN = THEIR_STATE | set("__consumer_offsets _schemas heartbeats mm2-configs.failover.internal"
                            " mm2-offset-syncs.failover.internal mm2-offsets.failover.internal"
                            " mm2-status.failover.internal teamAusers".split())
ON_FAILOVER = THEIR_STATE | set("__consumer_offsets _schemas heartbeats main.checkpoints.internal main.heartbeats"
                                " mm2-configs.main.internal mm2-offsets.main.internal mm2-status.main.internal"
                                " teamAusers".split())
# Topics that the stand-in for the schema registry makes beside _schemas.
REGISTRY_OWN = {"kafkasql-snapshots", "registry-events"}

MAIN = "localhost:19092,localhost:19093,localhost:19094"
FAILOVER = "localhost:29092,localhost:29093,localhost:29094"


# -- checks --------------------------------------------------------------------------------------


def records(result):
    """The JSON records of an output that went through jq, in order."""
    found, text, decoder = [], result.out.strip(), json.JSONDecoder()
    while text:
        try:
            value, end = decoder.raw_decode(text)
        except ValueError:
            raise ValueError(f"not JSON: {text[:60]!r}") from None
        found.append(value)
        text = text[end:].lstrip()
    return found


def exit_zero(result):
    """The command must end with 0."""
    return [] if result.status == 0 else [f"the command ended with status {result.status}"]


def token_made(result, _stage):
    """A properties file whose token carries the user, the vcluster and the asked life time."""
    faults = exit_zero(result)
    try:
        token = result.out.split("password='")[1].split("'")[0]
        header, payload = (json.loads(base64.urlsafe_b64decode(part + "=="))
                           for part in token.split(".")[:2])
    except (IndexError, ValueError):
        return faults + ["there is no token in the file"]
    if header.get("alg") != "HS256":
        faults.append(f"the token's header is {header}")
    if (payload.get("username"), payload.get("vcluster")) != ("sa", "teamA"):
        faults.append(f"the token is made for {payload}")
    if abs(payload.get("exp", 0) - time.time() - 7776000) > 120:
        faults.append(f"the token ends at {payload.get('exp')}, not 7776000 seconds from now")
    return faults


def topic_created(result, _stage):
    """The tool's own success line."""
    if "Created topic users." not in result.out:
        return exit_zero(result) + ["the tool does not say: Created topic users."]
    return exit_zero(result)


def nothing_said(result, _stage):
    """A console producer that ends well and has no complaint."""
    bad = [line for line in result.err.splitlines() if "ERROR" in line or "Exception" in line]
    return exit_zero(result) + [f"the producer says: {line}" for line in bad[:3]]


def names(*wanted, exactly=True):
    """The records read are exactly the document's of these names, whole, in any order."""
    def check(result, _stage):
        try:
            read = records(result)
            found = sorted(record["name"] for record in read)
        except (ValueError, KeyError, TypeError) as fault:
            return [f"the output cannot be read: {fault}"]
        changed = [record for record in read if record != json.loads(PEOPLE.get(record["name"], "null"))]
        if changed:
            return [f"read {changed[0]}, which is not the record that was produced"]
        if found == sorted(wanted) or (not exactly and set(found) <= set(wanted) and found):
            return []
        return [f"read {', '.join(found) or 'nothing'}; the document shows {', '.join(wanted)}"]
    return check


def listing(document):
    """Every topic of the document but the original's own state, and no other."""
    def check(result, stage):
        found = set(result.lines)
        expected = document - THEIR_STATE
        explained = set()
        if stage.with_registry:
            explained = REGISTRY_OWN
        else:
            expected = expected - {"_schemas"}
        faults = exit_zero(result)
        faults += [f"{name} is missing" for name in sorted(expected - found)]
        faults += [f"{name} is there and the document does not have it"
                   for name in sorted(found - expected - explained)]
        return faults
    return check


def vcluster_topics(result, _stage):
    """teamA has the topic users, kept as teamAusers."""
    try:
        answer = json.loads(result.out)
    except ValueError:
        return exit_zero(result) + ["the answer is not JSON"]
    text = json.dumps(answer)
    return [f"the answer does not name {name}" for name in ("users", "teamAusers")
            if f'"{name}"' not in text]


def switched(result, _stage):
    """The document's message."""
    try:
        message = json.loads(result.out).get("message")
    except (ValueError, AttributeError):
        return exit_zero(result) + ["the answer is not a JSON object"]
    return [] if message == "Cluster switched" else [f"the message is {message!r}, not 'Cluster switched'"]


def only_users(result, _stage):
    """The tenant sees its one topic under its own name."""
    return [] if result.lines == ["users"] else [f"the tenant sees {result.lines}, not only users"]


# -- the table -----------------------------------------------------------------------------------


class Step:
    """One row: `tries` runs of the command at most, `pause` seconds apart."""

    def __init__(self, title, command, check, good, note=None, tries=1, timeout=60):
        self.title = title
        self.command = command
        self.check = check
        self.good = good
        self.note = note
        self.tries = tries
        self.timeout = timeout


def produce(*people):
    """The document's console producer, once for each person."""
    return "\n\n".join(f"echo '{PEOPLE[name]}' | \\\n"
                       "    kafka-console-producer \\\n"
                       "        --bootstrap-server localhost:6969 \\\n"
                       "        --producer.config teamA-sa.properties \\\n"
                       "        --topic users" for name in people)


def list_on(bootstrap):
    """The document's listing of a cluster."""
    return f"kafka-topics \\\n    --bootstrap-server {bootstrap} \\\n    --list"


def consume(bootstrap, topic, maximum, timeout_ms, config=None):
    """The document's console consumer."""
    lines = ["kafka-console-consumer \\", f"    --bootstrap-server {bootstrap} \\"]
    if config:
        lines.append(f"    --consumer.config {config} \\")
    lines += [f"    --topic {topic} \\", "    --from-beginning \\"]
    if maximum:
        lines.append(f"    --max-messages {maximum} \\")
    return "\n".join(lines + [f"    --timeout-ms {timeout_ms} | jq"])


def switch(admin, to):
    """The document's switch call."""
    return (f"curl \\\n  --request POST 'http://localhost:{admin}/admin/pclusters/v1/pcluster/main/switch?to={to}' \\\n"
            "  --user 'admin:conduktor' \\\n  --silent | jq")


TOKEN = '''\
# Generate virtual cluster teamA with service account sa
token=$(curl \\
    --request POST "http://localhost:8888/admin/vclusters/v1/vcluster/teamA/username/sa" \\
    --header 'Content-Type: application/json' \\
    --user 'admin:conduktor' \\
    --silent \\
    --data-raw '{"lifeTimeSeconds": 7776000}' | jq -r ".token")

# Create access file
echo  """
bootstrap.servers=localhost:6969
security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username='sa' password='$token';
""" > teamA-sa.properties

# Review file
cat teamA-sa.properties'''

CREATE = """\
kafka-topics \\
    --bootstrap-server localhost:6969 \\
    --command-config teamA-sa.properties \\
    --replication-factor 1 \\
    --partitions 1 \\
    --create --if-not-exists \\
    --topic users"""

LIST_USERS = """\
kafka-topics \\
    --bootstrap-server localhost:6969 \\
    --command-config teamA-sa.properties \\
    --list"""

VCLUSTER_TOPICS = """\
curl \\
  --request GET 'http://localhost:8888/admin/vclusters/v1/vcluster/teamA/topics' \\
  --user 'admin:conduktor' \\
  --silent | jq"""

STATE_NOTE = ("The ten other names of the document's listing (_acls ... _userMapping) are topics in which the "
              "original keeps its state; Turnout keeps it in files, so they are not here.")

STEPS = [
    Step("Creating virtual cluster teamA", TOKEN, token_made, "a token for teamA/sa"),
    Step("Creating topic users on teamA", CREATE, topic_created, "Created topic users."),
    Step("Send tom and laura into topic users", produce("tom", "laura"), nothing_said, "two records sent"),
    Step("Listing topics in kafka1", list_on(MAIN), listing(ON_MAIN),
         "the document's topics, users as teamAusers", STATE_NOTE, tries=15),
    Step("Wait for mirror maker to do its job on gateway internal topic", VCLUSTER_TOPICS, vcluster_topics,
         "teamA's users is kept as teamAusers",
         "The document reads the original's state topic _topicMappings here. Turnout has no such topic: the admin "
         "API tells the same, and there is nothing to wait for before a switch."),
    Step("Wait for mirror maker to do its job on users topics", consume(FAILOVER, "teamAusers", 1, 15000),
         names("tom"), "tom is on failover", tries=4),
    Step("Assert mirror maker did its job", list_on(FAILOVER), listing(ON_FAILOVER),
         "the document's topics on failover", STATE_NOTE, tries=15),
    Step("Failing over from main to failover on gateway1", switch(8888, "failover"), switched,
         "Cluster switched"),
    Step("Failing over from main to failover on gateway2", switch(8889, "failover"), switched,
         "Cluster switched",
         "Both gateways read one clusters.yaml, so gateway2 has followed gateway1 already and nothing moves."),
    Step("Produce alice into users, it should hit only failover-kafka", produce("alice"), nothing_said,
         "one record sent, with the token made before the switch"),
    Step("Verify we can read laura (via mirror maker), tom (via mirror maker) and alice (via cluster switching)",
         consume("localhost:6969", "users", 3, 10000, "teamA-sa.properties"), names("tom", "laura", "alice"),
         "tom, laura, alice under the name users, with the same token"),
    Step("Verify alice is not in main kafka", consume(MAIN, "teamAusers", None, 10000), names("tom", "laura"),
         "main holds exactly tom and laura"),
    Step("Verify alice is in failover", consume(FAILOVER, "teamAusers", 3, 15000),
         names("tom", "laura", "alice"), "failover holds tom, laura and alice"),
]


def play(step, shell, report, stage):
    """Run one step until its check holds or its tries are used up, and score it."""
    report.title(step.title)
    if step.note:
        report.note(step.note)
    command = stage.command(step.command)
    result = shell.run(command, step.timeout)
    faults = step.check(result, stage)
    again = 1
    while faults and again < step.tries:
        time.sleep(2)
        again += 1
        result = shell.quiet(command, step.timeout)
        faults = step.check(result, stage)
    if again > 1:
        report.note(f"The mirror needed time; the output of try {again}:")
        report.say((result.err + result.out).rstrip("\n"))
    return report.score(step.title, faults, step.good)
