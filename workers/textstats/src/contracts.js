// The contracts, as JSON Schemas; and the check that input keeps them.

import { DeclaredError, UNITS } from './textstats.js'

const text = { type: 'string' }
const object = (properties, required, more = {}) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
  ...more,
})

const Document = object({ title: { type: ['string', 'null'] }, text }, ['text'], {
  description: 'A text, with or without a title.',
})

const Skip = {
  oneOf: [
    object({ kind: { const: 'none' } }, ['kind'], { title: 'SkipNone' }),
    object({ kind: { const: 'shorter' }, than: { type: 'integer', minimum: 1 } }, ['kind', 'than'], {
      title: 'SkipShorter',
    }),
    object({ kind: { const: 'listed' }, words: { type: 'array', items: text } }, ['kind', 'words'], {
      title: 'SkipListed',
    }),
  ],
}

const Frequent = object({ word: text, times: { type: 'integer', minimum: 1 } }, ['word', 'times'])

const Result = object(
  {
    title: text,
    words: { type: 'integer', minimum: 0 },
    meanLength: { type: 'number' },
    frequent: { type: 'array', items: { $ref: '#/$defs/Frequent' } },
  },
  ['words', 'meanLength', 'frequent'],
)

const EmptyText = object({ index: { type: 'integer' } }, ['index'], {
  description: 'A document has no words that count.',
})

const UnsafeNumber = object({ at: { type: 'array', items: text }, read: text }, ['at', 'read'], {
  description: 'A number that JavaScript cannot give back: beyond 2^53, or a negative zero.',
})

export const CONTRACTS = {
  'textstats::count': {
    description: 'Count words, letters or lines of a text',
    request_format: object({ text, unit: { enum: UNITS } }, ['text']),
    response_format: object({ unit: { enum: UNITS }, count: { type: 'integer', minimum: 0 } }, [
      'unit',
      'count',
    ]),
  },
  'textstats::analyze': {
    description: 'Count words of documents, and find the most frequent ones',
    request_format: object(
      {
        documents: { type: 'array', items: { $ref: '#/$defs/Document' }, minItems: 1 },
        top: { type: 'integer', minimum: 0, maximum: 100, description: 'How many; 3 without it.' },
        skip: { $ref: '#/$defs/Skip' },
      },
      ['documents'],
      { $defs: { Document, Skip } },
    ),
    response_format: object(
      { results: { type: 'array', items: { $ref: '#/$defs/Result' } }, total: { type: 'integer' } },
      ['results', 'total'],
      { $defs: { Result, Frequent } },
    ),
    metadata: { errors: { EmptyText } },
  },
  'textstats::of_page': {
    description: 'Count the words of a page that the task docs::fetch gets',
    request_format: object({ url: text }, ['url']),
    response_format: object({ url: text, words: { type: 'integer' } }, ['url', 'words']),
    metadata: { errors: { NotFound: object({ url: text }, ['url']) } },
  },
  'textstats::echo': {
    description: 'Give back what was given',
    request_format: object({ value: {} }, ['value']),
    response_format: object({ value: {} }, ['value']),
    metadata: { errors: { UnsafeNumber } },
  },
}

/** Check a value against the few keywords that are used above. */
export function check(functionId, value) {
  const schema = CONTRACTS[functionId].request_format
  const errors = [...problems(schema, value, [], schema)]
  if (errors.length > 0) {
    throw new DeclaredError('ContractViolation', { task: functionId, where: 'input', errors })
  }
}

function* problems(schema, value, at, root) {
  if (schema.$ref) {
    yield* problems(root.$defs[schema.$ref.split('/').at(-1)], value, at, root)
  } else if (schema.oneOf) {
    const fitting = schema.oneOf.filter((one) => problems(one, value, at, root).next().done)
    if (fitting.length !== 1) yield ['one_of', at, 'Input should have exactly one of the shapes']
  } else if ('const' in schema || schema.enum) {
    const allowed = schema.enum ?? [schema.const]
    if (!allowed.includes(value)) yield ['enum', at, `Input should be one of ${allowed.join(', ')}`]
  } else if (schema.type) {
    const types = [schema.type].flat()
    if (!types.some((type) => IS[type](value))) {
      yield ['type', at, `Input should be of type ${types.join(' or ')}`]
    } else {
      yield* inner(schema, value, at, root)
    }
  }
}

function* inner(schema, value, at, root) {
  if (typeof value === 'number') {
    if (value < (schema.minimum ?? -Infinity)) yield ['ge', at, `at least ${schema.minimum}`]
    if (value > (schema.maximum ?? Infinity)) yield ['le', at, `at most ${schema.maximum}`]
  } else if (Array.isArray(value)) {
    if (value.length < (schema.minItems ?? 0)) yield ['too_short', at, `${schema.minItems} items`]
    for (const [index, item] of value.entries()) {
      yield* problems(schema.items, item, [...at, index], root)
    }
  } else if (value !== null && typeof value === 'object') {
    for (const key of schema.required) {
      if (!Object.hasOwn(value, key)) yield ['missing', [...at, key], 'Field required']
    }
    for (const [key, item] of Object.entries(value)) {
      if (!Object.hasOwn(schema.properties, key)) {
        yield ['extra_forbidden', [...at, key], 'Extra inputs are not permitted']
      } else {
        yield* problems(schema.properties[key], item, [...at, key], root)
      }
    }
  }
}

const IS = {
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isInteger(value),
  number: (value) => typeof value === 'number',
  array: (value) => Array.isArray(value),
  object: (value) => value !== null && typeof value === 'object' && !Array.isArray(value),
  null: (value) => value === null,
}
