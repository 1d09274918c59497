// SPDX-License-Identifier: Apache-2.0
//
// kafkajs as a driver of the steps. It reads only as a member of a group, so reading a topic for a step that
// is about something else makes a group for it and deletes that group.

import { createRequire } from 'node:module'
import zlib from 'node:zlib'
import kafkajs from 'kafkajs'
import lz4 from 'lz4-napi'
import snappy from 'snappy'
import { Unsupported, patience, replicas, retried, until } from './common.js'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, AssignerProtocol, logLevel } = kafkajs

// The library leaves these to the application.
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: encoder => snappy.compress(encoder.buffer), decompress: buffer => snappy.uncompress(buffer) })
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4.compressFrameSync(encoder.buffer),
  decompress: async buffer => lz4.decompressFrameSync(buffer) })
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => zlib.zstdCompressSync(encoder.buffer),
  decompress: async buffer => zlib.zstdDecompressSync(buffer) })

const codecs = { gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD }

const messages = records => records.map(({ partition, value }) => ({ partition, value }))

class Member {
  constructor(consumer) {
    Object.assign(this, { consumer, values: [], next: new Map(), partitions: [] })
  }

  owned() {
    return this.partitions
  }

  seen() {
    return this.values
  }

  async commit() {
    await this.consumer.commitOffsets([...this.next].map(([partition, offset]) => ({ topic: this.topic, partition, offset })))
  }

  async close() {
    await this.consumer.disconnect()
  }
}

class Driver {
  constructor(kafka, admin) {
    Object.assign(this, { kafka, admin })
  }

  /** The library's version; it has no call for the versions of APIs. */
  async versions() {
    await this.admin.describeCluster()
    return createRequire(import.meta.url)('kafkajs/package.json').version
  }

  async create(topic, partitions) {
    const made = await this.admin.createTopics({ waitForLeaders: false, timeout: patience,
      topics: [{ topic, numPartitions: partitions, replicationFactor: replicas }] })
    // Where the topic exists the library says so by its result.
    if (!made) throw Object.assign(new Error('the topic exists'), { type: 'TOPIC_ALREADY_EXISTS' })
  }

  topics() {
    return this.admin.listTopics()
  }

  async describe(topic) {
    const { topics } = await this.admin.fetchTopicMetadata({ topics: [topic] })
    return [topics[0].partitions.length, topics[0].partitions[0].replicas.length]
  }

  async config(topic, key) {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic, configNames: [key] }
    const { resources } = await this.admin.describeConfigs({ resources: [resource], includeSynonyms: false })
    return resources[0].configEntries.find(entry => entry.configName === key)?.configValue
  }

  async alterConfig(topic, name, value) {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] }
    await this.admin.alterConfigs({ validateOnly: false, resources: [resource] })
  }

  async addPartitions(topic, count) {
    await this.admin.createPartitions({ topicPartitions: [{ topic, count }] })
  }

  async delete(topic) {
    await this.admin.deleteTopics({ topics: [topic], timeout: patience })
  }

  async produce(topic, how, records) {
    const producer = this.kafka.producer({ idempotent: how.idempotent, allowAutoTopicCreation: false,
      retry: { retries: how.idempotent ? 5 : 2, initialRetryTime: 100 } })
    await producer.connect()
    try {
      await producer.send({ topic, acks: how.acks, compression: codecs[how.codec] ?? CompressionTypes.None,
        messages: messages(records) })
    } finally {
      await producer.disconnect()
    }
  }

  /** Writes each list in a transaction of its own; the second one is aborted. */
  async transaction(topic, transactionalId, lists) {
    const producer = this.kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    try {
      for (const [i, records] of lists.entries()) {
        const transaction = await producer.transaction()
        await transaction.send({ topic, messages: messages(records) })
        await (i === 1 ? transaction.abort() : transaction.commit())
      }
    } finally {
      await producer.disconnect()
    }
  }

  async ends(topic, partitions) {
    const all = await this.admin.fetchTopicOffsets(topic)
    return Array.from({ length: partitions }, (_, p) => Number(all.find(one => one.partition === p)?.offset ?? 0))
  }

  async read() {
    throw new Unsupported('kafkajs reads only as a member of a group')
  }

  async readCommitted(topic, last, group) {
    return this.gather(topic, group, member => member.seen().includes(last))
  }

  async seek(topic, partition, offset, count, group) {
    const later = []
    await this.gather(topic, group, async member => {
      if (member.seen().length === 0) return false
      if (!member.sought) {
        member.sought = true
        member.each = m => m.partition === partition && member.moved && later.push(m.value.toString())
        member.consumer.seek({ topic, partition, offset: String(offset) })
        member.moved = true
      }
      return later.length >= count
    })
    return later
  }

  /** Joins a group of its own until a condition holds; returns what was read. */
  async gather(topic, group, done) {
    const member = await this.join(group, topic)
    try {
      await until('enough records', () => done(member))
      return member.seen()
    } finally {
      await member.close()
      await retried(() => this.deleteGroup(group))
    }
  }

  async join(group, topic) {
    const consumer = this.kafka.consumer({ groupId: group, heartbeatInterval: 500, maxWaitTimeInMs: 250,
      allowAutoTopicCreation: false })
    const member = new Member(consumer)
    member.topic = topic
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      member.partitions = payload.memberAssignment[topic] ?? []
    })
    consumer.on(consumer.events.REBALANCING, () => {
      member.partitions = []
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({ autoCommit: false, eachMessage: async ({ partition, message }) => {
      member.values.push(message.value.toString())
      member.next.set(partition, String(BigInt(message.offset) + 1n))
      member.each?.({ partition, value: message.value })
    } })
    return member
  }

  async committed(groupId, topic, partitions) {
    const [{ partitions: all }] = await this.admin.fetchOffsets({ groupId, topics: [topic] })
    return Array.from({ length: partitions }, (_, p) => Number(all.find(one => one.partition === p).offset))
  }

  async groups() {
    return (await this.admin.listGroups()).groups.map(group => group.groupId)
  }

  async group(group) {
    const { groups: [one] } = await this.admin.describeGroups([group])
    const topics = one.members.flatMap(m =>
      Object.keys(AssignerProtocol.MemberAssignment.decode(m.memberAssignment)?.assignment ?? {}))
    return { state: one.state, members: one.members.length, topics }
  }

  async deleteGroup(group) {
    await this.admin.deleteGroups([group])
  }
}

export async function open(access) {
  const sasl = access.token ? { mechanism: 'plain', username: access.user, password: access.token } : undefined
  const kafka = new Kafka({ clientId: 'matrix', brokers: access.brokers, sasl, logLevel: logLevel.NOTHING,
    requestTimeout: patience, retry: { initialRetryTime: 100, retries: 5 } })
  const admin = kafka.admin()
  await admin.connect()
  return new Driver(kafka, admin)
}
