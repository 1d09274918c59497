// SPDX-License-Identifier: Apache-2.0
//
// The steps of the client matrix, in terms of a driver (kafkajs.js, platformatic.js).

import { crc32 } from 'node:zlib'
import { Unsupported, errorName, retried, sleep, until } from './common.js'

const batch = 20 // records per produce step
const atFirst = 3 // partitions at the creation
const atLast = 4 // and after create-partitions
const retention = '123456789'

/** What the steps leave for one another. */
export class World {
  constructor(driver, names, readonly) {
    Object.assign(this, { driver, names, readonly, written: 0 })
    for (const what of ['main', 'txn', 'group', 'two']) this[what] = names.of(what)
  }

  async total() {
    const ends = await this.driver.ends(this.main, atLast)
    return total(ends)
  }

  /** Waits until a topic shows with its partitions and each of them has a leader that knows of it. */
  async ready(topic, partitions) {
    await until(`${partitions} partitions`, async () => {
      const [have] = await this.driver.describe(topic).catch(() => [0])
      return have === partitions
    })
    await retried(() => this.driver.ends(topic, partitions))
  }

  /** Produces, waits until all is there, and returns by how much the topic grew. */
  async write(how, records) {
    const before = await this.total()
    await this.driver.produce(this.main, how, records)
    let grown = 0
    const all = async () => (grown = (await this.total()) - before) >= records.length
    await until('what was produced', all).catch(() => {
      throw new Error(`${grown} of ${records.length} records came`)
    }).finally(() => {
      this.written += grown
    })
    return grown
  }
}

/** The name of the error that a step is after. */
async function expected(call) {
  try {
    await call
    return 'none'
  } catch (error) {
    if (error instanceof Unsupported) throw error
    return errorName(error)
  }
}

function numbered(what, count, partitions) {
  return Array.from({ length: count }, (_, i) => ({ partition: i % partitions, value: `${what}-${String(i).padStart(4, '0')}` }))
}

/** The number of distinct values and their checksum. */
function sum(values) {
  const distinct = [...new Set(values)].sort()
  const crc = crc32(distinct.map(value => value + '\n').join(''))
  return { count: distinct.length, checksum: crc.toString(16).padStart(8, '0') }
}

/** A step that writes a batch and tells by how much the topic grew. */
function producing(step, how) {
  return [step, w => w.write(how, numbered(step, batch, atLast))]
}

async function create(w) {
  await w.driver.create(w.main, atFirst)
  await w.ready(w.main, atFirst)
  return 'ok'
}

async function configAfter(w) {
  let value
  await until('the new retention.ms', async () => {
    value = await w.driver.config(w.main, 'retention.ms')
    return value === retention
  })
  return value
}

async function createPartitions(w) {
  await w.driver.addPartitions(w.main, atLast)
  await w.ready(w.main, atLast)
  await sleep(1000) // for the brokers that were not asked
  return atLast
}

async function transaction(w) {
  await w.driver.create(w.txn, 1)
  await w.ready(w.txn, 1)
  const lists = [numbered('committed', 10, 1), numbered('aborted', 10, 1), numbered('last', 1, 1)]
  await w.driver.transaction(w.txn, w.names.of('tid'), lists)
  const seen = await w.driver.readCommitted(w.txn, 'last-0000', w.names.of('reader'))
  const count = kind => seen.filter(value => value.startsWith(kind)).length
  return { committed: count('committed'), aborted: count('aborted') }
}

async function consumeGroup(w) {
  const member = await w.driver.join(w.group, w.main)
  try {
    await until('all records for the group', () => member.seen().length >= w.written)
    await member.commit()
    return sum(member.seen())
  } finally {
    await member.close()
  }
}

const total = numbers => numbers.reduce((sum, number) => sum + number, 0)

const committed = async w => total(await w.driver.committed(w.group, w.main, atLast))

async function seek(w) {
  const [end] = await w.driver.ends(w.main, atLast)
  const seen = await w.driver.seek(w.main, 0, 3, end - 3, w.names.of('seeker'))
  return { first: seen[0], count: seen.length }
}

