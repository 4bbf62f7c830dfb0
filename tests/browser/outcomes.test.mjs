// What became of what was sent: nothing that was refused is told as done.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem } from '../../src/web/ui/api.js';
import { followed, oneAct, outcome, outcomeOf } from '../../src/web/ui/outcomes.js';

const order = (client_id, more = {}) => ({ client_id, side: 'SELL', quantity: 10, symbol: 'SBIN-EQ', status: 'SENT_TO_BROKER', tag: null, words: 'being sent to the broker', reason: null, remedy: 'nothing', sent_at: '2026-11-27T06:00:00Z', ...more });
const waits = (client_id, more = {}) => order(client_id, { status: 'CREATED', words: 'written down, nothing sent yet', sent_at: null, ...more });
const word = (answer) => outcome(answer).word;
const refused = (client_id) => order(client_id, { status: 'FAILED', tag: 'EXITS_FROZEN', words: 'exits are frozen', reason: 'by asha', remedy: 'thaw the exits', sent_at: null });
const untaken = { client_id: 'SWING', code: 'journal_closed', status: 503, detail: 'nothing can be written down', remedy: 'look at the disk' };
const taken = (...orders) => ({ status: 'ACCEPTED', replayed: false, client_id: orders[0].client_id, orders });

test('what was taken whole is told in short', () => {
  assert.equal(word({ status: 'ACCEPTED', orders: [order('PAPER1')] }), 'sent');
  assert.equal(word({ status: 'ACCEPTED', orders: [order('PAPER1'), order('SWING')], signals: [taken(order('PAPER1')), taken(order('SWING'))] }), '2 orders sent');
  assert.equal(word({ status: 'ACCEPTED', replayed: true, orders: [order('PAPER1')] }), 'sent before already: nothing is sent twice');
  assert.equal(word({ status: 'NO_POSITION', done: 'nothing: there are no eligible positions', orders: [] }), 'nothing: there are no eligible positions');
  assert.equal(word({ status: 'ACCEPTED', orders: [order('PAPER1', { status: 'FAILED', tag: 'AT_TARGET', words: 'it is there already' })] }), 'it is there already');
});

test('what is only written down is not told as sent', () => {
  const one = outcome({ status: 'ACCEPTED', orders: [waits('PAPER1')] });
  assert.deepEqual(one, { word: '1 order written down and NOT sent yet. The order’s page says what it waits for', kind: 'wait' });
  const some = outcome({ status: 'ACCEPTED', orders: [order('PAPER1'), waits('SWING', { tag: 'SUPERSEDED', words: 'waits', reason: 'for a yes' })] });
  assert.deepEqual(some, { word: '1 order sent, 1 order written down and NOT sent yet: for a yes. The order’s page says what it waits for', kind: 'wait' });
  assert.equal(word({ status: 'ACCEPTED', replayed: true, orders: [waits('PAPER1')] }), '1 order written down and NOT sent yet. It was asked for before: nothing is sent twice. The order’s page says what it waits for');
  assert.equal(outcome({ status: 'ACCEPTED', orders: [order('PAPER1')] }).kind, 'ok');
  assert.equal(outcomeOf({ status: 'PARTIALLY_ACCEPTED', orders: [waits('PAPER1'), refused('SWING')] }).words, '1 order written down and NOT sent yet, but not all of it: SELL 10 SBIN-EQ in SWING: exits are frozen: by asha');
});

