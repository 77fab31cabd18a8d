// The worker: serves the functions on an iii engine.
//
// Where the engine is, the environment says: III_URL, III_TOKEN, III_WORKER_NAME.

import { registerWorker } from 'iii-sdk'

import { CONTRACTS, check } from './contracts.js'
import { DeclaredError, analyze, count, echo } from './textstats.js'

const { III_URL, III_TOKEN, III_WORKER_NAME } = process.env
const iii = registerWorker(III_URL ?? 'ws://127.0.0.1:49134', {
  workerName: III_WORKER_NAME ?? 'textstats',
  otel: { enabled: false },
  enableMetricsReporting: false,
  headers: III_TOKEN ? { Authorization: `Bearer ${III_TOKEN}` } : {},
  reconnectionConfig: { initialDelayMs: 50, maxDelayMs: 1000 },
})

/** A task of agentfx, called by its id like any function; it moves when its worker is killed. */
async function ofPage({ url }) {
  try {
    const page = await iii.trigger({ function_id: 'docs::fetch', payload: { url } })
    return { url, words: count({ text: page.text }).count }
  } catch (error) {
    if (error.code !== 'NotFound') throw error
    // The SDK puts the code before the message, which is the failure's fields.
    throw new DeclaredError('NotFound', JSON.parse(error.message.replace(/^NotFound: /, '')))
  }
}

const FUNCTIONS = {
  'textstats::count': count,
  'textstats::analyze': analyze,
  'textstats::of_page': ofPage,
  'textstats::echo': echo,
}

for (const [id, run] of Object.entries(FUNCTIONS)) {
  iii.registerFunction(
    id,
    async ({ _caller_worker_id, ...input }) => {
      check(id, input)
      return run(input)
    },
    CONTRACTS[id],
  )
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    await iii.shutdown()
    process.exit(0)
  })
}
