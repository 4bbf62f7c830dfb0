// @ts-check
// What became of what was sent, in one line: what went, and whatever did not, by account.

import { Problem, actKey } from './api.js';
import { count, told } from './words.js';

/** So many refusals are told one by one. */
const TOLD = 3;

/** A target that is reached already is no refusal. @param {any} order */
const isRefused = (order) => order.status === 'FAILED' && order.tag !== 'AT_TARGET';

/**
 * What became of a signal, or of several together. A `refusal` is what was not done; `isWhole`: nothing of it was.
 * @param {any} answer @returns {{ words: string, refusal: Problem | null, isWhole: boolean }}
 */
export function outcomeOf(answer) {
  const orders = answer.orders ?? [];
  const sent = orders.filter((/** @type {any} */ order) => order.status !== 'FAILED');
  // A signal that was not taken has no orders: its problem stands in its place.
  const untaken = (answer.signals ?? []).filter((/** @type {any} */ signal) => !Array.isArray(signal.orders));
  const refused = orders.filter(isRefused);
  const isBad = ['BLOCKED', 'PARTIALLY_ACCEPTED', 'FAILED'].includes(answer.status);
  if (untaken.length === 0 && refused.length === 0 && !isBad) return { words: done(answer, orders, sent), refusal: null, isWhole: false };
  const whys = [...untaken.map(ofSignal), ...refused.map(ofOrder)];
  const more = whys.length > TOLD ? `; and ${whys.length - TOLD} more` : '';
  const why = whys.length ? `${whys.slice(0, TOLD).join('; ')}${more}` : `the answer is ${answer.status}`;
  const words = `${sent.length ? `${count(sent.length, 'order')} sent, but not all of it` : 'Nothing was sent'}: ${why}`;
  const remedy = [...untaken, ...refused].map((one) => one.remedy).find((one) => one && one !== 'nothing') ?? '';
  return { words, refusal: new Problem(202, { code: answer.status, detail: words, remedy }), isWhole: sent.length === 0 };
}

/** @param {any} answer @param {any[]} orders @param {any[]} sent */
function done(answer, orders, sent) {
  if (orders.length === 0) return answer.done ?? 'nothing was to do';
  if (sent.length === 0) return orders[0].words;
  const isReplay = answer.replayed || (answer.signals?.length > 0 && answer.signals.every((/** @type {any} */ signal) => signal.replayed));
  return `${orders.length === 1 ? 'sent' : `${count(sent.length, 'order')} sent`}${isReplay ? ' before already: nothing is sent twice' : ''}`;
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

/** What became of it in words; what was not done is thrown, so that a window stays open on it. @param {any} answer @returns {string} */
export function outcome(answer) {
  const { words, refusal } = outcomeOf(answer);
  if (refusal) throw refusal;
  return words;
}

/**
 * An act of a person. Where no answer came it may have been done, and is asked for again under the same key. Whatever was answered is known:
 * what is asked for then is another act, or a refusal would be told again for ever.
 * @returns {(post: (key: string) => Promise<any>) => Promise<string>}
 */
export function oneAct() {
  let key = actKey();
  return async (post) => {
    try {
      const answer = await post(key);
      key = actKey();
      return outcome(answer);
    } catch (cause) {
      if (cause instanceof Problem && cause.status > 0 && cause.status < 500) key = actKey();
      throw cause;
    }
  };
}
