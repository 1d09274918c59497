// SPDX-License-Identifier: Apache-2.0
//
// @platformatic/kafka as a driver of the steps. Its streams read only as a member of a group, Consumer.fetch() without
// one.

import { readFile } from 'node:fs/promises'
import { Admin, Consumer, Producer } from '@platformatic/kafka'
import { patience, replicas, retried, until } from './common.js'

// APIs that a client of today needs.
const core = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 22, 24, 25, 26, 28, 32, 37, 42, 44]
const TOPIC = 2 // the type of a resource

const messages = (topic, records) => records.map(({ partition, value }) => ({ topic, partition, value: Buffer.from(value) }))

class Member {
  constructor(consumer, topic) {
    Object.assign(this, { consumer, topic, values: [], next: new Map() })
  }

  listen(stream) {
    this.stream = stream
    stream.on('data', message => {
      this.values.push(message.value.toString())
      this.next.set(message.partition, message.offset + 1n)
    })
    stream.on('error', error => console.error('stream:', error))
    return this
  }

  owned() {
    return this.consumer.assignments?.find(one => one.topic === this.topic)?.partitions ?? []
  }

  seen() {
    return this.values
  }

  async commit() {
    await this.consumer.commit({ offsets: [...this.next].map(([partition, offset]) =>
      ({ topic: this.topic, partition, offset, leaderEpoch: -1 })) })
  }

  async close() {
    await this.consumer.close(true)
  }
}

/** Returns a call that fetches once what a leader's partitions still lack, and tells whether they are at their ends. */
function fetching(consumer, node, topicId, ends, values) {
  const next = new Map([...ends.keys()].map(p => [p, 0n]))
  return async () => {
    const partitions = [...next].filter(([p, offset]) => offset < ends.get(p)).map(([partition, fetchOffset]) =>
      ({ partition, fetchOffset, currentLeaderEpoch: -1, lastFetchedEpoch: -1, partitionMaxBytes: 1 << 20 }))
    if (partitions.length === 0) return true
    const { responses } = await consumer.fetch({ node, topics: [{ topicId, partitions }], maxWaitTime: 250 })
    for (const { partitionIndex: p, records } of responses.flatMap(topic => topic.partitions)) {
      for (const batch of records ?? []) {
        values.push(...batch.records.map(record => record.value.toString()))
        next.set(p, batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n)
      }
    }
    return false
  }
}

class Driver {
  constructor(options) {
    this.options = options
    this.admin = new Admin(options)
  }

  /** The library's version, once the other side has said that it offers what clients need. */
  async versions() {
    const offered = (await this.admin.listApis()).map(api => api.apiKey)
    const missing = core.filter(key => !offered.includes(key))
    if (missing.length > 0) throw new Error(`APIs ${missing} are not offered`)
    const text = await readFile(new URL('node_modules/@platformatic/kafka/package.json', import.meta.url), 'utf8')
    return JSON.parse(text).version
  }

  async create(topic, partitions) {
    await this.admin.createTopics({ topics: [{ topic, partitions, replicas }] })
  }

  topics() {
    return this.admin.listTopics()
  }

  async describe(topic) {
    const { topics } = await this.admin.metadata({ topics: [topic], forceUpdate: true })
    const { partitions } = topics.get(topic)
    return [partitions.length, partitions[0].replicas.length]
  }

  async config(topic, key) {
    const resource = { resourceType: TOPIC, resourceName: topic, configurationKeys: [key] }
    const [{ configs }] = await this.admin.describeConfigs({ resources: [resource] })
    return configs.find(config => config.name === key)?.value
  }

  async alterConfig(topic, name, value) {
    const configs = [{ name, value, configOperation: 0 }]
    await this.admin.incrementalAlterConfigs({ resources: [{ resourceType: TOPIC, resourceName: topic, configs }] })
  }

  async addPartitions(topic, count) {
    await this.admin.createPartitions({ topics: [{ name: topic, count, assignments: null }] })
  }

  async delete(topic) {
    await this.admin.deleteTopics({ topics: [topic] })
  }

