// SPDX-License-Identifier: Apache-2.0

//! The steps of the client matrix.

use crate::driver::{Driver, How, Member, Record};
use crate::{until, Answer, Fault, Names};
use serde_json::{json, Value};
use std::thread;
use std::time::Duration;

const BATCH: usize = 20; // records per produce step
const AT_FIRST: i32 = 3; // partitions at the creation
const AT_LAST: i32 = 4; // and after create-partitions
const KEY: &str = "retention.ms";
const RETENTION: &str = "123456789";

/// What the steps leave for one another.
pub struct World {
    driver: Driver,
    names: Names,
    pub readonly: Option<String>,
    topic: String,
    txn: String,
    group: String,
    pair: String,
    written: usize,
}

type Run = fn(&mut World) -> Answer<Value>;

pub const STEPS: &[(&str, Run)] = &[
    ("versions", World::versions),
    ("create", World::create),
    ("create-again", |w| expected(w.driver.create(&w.topic, AT_FIRST))),
    ("list", |w| Ok(json!(w.names.own(w.driver.topics()?)))),
    ("describe", World::describe),
    ("describe-config", |w| Ok(json!(w.driver.config(&w.topic, KEY)?))),
    ("alter-config", |w| w.driver.alter_config(&w.topic, KEY, RETENTION).map(|()| json!("ok"))),
    ("describe-config-after", World::config_after),
    ("create-partitions", World::create_partitions),
    ("produce-acks-0", |w| w.producing("produce-acks-0", How { acks: 0, ..How::default() })),
    ("produce-acks-1", |w| w.producing("produce-acks-1", How { acks: 1, ..How::default() })),
    ("produce-acks-all", |w| w.producing("produce-acks-all", ALL)),
    ("produce-none", |w| w.producing("produce-none", ALL)),
    ("produce-gzip", |w| w.producing("produce-gzip", How { codec: "gzip", ..ALL })),
    ("produce-snappy", |w| w.producing("produce-snappy", How { codec: "snappy", ..ALL })),
    ("produce-lz4", |w| w.producing("produce-lz4", How { codec: "lz4", ..ALL })),
    ("produce-zstd", |w| w.producing("produce-zstd", How { codec: "zstd", ..ALL })),
    ("produce-idempotent", |w| w.producing("produce-idempotent", How { idempotent: true, ..ALL })),
    ("produce-transactional", World::transaction),
    ("consume-assign", |w| w.consume_assign()),
    ("consume-group", World::consume_group),
    ("committed", |w| Ok(json!(w.committed()?))),
    ("lag", |w| Ok(json!(w.total()? as i64 - w.committed()?))),
    ("seek", World::seek),
    ("consume-group-two", World::consume_group_two),
    ("list-groups", |w| Ok(json!(w.names.own(w.driver.groups()?)))),
    ("describe-group", World::describe_group),
    ("delete-group", World::delete_group),
    ("error-unknown-topic", |w| expected(w.driver.produce(&w.names.of("none"), ALL, &numbered("lost", 1, 1)))),
    ("error-too-large", |w| expected(w.driver.produce(&w.topic, ALL, &[Record { partition: 0, value: noise(1_500_000) }]))),
    ("error-illegal-name", |w| expected(w.driver.create(&format!("{}{} a b", w.names.prefix, w.names.run), 1))),
    ("denied", World::denied),
    ("delete-topic", World::delete_topic),
    ("list-after", World::list_after),
];

const ALL: How = How { acks: -1, codec: "", idempotent: false };

/// The error that a step is after, as its outcome.
fn expected(answer: Answer<()>) -> Answer<Value> {
    match answer {
        Ok(()) => Ok(json!("none")),
        Err(Fault::Failed(name)) => Ok(json!(name)),
        Err(unsupported) => Err(unsupported),
    }
}

fn numbered(what: &str, count: usize, partitions: usize) -> Vec<Record> {
    let record = |i| Record { partition: (i % partitions) as i32, value: format!("{what}-{i:04}").into_bytes() };
    (0..count).map(record).collect()
}

fn noise(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1103515245).wrapping_add(12345);
        (state >> 16) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// The number of distinct values and their checksum.
fn sum(mut values: Vec<String>) -> (usize, String) {
    values.sort();
    values.dedup();
    let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
    (values.len(), format!("{:08x}", crc32fast::hash(lines.as_bytes())))
}

fn shown((count, checksum): (usize, String)) -> Value {
    json!({ "count": count, "checksum": checksum })
}

impl World {
    pub fn new(names: Names, readonly: Option<String>) -> World {
        let [topic, txn, group, pair] = ["main", "txn", "group", "two"].map(|what| names.of(what));
        let driver = Driver::new().unwrap_or_else(|fault| panic!("no client: {fault}"));
        World { driver, names, readonly, topic, txn, group, pair, written: 0 }
    }

    /// Waits until a topic shows with its partitions and each of them has a leader that knows of it.
    fn ready(&self, topic: &str, partitions: i32) -> Answer<()> {
        until("the partitions", || Ok(matches!(self.driver.describe(topic), Ok((have, _)) if have == partitions as usize)))?;
        until("the leaders", || Ok(self.driver.ends(topic, partitions).is_ok()))
    }

    fn create(&mut self) -> Answer<Value> {
        self.driver.create(&self.topic, AT_FIRST)?;
        self.ready(&self.topic, AT_FIRST)?;
        Ok(json!("ok"))
    }

    fn describe(&mut self) -> Answer<Value> {
        let (partitions, replicas) = self.driver.describe(&self.topic)?;
        Ok(json!({ "partitions": partitions, "replicas": replicas }))
    }

