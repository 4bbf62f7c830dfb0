// The API page's words for a schema, and the example that it makes of one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { example, kindOf, outline, whole } from '../../src/web/ui/page_schema.js';

const SCHEMA = {
  type: ['object'],
  required: ['symbol'],
  properties: {
    symbol: { type: 'string' },
    side: { type: 'string', enum: ['BUY', 'SELL'] },
    quantity: { type: ['string', 'integer'] },
    rows: { type: ['array'], items: { type: ['object'], properties: { price: { type: ['null', 'string'], format: 'decimal' }, at: { type: ['string'], format: 'date-time' } } } },
    by: { type: ['object'], additionalProperties: { type: ['integer'] } },
    tags: { type: ['array'], items: { type: ['string'] } },
    none: { type: ['array'], items: {} },
    unknown: { type: ['null'] },
  },
};

test('every field has its line, with what it stands in', () => {
  assert.deepEqual(outline(SCHEMA).map((line) => `${line.name}: ${line.kind}${line.needed ? '!' : ''}`), [
    'symbol: text!', 'side: BUY | SELL', 'quantity: text or whole number', 'rows: list', 'rows[].price: text (decimal), or null', 'rows[].at: text (date-time)',
    'by: object', 'by.<name>: whole number', 'tags: list', 'tags[]: text', 'none: list', 'none[]: anything', 'unknown: nothing yet']);
  assert.equal(kindOf({ type: 'boolean' }), 'true or false');
});

test('an example has each field once, of its kind', () => {
  assert.deepEqual(example(SCHEMA), {
    symbol: 'RELIANCE-EQ', side: 'BUY', quantity: '10', rows: [{ price: '10', at: '2026-11-26T04:00:00Z' }], by: { NAME: 1 }, tags: ['text'], none: [], unknown: null });
});

const NAMED = {
  Side: { type: 'string', enum: ['BUY', 'SELL'] },
  Row: { type: 'object', required: ['side', 'other'], properties: { side: { $ref: '#/components/schemas/Side', description: 'which way' }, other: { anyOf: [{ $ref: '#/components/schemas/Side' }, { type: 'null' }] } } },
};

test('what is only named is said whole, and of several every field has its line', () => {
  const answer = whole({
    type: 'object',
    required: ['rows'],
    properties: {
      rows: { type: 'array', items: { anyOf: [{ $ref: '#/components/schemas/Row' }, { type: 'object', properties: { why: { type: ['string', 'null'], enum: ['x', 'y', null] } } }] } },
      any: { type: 'object', additionalProperties: true },
      used: { anyOf: [{ type: 'integer' }, { type: 'object', properties: { units: { type: 'integer' } } }, { type: 'null' }] },
    },
  }, NAMED);
  assert.deepEqual(outline(answer).map((line) => `${line.name}: ${line.kind}${line.needed ? '!' : ''}${line.about && ` (${line.about})`}`), [
    'rows: list!', 'rows[].side: BUY | SELL! (which way)', 'rows[].other: BUY | SELL, or null!', 'rows[].why: x | y, or null', 'any: object',
    'used: whole number or object, or null', 'used.units: whole number']);
  assert.equal(kindOf(NAMED.Row), 'object');
});