  async produce(topic, how, records) {
    const producer = new Producer({ ...this.options, autocreateTopics: false, retries: 2 })
    try {
      await producer.send({ messages: messages(topic, records), acks: how.acks, compression: how.codec ?? 'none',
        idempotent: how.idempotent ?? false })
    } finally {
      await producer.close()
    }
  }

  /** Writes each list in a transaction of its own; the second one is aborted. */
  async transaction(topic, transactionalId, lists) {
    const producer = new Producer({ ...this.options, idempotent: true, transactionalId })
    try {
      for (const [i, records] of lists.entries()) {
        const transaction = await producer.beginTransaction()
        await transaction.send({ messages: messages(topic, records) })
        await (i === 1 ? transaction.abort() : transaction.commit())
      }
    } finally {
      await producer.close()
    }
  }

  async ends(topic, partitions) {
    const wanted = Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1n }))
    const [{ partitions: all }] = await this.admin.listOffsets({ topics: [{ name: topic, partitions: wanted }] })
    return wanted.map((_, p) => Number(all.find(one => one.partitionIndex === p).offset))
  }

  /** All values of the partitions, from their beginning. The constructor wants a group's name; nobody joins it. */
  async read(topic, partitions) {
    const consumer = this.consumer(`${topic}-nobody`)
    try {
      const { topics } = await consumer.metadata({ topics: [topic] })
      const { id, partitions: all } = topics.get(topic)
      const ends = await this.ends(topic, partitions)
      const leaders = Map.groupBy(ends.keys(), p => all[p].leader)
      const values = []
      for (const [node, led] of leaders) {
        const wanted = new Map(led.map(p => [p, BigInt(ends[p])]))
        await until(`the records of node ${node}`, fetching(consumer, node, id, wanted, values))
      }
      return values
    } finally {
      await consumer.close(true)
    }
  }

  async readCommitted(topic, last, group) {
    const member = await this.join(group, topic)
    return this.gather(member, group, () => member.seen().includes(last))
  }

  async seek(topic, partition, offset, count, group) {
    const consumer = this.consumer(group)
    const offsets = await Promise.all([0, 1, 2, 3].map(async p =>
      ({ topic, partition: p, offset: BigInt(p === partition ? offset : (await this.ends(topic, 4))[p]) })))
    const stream = await consumer.consume({ topics: [topic], mode: 'manual', offsets })
    const member = new Member(consumer, topic).listen(stream)
    return this.gather(member, group, () => member.seen().length >= count)
  }

  async gather(member, group, done) {
    try {
      await until('enough records', done)
      return member.seen()
    } finally {
      await member.close()
      await retried(() => this.deleteGroup(group))
    }
  }

  consumer(groupId) {
    return new Consumer({ ...this.options, groupId, autocommit: false, heartbeatInterval: 500, maxWaitTime: 250,
      isolationLevel: 1 })
  }

  async join(group, topic) {
    const consumer = this.consumer(group)
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
    return new Member(consumer, topic).listen(stream)
  }

  async committed(groupId, topic, partitions) {
    const [{ topics }] = await this.admin.listConsumerGroupOffsets({ groups: [groupId] })
    const all = topics.find(one => one.name === topic).partitions
    return Array.from({ length: partitions }, (_, p) => Number(all.find(one => one.partitionIndex === p).committedOffset))
  }

  async groups() {
    return [...(await this.admin.listGroups()).keys()]
  }

  async group(group) {
    const one = (await this.admin.describeGroups({ groups: [group] })).get(group)
    const topics = [...one.members.values()].flatMap(m => [...(m.assignments?.keys() ?? [])])
    return { state: camel(one.state), members: one.members.size, topics }
  }

  async deleteGroup(group) {
    await this.admin.deleteGroups({ groups: [group] })
  }
}

const camel = state => state[0].toUpperCase() + state.slice(1).toLowerCase()

export async function open(access) {
  const sasl = access.token ? { mechanism: 'PLAIN', username: access.user, password: access.token } : undefined
  return new Driver({ clientId: 'matrix', bootstrapBrokers: access.brokers, sasl, timeout: patience, retries: 5,
    retryDelay: 100 })
}
