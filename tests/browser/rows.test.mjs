// What rows and figures say: nothing of before is told as of now, and nothing of one account as of all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { against, booksRead } from '../../src/web/ui/orders.js';
import { priced } from '../../src/web/ui/page_basket.js';
import { daysOf, endOf } from '../../src/web/ui/page_home.js';
import { isMixed } from '../../src/web/ui/page_judge.js';
import { aged, ago } from '../../src/web/ui/page_needs_you.js';
import { oldOf } from '../../src/web/ui/page_positions.js';

test('a row that was read before our order changed proves no difference', () => {
  const ours = { status: 'EXECUTED', filled_quantity: 50, quantity: 50, updated_at: '2026-11-27T04:30:00.3Z' };
  const row = (read_at, more = {}) => ({ state: 'OPEN', filled: 0, quantity: 50, read_at, foreign: false, ...more });
  assert.deepEqual(against(ours, row('2026-11-27T04:30:00Z')), { differs: [], isOlder: true });
  assert.deepEqual(against(ours, row('2026-11-27T04:30:01Z')), { differs: ['filled 0 there, 50 here', 'still working there, ended here'], isOlder: false });
  const same = row('2026-11-27T04:30:00Z', { state: 'COMPLETE', filled: 50 });
  assert.deepEqual(against(ours, same), { differs: [], isOlder: false }, 'what says the same agrees, whenever it was read');
  assert.deepEqual(against(undefined, row('2026-11-27T04:30:00Z', { foreign: true })), { differs: ['not ours'], isOlder: false });
});

test('how old the books are is said of each account where they are not alike', () => {
  const rows = (...ages) => ages.map(([client_id, age_ms]) => ({ client_id, age_ms }));
  assert.equal(booksRead([]), null);
  assert.equal(booksRead(rows(['A', 2_000], ['B', 2_100], ['A', 2_000])), '2 s ago');
  assert.equal(booksRead(rows(['A', 2_000], ['B', 7_200_000])), '2 s ago in A, 2 h ago in B');
});

test('the day is over only where it is over in every account', () => {
  const days = (...over) => daysOf({ accounts: over.map((is_over, index) => ({ client_id: 'AB'[index], day: is_over === null ? null : { is_over } })) });
  assert.deepEqual(endOf(days(false), '₹900.00'), ['Left until the day ends', '₹900.00']);
  assert.deepEqual(endOf(days(true), '₹0.00'), ['The day is over', '₹0.00']);
  assert.deepEqual(endOf(days(true, true), '–'), ['The day is over', '–']);
  assert.deepEqual(endOf(days(true, false), '–'), ['The day is over in A', 'not in B']);
  assert.deepEqual(endOf(days(null, true), '–'), ['The day is over in B', 'not in A'], 'one without limits goes on');
});

test('the age of what needs a person moves on', () => {
  const at = (age_ms) => aged({ kind: 'doubt', text: 'x', age_ms });
  assert.deepEqual([at(null), at(1_200), at(600_000), at(7_200_000)].map(ago), [null, 'just now', '10 min ago', '2 h ago']);
  assert.deepEqual(at(600_100), at(600_900), 'not a row of its own for each second');
});

test('an old price is shown with its age', () => {
  assert.deepEqual([null, 10_000, 10_001, 59_999, 1_800_500].map(oldOf), [null, null, 'over 10 s old', 'over 10 s old', '30 min old']);
});

test('a basket of several strategies, or with a test in it, is not judged as one', () => {
  assert.equal(isMixed([{ strategy: 'a' }, { strategy: 'a', test_mode: '' }]), false);
  assert.equal(isMixed([{ strategy: 'a' }, { strategy: 'b' }]), true);
  assert.equal(isMixed([{ strategy: 'a', test_mode: 'reject' }, { strategy: 'a' }]), true);
});

test('the outlook stands at the prices that the gates have just seen', () => {
  const legs = [{ symbol: 'C', side: 'SELL', about: { lot: '75', premium: '120' } }, { symbol: 'P', side: 'BUY', about: { lot: '75', premium: '115' } }, { symbol: 'F', side: 'BUY' }];
  const seen = [{ quote: { last: '81', bid: '80', ask: '82' } }, { quote: null }, { quote: { last: '5', bid: null, ask: null } }];
  assert.deepEqual(priced(legs, seen).map(({ about }) => about?.premium), ['80', '115', undefined]);
  assert.equal(legs[0].about.premium, '120');
});