async function consumeGroupTwo(w) {
  const members = [await w.driver.join(w.two, w.main)]
  try {
    const owned = () => members.map(m => m.owned())
    await until("the first member's partitions", () => owned()[0].length === atLast)
    members.push(await w.driver.join(w.two, w.main))
    await until('a rebalance', () => owned().every(o => o.length > 0) && `${owned().flat().sort()}` === '0,1,2,3')
    const seen = () => sum(members.flatMap(m => m.seen()))
    await until('all records for both', () => seen().count >= w.written)
    return { members: 2, partitions: owned().flat().sort(), ...seen() }
  } finally {
    await Promise.all(members.map(m => m.close()))
  }
}

async function describeGroup(w) {
  const member = await w.driver.join(w.group, w.main)
  try {
    await until('an assignment', () => member.owned().length === atLast)
    const { state, members, topics } = await w.driver.group(w.group)
    return { state, members, topics: w.names.own([...new Set(topics)]) }
  } finally {
    await member.close()
  }
}

async function deleteGroup(w) {
  for (const group of [w.group, w.two]) await retried(() => w.driver.deleteGroup(group))
  return 'ok'
}

async function deleteTopic(w) {
  for (const topic of [w.main, w.txn]) await w.driver.delete(topic)
  return 'ok'
}

async function listAfter(w) {
  await until('the end of the topics', async () => w.names.own(await w.driver.topics()).length === 0)
  return []
}

function noise(size) {
  let state = 1
  return Buffer.from(Array.from({ length: size }, () => (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16))
}

export const steps = [
  ['versions', w => w.driver.versions()],
  ['create', create],
  ['create-again', w => expected(w.driver.create(w.main, atFirst))],
  ['list', async w => w.names.own(await w.driver.topics())],
  ['describe', async w => {
    const [partitions, replicas] = await retried(() => w.driver.describe(w.main))
    return { partitions, replicas }
  }],
  ['describe-config', w => retried(() => w.driver.config(w.main, 'retention.ms'))],
  ['alter-config', async w => (await w.driver.alterConfig(w.main, 'retention.ms', retention), 'ok')],
  ['describe-config-after', configAfter],
  ['create-partitions', createPartitions],
  producing('produce-acks-0', { acks: 0 }),
  producing('produce-acks-1', { acks: 1 }),
  producing('produce-acks-all', { acks: -1 }),
  producing('produce-none', { acks: -1 }),
  producing('produce-gzip', { acks: -1, codec: 'gzip' }),
  producing('produce-snappy', { acks: -1, codec: 'snappy' }),
  producing('produce-lz4', { acks: -1, codec: 'lz4' }),
  producing('produce-zstd', { acks: -1, codec: 'zstd' }),
  producing('produce-idempotent', { acks: -1, idempotent: true }),
  ['produce-transactional', transaction],
  ['consume-assign', async w => sum(await w.driver.read(w.main, atLast, w.written))],
  ['consume-group', consumeGroup],
  ['committed', committed],
  ['lag', async w => total(await w.driver.ends(w.main, atLast)) - (await committed(w))],
  ['seek', seek],
  ['consume-group-two', consumeGroupTwo],
  ['list-groups', async w => w.names.own(await w.driver.groups())],
  ['describe-group', describeGroup],
  ['delete-group', deleteGroup],
  ['error-unknown-topic', w => expected(w.driver.produce(w.names.of('none'), { acks: -1 }, [{ partition: 0, value: 'lost' }]))],
  ['error-too-large', w => expected(w.driver.produce(w.main, { acks: -1 }, [{ partition: 0, value: noise(1_500_000) }]))],
  ['error-illegal-name', w => expected(w.driver.create(`${w.names.prefix}${w.names.run} a b`, 1))],
  ['denied', w => expected(w.driver.produce(w.readonly, { acks: -1 }, [{ partition: 0, value: 'denied' }]))],
  ['delete-topic', deleteTopic],
  ['list-after', listAfter]
]
