// A worker and a caller on the unmodified Node SDK; what they see goes to standard output.
//
//     node scenario.mjs URL TOKEN NAME
//
// Ends when standard input does.

import { TriggerAction, registerWorker } from 'iii-sdk'

const [url, token, name] = process.argv.slice(2)
// Its own log goes to standard output as well: every line of ours is JSON.
const tell = (step, value = null) => process.stdout.write(`${JSON.stringify({ step, value })}\n`)

function connect(workerName) {
  return registerWorker(url, {
    workerName,
    otel: { enabled: false },
    headers: { Authorization: `Bearer ${token}` },
    reconnectionConfig: { initialDelayMs: 100, maxDelayMs: 500 },
  })
}

async function failing(call) {
  try {
    await call()
  } catch (error) {
    return error.code ?? String(error)
  }
  return 'no error'
}

const worker = connect(name)
const caller = connect(`${name}-caller`)
const ask = (function_id, payload, more = {}) => caller.trigger({ function_id, payload, ...more })

function offer() {
  worker.registerFunction(`${name}::echo`, async (data) => ({ by: name, ...data }), { description: 'Echoes' })
  worker.registerFunction(`${name}::fail`, async () => {
    throw new Error('boom')
  })
  worker.registerFunction(`${name}::hang`, async () => {
    tell('hanging')
    await new Promise(() => {})
  })
  for (const step of ['message', 'job', 'change']) {
    worker.registerFunction(`${name}::${step}`, async (data) => {
      tell(step, data)
      return null
    })
  }
  worker.registerTriggerType(
    { id: `${name}::tick`, description: 'Ticks' },
    {
      registerTrigger: async (config) => tell('bound', config.function_id),
      unregisterTrigger: async () => tell('unbound', true),
    },
  )
  worker.registerTrigger({
    type: 'durable:subscriber',
    function_id: `${name}::message`,
    config: { topic: `${name}-topic` },
  })
  worker.registerTrigger({ type: 'state', function_id: `${name}::change`, config: { scope: name } })
  worker.registerTrigger({ type: `${name}::tick`, function_id: `${name}::echo`, config: {} })
}

async function known() {
  const { functions } = await ask('engine::functions::list', {})
  return functions.some((row) => row.function_id === `${name}::change`)
}

async function run() {
  offer()
  while (!(await known())) await new Promise((done) => setTimeout(done, 10))
  tell('echo', Object.keys(await ask(`${name}::echo`, { n: 1 })).sort())
  tell('failed', await failing(() => ask(`${name}::fail`, {})))
  tell('unknown', await failing(() => ask('nobody::home', {})))
  tell('set', await ask('state::set', { scope: name, key: 'k', value: { n: 1 } }))
  const increment = { type: 'increment', path: 'n', by: 2 }
  tell('updated', await ask('state::update', { scope: name, key: 'k', ops: [increment] }))
  tell('got', await ask('state::get', { scope: name, key: 'k' }))
  tell('missing', (await ask('state::get', { scope: name, key: 'nothing' })) ?? null)
  tell('listed', await ask('state::list', { scope: name }))
  tell('published', (await ask('iii::durable::publish', { topic: `${name}-topic`, data: { m: 1 } })) ?? null)
  const receipt = await ask(`${name}::job`, { j: 1 }, { action: TriggerAction.Enqueue({ queue: 'default' }) })
  tell('receipt', Object.keys(receipt).sort())
  const big = 'x'.repeat(3 << 20)
  tell('big', (await ask(`${name}::echo`, { big })).big.length)
  tell('ready')
}

process.stdin.on('data', () => {})
process.stdin.on('end', async () => {
  await worker.shutdown()
  await caller.shutdown()
  tell('ended')
  process.exit(0)
})
await run()
