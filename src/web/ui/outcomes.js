// @ts-check
// What became of what was sent, in one line: what went, and whatever did not, by account.

import { Problem, actKey, get } from './api.js';
import { count, told } from './words.js';

/** So many refusals are told one by one. */
const TOLD = 3;

/** An order that is written down goes out at once where nothing holds it: it is looked at again for so long before it is told as waiting. */
const GOES_WITHIN_MS = 2_500;
const LOOKS_EVERY_MS = 250;

/** On disk, and not on its way to the broker: what holds it may last. @param {any} order */
const isWaiting = (order) => order.status === 'CREATED' && !order.sent_at;

/** An exit that was taken, waited for its entry to be cancelled, and found nothing left. @param {any} order */
const isNeedless = (order) => order.wasTaken && order.tag === 'NO_POSITION';

/** A target that is reached already is no refusal. @param {any} order */
const isRefused = (order) => order.status === 'FAILED' && order.tag !== 'AT_TARGET' && !isNeedless(order);

/**
 * What became of a signal, or of several together. A `refusal` is what was not done; `isWhole`: nothing of it was; `kind`: how good that is.
 * @param {any} answer @returns {{ words: string, kind: import('./words.js').Kind, refusal: Problem | null, isWhole: boolean }}
 */
export function outcomeOf(answer) {
  const orders = answer.orders ?? [];
  const taken = orders.filter((/** @type {any} */ order) => order.status !== 'FAILED');
  const waiting = taken.filter(isWaiting);
  const kind = waiting.length ? 'wait' : 'ok';
  // A signal that was not taken has no orders: its problem stands in its place.
  const untaken = (answer.signals ?? []).filter((/** @type {any} */ signal) => !Array.isArray(signal.orders));
  const refused = orders.filter(isRefused);
  const isBad = ['BLOCKED', 'PARTIALLY_ACCEPTED', 'FAILED'].includes(answer.status);
  if (untaken.length === 0 && refused.length === 0 && !isBad) return { words: done(answer, orders, taken, waiting), kind, refusal: null, isWhole: false };
  const whys = [...untaken.map(ofSignal), ...refused.map(ofOrder)];
  const more = whys.length > TOLD ? `; and ${whys.length - TOLD} more` : '';
  const why = whys.length ? `${whys.slice(0, TOLD).join('; ')}${more}` : `the answer is ${answer.status}`;
  const nothing = refused.some((/** @type {any} */ order) => order.sent_at) ? 'Nothing of it stands' : 'Nothing was sent';
  const words = `${taken.length ? `${went(orders, taken, waiting)}, but not all of it` : nothing}: ${why}`;
  const remedy = [...untaken, ...refused].map((one) => one.remedy).find((one) => one && one !== 'nothing') ?? '';
  return { words, kind, refusal: new Problem(202, { code: answer.status, detail: words, remedy }), isWhole: taken.length === 0 };
}

/** @param {any} answer @param {any[]} orders @param {any[]} taken @param {any[]} waiting */
function done(answer, orders, taken, waiting) {
  if (orders.length === 0) return answer.done ?? 'nothing was to do';
  if (orders.every(isNeedless)) return 'nothing was left to exit';
  if (taken.length === 0) return orders[0].words;
  const isReplay = answer.replayed || (answer.signals?.length > 0 && answer.signals.every((/** @type {any} */ signal) => signal.replayed));
  if (waiting.length === 0) return `${orders.length === 1 ? 'sent' : went(orders, taken, waiting)}${isReplay ? ' before already: nothing is sent twice' : ''}`;
  return `${went(orders, taken, waiting)}${held(waiting)}. ${isReplay ? 'It was asked for before: nothing is sent twice. ' : ''}The order’s page says what it waits for`;
}

/** How many went, how many are only on disk, and how many had nothing to do. @param {any[]} orders @param {any[]} taken @param {any[]} waiting */
function went(orders, taken, waiting) {
  const [sent, needless] = [taken.length - waiting.length, orders.filter(isNeedless).length];
  const parts = [
    sent ? `${count(sent, 'order')} sent` : null,
    needless ? `${count(needless, 'order')} found nothing left to exit` : null,
    waiting.length ? `${count(waiting.length, 'order')} written down and NOT sent yet` : null,
  ];
  return parts.filter(Boolean).join(', ');
}

/** What the record says of why they wait. @param {any[]} waiting */
function held(waiting) {
  const said = [...new Set(waiting.map((order) => order.reason ?? (order.tag ? order.words : null)).filter(Boolean))];
  return said.length ? `: ${told(said.slice(0, TOLD).join('; '))}` : '';
}

/** @param {any} order */
function ofOrder(order) {
  const what = [order.side, order.quantity, order.symbol].filter(Boolean).join(' ');
  return told([`${what} in ${order.client_id}`, order.words, order.reason].filter(Boolean).join(': '));
}

/** @param {any} signal */
function ofSignal(signal) {
  return told([signal.client_id, signal.detail ?? 'it was not taken'].filter(Boolean).join(': '));
}

/**
 * What became of it; what was not done is thrown, so that a window stays open on it.
 * @param {any} answer @returns {import('./words.js').Said}
 */
export function outcome(answer) {
  const { words, kind, refusal } = outcomeOf(answer);
  if (refusal) throw refusal;
  return { word: words, kind };
}

/**
 * The answer with its orders as they stand once they went out, or a little later: the decision comes before the call to the broker.
 * @param {any} answer @param {(order: any) => Promise<any>} [read] @param {() => Promise<void>} [pause]
 */
export async function followed(answer, read = newest, pause = aMoment) {
  const orders = [...(answer?.orders ?? [])];
  for (let waited = 0; orders.some(isWaiting) && waited < GOES_WITHIN_MS; waited += LOOKS_EVERY_MS) {
    await pause();
    for (const [at, order] of orders.entries()) {
      if (isWaiting(order)) orders[at] = { ...order, ...(await read(order)), wasTaken: true };
    }
  }
  return answer && { ...answer, orders };
}

/** An order as it is now; one that cannot be read stands as it stood. @param {any} order */
async function newest(order) {
  try {
    return (await get(`/dashboard/orders/${encodeURIComponent(order.command_id)}`)).order;
  } catch {
    return order;
  }
}

/** @returns {Promise<void>} */
const aMoment = () => new Promise((done) => setTimeout(done, LOOKS_EVERY_MS));

/**
 * An act of a person. Where no answer came it may have been done, and is asked for again under the same key. Whatever was answered is known:
 * what is asked for then is another act, or a refusal would be told again for ever.
 * @returns {(post: (key: string) => Promise<any>) => Promise<import('./words.js').Said>}
 */
export function oneAct() {
  let key = actKey();
  return async (post) => {
    try {
      const answer = await post(key);
      key = actKey();
      return outcome(await followed(answer));
    } catch (cause) {
      if (cause instanceof Problem && cause.status > 0 && cause.status < 500) key = actKey();
      throw cause;
    }
  };
}
