// SPDX-License-Identifier: Apache-2.0
//
// Names, errors and waits, shared by the steps and the libraries' drivers.

export const patience = 30_000 // ms, for a single call or wait within a step
export const stepLimit = 90_000
export const replicas = 1

/** Thrown by a driver for a step that its library has no call for. */
export class Unsupported extends Error {}

/** Maps between the names that the program uses and those on the wire. */
export class Names {
  constructor(prefix, run) {
    Object.assign(this, { prefix, run })
  }

  of(what) {
    return `${this.prefix}${this.run}-${what}`
  }

  /** The names of this run, as they are printed. */
  own(all) {
    return all.filter(name => name.startsWith(this.of(''))).map(name => this.shown(name)).sort()
  }

  shown(name) {
    const bare = name.startsWith(this.prefix) ? name.slice(this.prefix.length) : name
    return bare.replaceAll(this.run, 'RUN')
  }
}

// kafkajs has the names of Kafka's first years for these.
const renamed = { NOT_LEADER_FOR_PARTITION: 'NOT_LEADER_OR_FOLLOWER', GROUP_LOAD_IN_PROGRESS: 'COORDINATOR_LOAD_IN_PROGRESS',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'COORDINATOR_NOT_AVAILABLE', NOT_COORDINATOR_FOR_GROUP: 'NOT_COORDINATOR' }

/** Kafka's own name of an error, or the error's text. */
export function errorName(error) {
  const below = [error.cause, ...(error.errors ?? [])].filter(Boolean)
  const own = error.apiId ?? (/^[A-Z]+(_[A-Z]+)+$/.test(error.type ?? '') ? error.type : undefined)
  if (own) return renamed[own] ?? own
  for (const one of below) {
    const name = errorName(one)
    if (/^[A-Z]+(_[A-Z]+)+$/.test(name)) return name
  }
  // @platformatic/kafka looks the topic up in metadata and has a text of its own.
  if (/^Unknown topic /.test(error.message)) return 'UNKNOWN_TOPIC_OR_PARTITION'
  return error.message
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Waits for a condition; the error says what did not come. */
export async function until(what, condition) {
  const end = Date.now() + patience
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what} did not come within ${patience} ms`)
    await sleep(50)
  }
}

// Errors that pass once a change has reached every broker.
const passing = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_OR_FOLLOWER', 'UNKNOWN_TOPIC_ID',
  'COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS',
  'NON_EMPTY_GROUP', 'CONCURRENT_TRANSACTIONS']

/** Repeats a call while its error is one of those that pass. */
export async function retried(call) {
  const end = Date.now() + patience
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!passing.includes(errorName(error)) || Date.now() > end) throw error
    }
    await sleep(100)
  }
}
