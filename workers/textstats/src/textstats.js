// What the worker computes. Nothing here knows of iii.

/** A failure that a contract lists; `fields` is what it says beside its name. */
export class DeclaredError extends Error {
  /** @param {string} name @param {Record<string, unknown>} fields */
  constructor(name, fields) {
    // The convention of declared failures: the name, then the fields as JSON.
    super(`${name}: ${JSON.stringify(fields)}`)
    this.name = name
    this.fields = fields
  }
}

const COUNTERS = {
  words: (text) => words(text).length,
  letters: (text) => [...text].filter((char) => /\p{L}/u.test(char)).length,
  lines: (text) => (text === '' ? 0 : text.split('\n').length),
}

export const UNITS = Object.keys(COUNTERS)

/** @param {{ text: string, unit?: keyof typeof COUNTERS }} input */
export function count({ text, unit = 'words' }) {
  return { unit, count: COUNTERS[unit](text) }
}

/** @param {{ documents: { title?: string | null, text: string }[], top?: number, skip?: unknown }} input */
export function analyze({ documents, top = 3, skip = { kind: 'none' } }) {
  const results = documents.map(({ title = null, text }, index) => {
    const kept = words(text).filter((word) => !isSkipped(word, skip))
    if (kept.length === 0) throw new DeclaredError('EmptyText', { index })
    return {
      ...(title === null ? {} : { title }),
      words: kept.length,
      meanLength: kept.reduce((sum, word) => sum + [...word].length, 0) / kept.length,
      frequent: mostFrequent(kept, top),
    }
  })
  return { results, total: results.reduce((sum, { words: n }) => sum + n, 0) }
}

/** Gives back what was given, or says that JavaScript cannot. */
export function echo({ value }) {
  refuseUnsafe(value, [])
  return { value }
}

/** Beyond 2^53 neighbouring integers are one number here, and which was meant is not known. */
export function refuseUnsafe(value, at) {
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    throw new DeclaredError('UnsafeNumber', { at: at.map(String), read: String(value) })
  }
  if (Object.is(value, -0)) {
    // JSON.stringify would write it without its sign.
    throw new DeclaredError('UnsafeNumber', { at: at.map(String), read: '-0' })
  }
  if (value !== null && typeof value === 'object') {
    for (const [key, item] of Object.entries(value)) refuseUnsafe(item, [...at, key])
  }
}

function isSkipped(word, skip) {
  if (skip.kind === 'shorter') return [...word].length < skip.than
  if (skip.kind === 'listed') return skip.words.includes(word)
  return false
}

function words(text) {
  return text.toLowerCase().match(/\p{L}+/gu) ?? []
}

function mostFrequent(all, top) {
  const counts = new Map()
  for (const word of all) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts.entries()]
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .slice(0, top)
    .map(([word, times]) => ({ word, times }))
}