test('an order is looked at again until it goes, and not for ever', async () => {
  let looks = 0;
  const goes = async (one) => ({ ...one, ...(looks++ < 2 ? {} : { status: 'SENT_TO_BROKER', sent_at: '2026-11-27T06:00:00Z' }) });
  assert.equal(word(await followed({ status: 'ACCEPTED', orders: [waits('PAPER1')] }, goes, async () => {})), 'sent');
  assert.equal(looks, 3);
  let pauses = 0;
  const stays = await followed({ status: 'ACCEPTED', orders: [waits('PAPER1'), order('SWING')] }, async (one) => one, async () => { pauses += 1; });
  assert.match(word(stays), /^1 order sent, 1 order written down and NOT sent yet/);
  assert.ok(pauses >= 5 && pauses <= 20, `${pauses} looks`);
  const rejected = async (one) => ({ ...one, status: 'FAILED', tag: 'BROKER_REJECTED', words: 'rejected by the broker', reason: 'RED', sent_at: '2026-11-27T06:00:00Z' });
  const after = await followed({ status: 'ACCEPTED', orders: [waits('PAPER1')] }, rejected, async () => {});
  assert.throws(() => outcome(after), { message: 'Nothing of it stands: SELL 10 SBIN-EQ in PAPER1: rejected by the broker: RED' });
  assert.equal(await followed(null), null);
  // An entry that rested: its exit waits for the cancel, and has nothing to do then.
  const needless = async (one) => ({ ...one, status: 'FAILED', tag: 'NO_POSITION', words: 'refused by ordergate: nothing to exit' });
  assert.equal(word(await followed({ status: 'ACCEPTED', orders: [waits('PAPER1')] }, needless, async () => {})), 'nothing was left to exit');
  const both = await followed({ status: 'ACCEPTED', orders: [waits('PAPER1'), order('SWING')] }, needless, async () => {});
  assert.equal(word(both), '1 order sent, 1 order found nothing left to exit');
});

test('one account that was not taken is not hidden by the other', () => {
  const { words, refusal, isWhole } = outcomeOf({ status: 'PARTIALLY_ACCEPTED', orders: [order('PAPER1')], signals: [taken(order('PAPER1')), untaken] });
  assert.equal(words, '1 order sent, but not all of it: SWING: nothing can be written down');
  assert.deepEqual([refusal.code, refusal.remedy, isWhole], ['PARTIALLY_ACCEPTED', 'look at the disk', false]);
});

test('where nothing was taken nothing is told as done', () => {
  const both = { status: 'BLOCKED', orders: [], signals: [{ ...untaken, client_id: 'PAPER1' }, untaken] };
  assert.throws(() => outcome(both), { message: 'Nothing was sent: PAPER1: nothing can be written down; SWING: nothing can be written down', remedy: 'look at the disk' });
  assert.throws(() => outcome({ status: 'BLOCKED', orders: [refused('PAPER1')] }), { message: 'Nothing was sent: SELL 10 SBIN-EQ in PAPER1: exits are frozen: by asha', remedy: 'thaw the exits' });
  assert.throws(() => outcome({ status: 'BLOCKED', orders: [] }), /Nothing was sent: the answer is BLOCKED/);
});

test('of many refusals the first are told, and how many more there are', () => {
  const all = ['A', 'B', 'C', 'D', 'E'].map(refused);
  assert.match(outcomeOf({ status: 'PARTIALLY_ACCEPTED', orders: [order('Z'), ...all] }).words, /^1 order sent, but not all of it: .* in A: .* in B: .* in C: [^;]*; and 2 more$/);
});

test('an act keeps its key for as long as nothing was answered, and no longer', async () => {
  const sending = oneAct();
  const keys = [];
  const ask = (answer) => (key) => { keys.push(key); return answer; };
  const problem = (status) => Promise.reject(new Problem(status, { detail: 'no' }));
  await assert.rejects(sending(ask(problem(0))));
  await assert.rejects(sending(ask(problem(503))));
  await assert.rejects(sending(ask({ status: 'PARTIALLY_ACCEPTED', orders: [order('PAPER1'), refused('SWING')] })));
  await assert.rejects(sending(ask({ status: 'BLOCKED', orders: [refused('SWING')] })));
  await assert.rejects(sending(ask(problem(409))));
  assert.equal((await sending(ask({ status: 'ACCEPTED', orders: [order('PAPER1')] }))).word, 'sent');
  assert.ok(keys[0] === keys[1] && keys[1] === keys[2], 'it may have been done');
  assert.equal(new Set(keys.slice(2)).size, 4, 'what was refused is not told again for ever');
});
