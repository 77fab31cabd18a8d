import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CONTRACTS, check } from '../src/contracts.js'
import { analyze, count, echo } from '../src/textstats.js'

test('words, letters and lines', () => {
  assert.deepEqual(count({ text: 'Straße und Meer' }), { unit: 'words', count: 3 })
  assert.deepEqual(count({ text: 'a b', unit: 'letters' }), { unit: 'letters', count: 2 })
  assert.deepEqual(count({ text: '', unit: 'lines' }), { unit: 'lines', count: 0 })
})

test('the most frequent words come first, and a missing title stays missing', () => {
  const { results, total } = analyze({ documents: [{ text: 'b a a' }], top: 1 })
  assert.deepEqual(results, [
    { words: 3, meanLength: 1, frequent: [{ word: 'a', times: 2 }] },
  ])
  assert.equal(total, 3)
})

test('a document without words is a declared failure', () => {
  assert.throws(() => analyze({ documents: [{ text: '!' }] }), {
    message: 'EmptyText: {"index":0}',
  })
})

test('what JavaScript cannot hold is refused', () => {
  assert.deepEqual(echo({ value: 2 ** 53 - 1 }), { value: 2 ** 53 - 1 })
  assert.throws(() => echo({ value: [2 ** 53] }), { name: 'UnsafeNumber' })
  assert.throws(() => echo({ value: -0 }), { name: 'UnsafeNumber' })
})

test('input is held to the contract', () => {
  check('textstats::analyze', { documents: [{ text: 'a', title: null }], skip: { kind: 'none' } })
  for (const wrong of [{}, { documents: [] }, { documents: [{ text: 1 }] }, { more: 1 }]) {
    assert.throws(() => check('textstats::analyze', wrong), { name: 'ContractViolation' })
  }
})

test('every function has a contract of both sides', () => {
  for (const contract of Object.values(CONTRACTS)) {
    assert.ok(contract.request_format && contract.response_format && contract.description)
  }
})