    fn config_after(&mut self) -> Answer<Value> {
        until("the new retention.ms", || Ok(self.driver.config(&self.topic, KEY)?.as_deref() == Some(RETENTION)))?;
        Ok(json!(RETENTION))
    }

    fn create_partitions(&mut self) -> Answer<Value> {
        self.driver.add_partitions(&self.topic, AT_LAST as usize)?;
        self.ready(&self.topic, AT_LAST)?;
        thread::sleep(Duration::from_secs(1)); // for the brokers that were not asked
        Ok(json!(AT_LAST))
    }

    fn total(&self) -> Answer<usize> {
        Ok(self.driver.ends(&self.topic, AT_LAST)?.iter().sum::<i64>() as usize)
    }

    fn committed(&self) -> Answer<i64> {
        Ok(self.driver.committed(&self.group, &self.topic, AT_LAST)?.iter().sum())
    }

    /// Writes a batch and tells by how much the topic grew.
    fn producing(&mut self, step: &str, h: How) -> Answer<Value> {
        let before = self.total()?;
        self.driver.produce(&self.topic, h, &numbered(step, BATCH, AT_LAST as usize))?;
        let mut grown = 0;
        let came = until("what was produced", || {
            grown = self.total()? - before;
            Ok(grown >= BATCH)
        });
        self.written += grown;
        match came {
            Ok(()) => Ok(json!(grown)),
            Err(_) => Err(Fault::Failed(format!("{grown} of {BATCH} records came"))),
        }
    }

    fn transaction(&mut self) -> Answer<Value> {
        self.driver.create(&self.txn, 1)?;
        self.ready(&self.txn, 1)?;
        let lists = [numbered("committed", 10, 1), numbered("aborted", 10, 1), numbered("last", 1, 1)];
        self.driver.transaction(&self.txn, &self.names.of("tid"), &lists)?;
        let seen = self.driver.read(&self.txn, 1, "read_committed", |values| values.iter().any(|v| v == "last-0000"))?;
        let count = |kind| seen.iter().filter(|value| value.starts_with(kind)).count();
        Ok(json!({ "committed": count("committed"), "aborted": count("aborted") }))
    }

    fn consume_assign(&mut self) -> Answer<Value> {
        let all = self.driver.read(&self.topic, AT_LAST, "read_uncommitted", |values| values.len() >= self.written)?;
        Ok(shown(sum(all)))
    }

    /// The version of the crate, once the other side has answered.
    fn versions(&mut self) -> Answer<Value> {
        self.driver.topics()?;
        let lock = include_str!("../Cargo.lock");
        let found = lock.split("[[package]]\n").find_map(|p| p.strip_prefix("name = \"rdkafka\"\nversion = \""));
        Ok(json!(found.and_then(|rest| rest.split('"').next())))
    }

    fn consume_group(&mut self) -> Answer<Value> {
        let member = Member::join(&self.group, &self.topic)?;
        until("all records for the group", || Ok(member.seen().len() >= self.written))?;
        member.commit()?;
        Ok(shown(sum(member.seen())))
    }

    fn seek(&mut self) -> Answer<Value> {
        let end = self.driver.ends(&self.topic, 1)?[0];
        let seen = self.driver.seek(&self.topic, 0, 3, end as usize - 3)?;
        Ok(json!({ "first": seen.first(), "count": seen.len() }))
    }

    fn consume_group_two(&mut self) -> Answer<Value> {
        let one = Member::join(&self.pair, &self.topic)?;
        until("the first member's partitions", || Ok(one.owned().len() == AT_LAST as usize))?;
        let two = Member::join(&self.pair, &self.topic)?;
        let union = || {
            let mut all = [one.owned(), two.owned()].concat();
            all.sort();
            all
        };
        until("a rebalance", || Ok(!one.owned().is_empty() && !two.owned().is_empty() && union() == [0, 1, 2, 3]))?;
        let seen = || sum([one.seen(), two.seen()].concat());
        until("all records for both", || Ok(seen().0 >= self.written))?;
        let (count, checksum) = seen();
        Ok(json!({ "members": 2, "partitions": union(), "count": count, "checksum": checksum }))
    }

    fn describe_group(&mut self) -> Answer<Value> {
        let member = Member::join(&self.group, &self.topic)?;
        until("an assignment", || Ok(member.owned().len() == AT_LAST as usize))?;
        let found = self.driver.group(&self.group)?;
        Ok(json!({ "state": found.state, "members": found.members, "topics": self.names.own(found.topics) }))
    }

    fn delete_group(&mut self) -> Answer<Value> {
        for group in [&self.group, &self.pair] {
            let mut answer = Ok(());
            until("the end of a group", || {
                answer = self.driver.delete_group(group);
                Ok(!matches!(&answer, Err(Fault::Failed(name)) if name == "NON_EMPTY_GROUP" || name == "NOT_COORDINATOR"))
            })?;
            answer?;
        }
        Ok(json!("ok"))
    }

    fn denied(&mut self) -> Answer<Value> {
        let topic = self.readonly.as_deref().unwrap_or_default();
        expected(self.driver.produce(topic, ALL, &numbered("denied", 1, 1)))
    }

    fn delete_topic(&mut self) -> Answer<Value> {
        self.driver.delete(&self.topic)?;
        self.driver.delete(&self.txn)?;
        Ok(json!("ok"))
    }

    fn list_after(&mut self) -> Answer<Value> {
        until("the end of the topics", || Ok(self.names.own(self.driver.topics()?).is_empty()))?;
        Ok(json!([]))
    }
}
