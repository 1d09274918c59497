// SPDX-License-Identifier: Apache-2.0
//
// Runs the steps of the client matrix with one Kafka library for Node, named on the command line, and prints
// one JSON object per step. steps.js has the steps, kafkajs.js and platformatic.js what each library does;
// BOOTSTRAP, SASL_USER, SASL_TOKEN, PREFIX, RUN and READONLY come from the environment.

import { Names, Unsupported, errorName, stepLimit } from './common.js'
import { World, steps } from './steps.js'

const modules = { kafkajs: './kafkajs.js', 'platformatic-kafka': './platformatic.js' }

async function perform(world, run) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${stepLimit} ms`)), stepLimit)
  })
  try {
    return { outcome: await Promise.race([run(world), late]) }
  } catch (error) {
    if (error instanceof Unsupported) return { unsupported: error.message }
    if (process.env.VERBOSE) console.error(error)
    return { outcome: 'failed: ' + world.names.shown(errorName(error)) }
  } finally {
    clearTimeout(timer)
  }
}

async function main(client) {
  const env = process.env
  const access = { brokers: env.BOOTSTRAP.split(','), user: env.SASL_USER, token: env.SASL_TOKEN }
  const { open } = await import(modules[client])
  const names = new Names(env.PREFIX ?? '', env.RUN)
  const world = new World(await open(access), names, env.READONLY)
  for (const [step, run] of steps) {
    if (step === 'denied' && !env.READONLY) continue
    console.log(JSON.stringify({ step, ...(await perform(world, run)) }))
  }
}

// A library's lost promise is not the end of the other steps.
process.on('unhandledRejection', error => console.error('unhandled:', error))
process.on('uncaughtException', error => console.error('uncaught:', error))
if (!modules[process.argv[2]]) {
  console.error('usage: main.js kafkajs|platformatic-kafka')
  process.exit(2)
}
main(process.argv[2]).then(
  () => process.exit(0),
  error => {
    console.error(error)
    process.exit(1)
  }
)
