// SPDX-License-Identifier: Apache-2.0

//! rdkafka, as the steps use it.

use crate::{variable, Answer, Fault, PATIENCE};
use futures_executor::block_on;
use futures_util::future::join_all;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The replicas of every topic.
const REPLICAS: i32 = 1;

/// A value and the partition that it is written to.
pub struct Record {
    pub partition: i32,
    pub value: Vec<u8>,
}

/// How records are produced.
#[derive(Clone, Copy, Default)]
pub struct How {
    pub acks: i32,
    pub codec: &'static str,
    pub idempotent: bool,
}

pub struct Description {
    pub state: String,
    pub members: usize,
    pub topics: Vec<String>,
}

/// Kafka's own name of a code: the library's names are Kafka's in another spelling, but for a few.
fn name_of(code: RDKafkaErrorCode) -> String {
    let known = match code {
        RDKafkaErrorCode::MessageSizeTooLarge => "MESSAGE_TOO_LARGE",
        RDKafkaErrorCode::InvalidTopic => "INVALID_TOPIC_EXCEPTION",
        RDKafkaErrorCode::NotLeaderForPartition => "NOT_LEADER_OR_FOLLOWER",
        RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownPartition => "UNKNOWN_TOPIC_OR_PARTITION",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_string();
    }
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

impl From<KafkaError> for Fault {
    fn from(error: KafkaError) -> Fault {
        match error.rdkafka_error_code() {
            Some(code) => Fault::Failed(name_of(code)),
            None => Fault::Failed(error.to_string()),
        }
    }
}

fn config(more: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", variable("BOOTSTRAP").expect("BOOTSTRAP"));
    if let Some(token) = variable("SASL_TOKEN") {
        config.set("security.protocol", "SASL_PLAINTEXT").set("sasl.mechanism", "PLAIN");
        config.set("sasl.username", variable("SASL_USER").unwrap_or_default()).set("sasl.password", token);
    }
    for (key, value) in more {
        config.set(*key, *value);
    }
    config
}

fn consumer(group: &str, isolation: &str) -> Answer<BaseConsumer> {
    Ok(config(&[("group.id", group), ("enable.auto.commit", "false"), ("auto.offset.reset", "earliest"),
        ("isolation.level", isolation), ("heartbeat.interval.ms", "500"), ("fetch.wait.max.ms", "250")]).create()?)
}

fn producer(h: How, more: &[(&str, &str)]) -> Answer<FutureProducer> {
    let acks = h.acks.to_string();
    let codec = if h.codec.is_empty() { "none" } else { h.codec };
    let mut config = config(&[("compression.type", codec), ("message.max.bytes", "8000000"),
        ("topic.metadata.propagation.max.ms", "1000"), ("message.timeout.ms", "30000"), ("linger.ms", "5")]);
    match (h.idempotent, more.is_empty()) {
        (true, true) => config.set("enable.idempotence", "true"),
        _ => config.set("acks", acks),
    };
    for (key, value) in more {
        config.set(*key, *value);
    }
    Ok(config.create()?)
}

/// Sends records and waits until each is acknowledged or sent.
fn send(producer: &FutureProducer, topic: &str, records: &[Record]) -> Answer<()> {
    let mut waiting = Vec::new();
    for r in records {
        let record: FutureRecord<'_, (), Vec<u8>> = FutureRecord::to(topic).partition(r.partition).payload(&r.value);
        waiting.push(producer.send_result(record).map_err(|(error, _)| Fault::from(error))?);
    }
    for answer in block_on(join_all(waiting)) {
        answer.map_err(|_| Fault::Failed("a delivery was given up".into()))?.map_err(|(error, _)| Fault::from(error))?;
    }
    Ok(())
}

pub struct Driver {
    admin: AdminClient<DefaultClientContext>,
    plain: BaseConsumer,
}

/// The one result of an admin call about one thing.
fn only<T, E>(results: Vec<Result<T, (E, RDKafkaErrorCode)>>) -> Answer<()> {
    match results.into_iter().next() {
        Some(Ok(_)) => Ok(()),
        Some(Err((_, code))) => Err(Fault::Failed(name_of(code))),
        None => Err(Fault::Failed("an empty result".into())),
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

impl Driver {
    pub fn new() -> Answer<Driver> {
        Ok(Driver { admin: config(&[]).create()?, plain: consumer("unused", "read_uncommitted")? })
    }

    pub fn create(&self, topic: &str, partitions: i32) -> Answer<()> {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(REPLICAS));
        only(block_on(self.admin.create_topics([&new], &options()))?)
    }

    pub fn topics(&self) -> Answer<Vec<String>> {
        let metadata = self.plain.fetch_metadata(None, PATIENCE)?;
        Ok(metadata.topics().iter().map(|t| t.name().to_string()).collect())
    }

    /// The number of partitions and of replicas of each.
    pub fn describe(&self, topic: &str) -> Answer<(usize, usize)> {
        let metadata = self.plain.fetch_metadata(Some(topic), PATIENCE)?;
        let one = &metadata.topics()[0];
        if let Some(error) = one.error() {
            return Err(Fault::Failed(name_of(error.into())));
        }
        Ok((one.partitions().len(), one.partitions().first().map_or(0, |p| p.replicas().len())))
    }

    pub fn config(&self, topic: &str, key: &str) -> Answer<Option<String>> {
        let resource = ResourceSpecifier::Topic(topic);
        let mut all = block_on(self.admin.describe_configs([&resource], &options()))?;
        let one = all.remove(0).map_err(|code| Fault::Failed(name_of(code)))?;
        Ok(one.get(key).and_then(|entry| entry.value.clone()))
    }

    pub fn alter_config(&self, topic: &str, key: &str, value: &str) -> Answer<()> {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
        only(block_on(self.admin.alter_configs([&change], &options()))?)
    }

    pub fn add_partitions(&self, topic: &str, total: usize) -> Answer<()> {
        only(block_on(self.admin.create_partitions([&NewPartitions::new(topic, total)], &options()))?)
    }

    pub fn delete(&self, topic: &str) -> Answer<()> {
        only(block_on(self.admin.delete_topics(&[topic], &options()))?)
    }

    /// Writes with a producer of its own.
    pub fn produce(&self, topic: &str, h: How, records: &[Record]) -> Answer<()> {
        let producer = producer(h, &[])?;
        let sent = send(&producer, topic, records);
        producer.flush(PATIENCE)?;
        sent
    }

    /// Writes each list in a transaction of its own; the second one is aborted.
    pub fn transaction(&self, topic: &str, id: &str, lists: &[Vec<Record>]) -> Answer<()> {
        let producer = producer(How { acks: -1, ..How::default() }, &[("transactional.id", id)])?;
        producer.init_transactions(PATIENCE)?;
        for (i, records) in lists.iter().enumerate() {
            producer.begin_transaction()?;
            send(&producer, topic, records)?;
            if i == 1 {
                producer.abort_transaction(PATIENCE)?;
            } else {
                producer.commit_transaction(PATIENCE)?;
            }
        }
        Ok(())
    }

    pub fn ends(&self, topic: &str, partitions: i32) -> Answer<Vec<i64>> {
        (0..partitions).map(|p| Ok(self.plain.fetch_watermarks(topic, p, PATIENCE)?.1)).collect()
    }

    /// Reads partitions from the beginning until there is enough.
    pub fn read(&self, topic: &str, partitions: i32, isolation: &str, enough: impl Fn(&[String]) -> bool) -> Answer<Vec<String>> {
        let reader = consumer("unused", isolation)?;
        let mut list = TopicPartitionList::new();
        for p in 0..partitions {
            list.add_partition_offset(topic, p, Offset::Beginning)?;
        }
        reader.assign(&list)?;
        take(&reader, enough)
    }

    /// Reads one record of a partition, goes to an offset and reads on.
    pub fn seek(&self, topic: &str, partition: i32, offset: i64, count: usize) -> Answer<Vec<String>> {
        let reader = consumer("unused", "read_uncommitted")?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
        reader.assign(&list)?;
        take(&reader, |values| !values.is_empty())?;
        reader.seek(topic, partition, Offset::Offset(offset), PATIENCE)?;
        take(&reader, |values| values.len() >= count)
    }

    pub fn committed(&self, group: &str, topic: &str, partitions: i32) -> Answer<Vec<i64>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let found = consumer(group, "read_uncommitted")?.committed_offsets(list, PATIENCE)?;
        Ok(found.elements().iter().map(|e| e.offset().to_raw().unwrap_or(-1)).collect())
    }

    pub fn groups(&self) -> Answer<Vec<String>> {
        let list = self.plain.fetch_group_list(None, PATIENCE)?;
        Ok(list.groups().iter().map(|g| g.name().to_string()).collect())
    }

    pub fn group(&self, group: &str) -> Answer<Description> {
        let list = self.plain.fetch_group_list(Some(group), PATIENCE)?;
        let one = list.groups().first().ok_or_else(|| Fault::Failed("no such group".into()))?;
        let mut topics: Vec<String> = one.members().iter().flat_map(|m| assigned(m.assignment().unwrap_or(&[]))).collect();
        topics.sort();
        topics.dedup();
        Ok(Description { state: one.state().to_string(), members: one.members().len(), topics })
    }

    pub fn delete_group(&self, group: &str) -> Answer<()> {
        only(block_on(self.admin.delete_groups(&[group], &options()))?)
    }
}

fn take(reader: &BaseConsumer, enough: impl Fn(&[String]) -> bool) -> Answer<Vec<String>> {
    let (mut values, end) = (Vec::new(), Instant::now() + PATIENCE);
    while !enough(&values) {
        if Instant::now() > end {
            return Err(Fault::Failed(format!("only {} records came", values.len())));
        }
        if let Some(message) = reader.poll(Duration::from_millis(100)) {
            values.push(String::from_utf8_lossy(message?.payload().unwrap_or(&[])).into_owned());
        }
    }
    Ok(values)
}

/// The topics in a member's assignment, which the library hands over as bytes.
fn assigned(bytes: &[u8]) -> Vec<String> {
    let (mut at, mut topics) = (2, Vec::new());
    let number = |at: &mut usize, width: usize| {
        let value = bytes.get(*at..*at + width).map_or(0, |b| b.iter().fold(0usize, |n, byte| n << 8 | *byte as usize));
        *at += width;
        value
    };
    for _ in 0..number(&mut at, 4) {
        let length = number(&mut at, 2);
        topics.push(String::from_utf8_lossy(bytes.get(at..at + length).unwrap_or(&[])).into_owned());
        at += length;
        at += 4 * number(&mut at, 4);
    }
    topics
}

/// A member of a group that reads in a thread.
pub struct Member {
    consumer: Arc<BaseConsumer>,
    seen: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    pub fn join(group: &str, topic: &str) -> Answer<Member> {
        let consumer = Arc::new(consumer(group, "read_uncommitted")?);
        consumer.subscribe(&[topic])?;
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (reader, found, stopped) = (consumer.clone(), seen.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) {
                    found.lock().unwrap().push(String::from_utf8_lossy(message.payload().unwrap_or(&[])).into_owned());
                }
            }
        });
        Ok(Member { consumer, seen, stop, thread: Some(thread) })
    }

    pub fn owned(&self) -> Vec<i32> {
        let list = self.consumer.assignment().unwrap_or_default();
        list.elements().iter().map(|e| e.partition()).collect()
    }

    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub fn commit(&self) -> Answer<()> {
        Ok(self.consumer.commit_consumer_state(CommitMode::Sync)?)
    }
}

impl Drop for Member {
    /// Leaves the group: the consumer closes with its last reference.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
