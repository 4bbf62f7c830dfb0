// What the pages believe of their stream: a dead one looks like a quiet one, but for what it does not say.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

class Source extends EventTarget {
  static CLOSED = 2;
  static all = [];
  readyState = 1;
  constructor() {
    super();
    Source.all.push(this);
  }
  close() {
    this.readyState = Source.CLOSED;
  }
  says(name, data = '{}') {
    this.dispatchEvent(Object.assign(new Event(name), { data }));
  }
}
let isDown = false;
globalThis.EventSource = Source;
globalThis.document = { hidden: false, addEventListener() {} };
globalThis.fetch = async () => {
  if (isDown) throw new TypeError('nobody answers');
  return new Response('{}');
};
mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
const { listen, on, onState } = await import('../../src/web/ui/live.js');
const { get } = await import('../../src/web/ui/api.js');

/** So many seconds, with time for what answers in between. */
async function pass(seconds) {
  for (let second = 0; second < seconds; second += 1) {
    mock.timers.tick(1_000);
    await new Promise((done) => setImmediate(done));
  }
}

test('a stream is believed for as long as it is heard', async () => {
  let state;
  const told = [];
  onState((next) => { state = next; });
  const leave = on(['orders'], (changed) => told.push(changed));
  listen();
  const [first] = Source.all;
  first.says('open');
  assert.equal(state, 'live');
  await pass(35);
  first.says('ping');
  await pass(35);
  assert.deepEqual([state, Source.all.length], ['live', 1], 'a quiet stream lives');

  await pass(4);
  assert.equal(state, 'live');
  isDown = true;
  await pass(1);
  assert.deepEqual([state, first.readyState, Source.all.length], ['lost', Source.CLOSED, 2], 'a dead one is left, and another is opened');
  first.says('ping');
  assert.equal(state, 'lost', 'the dead one is not heard any more');
  isDown = false;
  await pass(2);
  assert.equal(state, 'polling');
  const second = Source.all[1];
  told.length = 0;
  second.says('open');
  assert.deepEqual([state, told], ['live', [[]]], 'after a break everything is read anew');

  isDown = true;
  await assert.rejects(get('/dashboard/overview'), { code: 'unreachable' });
  assert.equal(state, 'lost', 'a read without an answer is told, whatever the stream is');
  isDown = false;
  await pass(2);
  second.says('orders', JSON.stringify({ changed: [{ command_id: 'x' }] }));
  assert.deepEqual([state, told.at(-1)], ['live', [{ command_id: 'x' }]]);
  leave();
  const before = told.length;
  second.says('orders', JSON.stringify({ changed: [{ command_id: 'y' }] }));
  assert.equal(told.length, before, 'who has left is told nothing');
});
