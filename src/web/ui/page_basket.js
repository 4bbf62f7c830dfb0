// @ts-check
// The basket: legs that are judged and sent together. It is kept by this window, so that the option chain and the order page
// share it.

import { actKey, post } from './api.js';
import { calm, fresh, h, keyed } from './dom.js';
import { number, price } from './money.js';
import { badge, field, panel, table, toast, trouble } from './parts.js';
import { isMixed, judge, tell, verdicts } from './page_judge.js';
import { payoff } from './page_payoff.js';
import { side } from './orders.js';
import { count } from './words.js';

const POLICIES = /** @type {[string, string][]} */ ([
  ['BEST_EFFORT', 'each by itself'],
  ['ALL_OR_UNWIND', 'all of them, or what filled is taken back'],
  ['HEDGE_FIRST', 'what is bought fills before anything is sold'],
  ['WAIT_FOR_FILL', 'each fills before the next goes'],
  ['EXIT_THEN_ENTER', 'exits fill before anything is entered'],
]);
const KEPT = 'og_basket';
const AGAIN_MS = 3_000;

/** @typedef {{ bid?: string | null, ask?: string | null, last: string }} Quote */

/**
 * The legs, how they go together, and the act that was begun with them: what was asked for, and its key. As long as the same is asked
 * for it is the same act, also after the page was loaded anew: an answer that was lost is no reason to send it twice.
 * @typedef {{ legs: any[], policy: string | null, act: { key: string, asked: string } | null }} Kept
 * @returns {Kept}
 */
function kept() {
  const none = { legs: [], policy: null, act: null };
  try {
    const found = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');
    return Array.isArray(found?.legs) && found.legs.length ? { ...none, ...found } : none;
  } catch {
    return none;
  }
}

/** What the outlook and the sizes need to know of an instrument. @param {any} instrument @param {Quote | null} quote @param {string} side */
export function aboutOf(instrument, quote, side) {
  const { underlying, expiry, strike, lot, kind, right, rupees_per_point } = instrument;
  const word = kind === 'FUTURE' ? 'future' : kind === 'OPTION' ? (/^c/i.test(right) ? 'call' : 'put') : null;
  return { lot: String(lot), ...(word ? { kind: word, underlying, expiry, strike, rupees_per_point } : {}), premium: touch(quote, side) };
}

/** The legs at the prices that the gates have just seen. @param {any[]} legs @param {any[]} seen @returns {any[]} */
export function priced(legs, seen) {
  return legs.map((leg, index) => {
    const premium = touch(seen[index]?.quote, leg.side);
    return premium && leg.about ? { ...leg, about: { ...leg.about, premium } } : leg;
  });
}

/** The price at which a leg would trade now. @param {Quote | null | undefined} quote @param {string} side */
function touch(quote, side) {
  return quote ? (side === 'BUY' ? quote.ask : quote.bid) ?? quote.last : null;
}

/**
 * The basket's panel. `sent` is where what was sent is followed.
 * @param {{ sent: Element, policy?: string, empty?: string }} how
 */
export function basket({ sent, policy: first = 'BEST_EFFORT', empty }) {
  const before = kept();
  let { legs, act } = before;
  let asked = 0;
  /** @type {string | null} */
  let now = null;
  const rows = legTable((index, change) => {
    const leg = { ...legs[index], ...change };
    if (change.side) leg.about = { ...leg.about, premium: null };
    if (change.price === '') delete leg.price;
    if (!leg.trigger_price) leg.order_type = leg.price ? 'LIMIT' : 'MARKET';
    set(legs.map((own, at) => (at === index ? leg : own)));
  }, (index) => set(legs.filter((_, at) => at !== index)));
  const outlook = h('div', null);
  const judged = verdicts();
  const note = h('div', { class: 'problem' });
  const policy = field({ name: 'policy', label: 'How they go together', kind: 'select', options: POLICIES, value: before.policy ?? first });
  const chosenPolicy = () => /** @type {HTMLSelectElement} */ (policy.querySelector('select')).value;
  const all = h('button', { type: 'button', class: 'primary', on: { click: (/** @type {MouseEvent} */ event) => event.detail > 1 || sendAll() } }, 'Send the basket');
  const none = h('button', { type: 'button', class: 'quiet', on: { click: () => set([]) } }, 'Empty it');
  const full = h('div', null, rows.node, outlook, policy, note, h('div', { class: 'buttons' }, none, all), judged.node);
  const hint = h('p', { class: 'empty' }, empty ?? '');
  const size = h('span', { 'aria-live': 'polite' });
  const node = panel('Basket', [full, hint], { id: 'basket', note: size });

  const look = async () => {
    const mine = ++asked;
    if (legs.length === 0) {
      judged.none('');
      return;
    }
    if (isMixed(legs)) {
      judged.none('These are of several strategies, or tests beside real orders: what would become of each is not shown, every gate judges it when it is sent.');
      return;
    }
    try {
      const answer = await judge(legs, { policy: chosenPolicy() });
      if (mine !== asked) return;
      judged.show(answer);
      legs = priced(legs, answer.legs);
      show();
    } catch (cause) {
      if (mine === asked) judged.fail(cause);
    }
  };
  const lookSoon = calm(250, look);
  const show = () => {
    full.hidden = legs.length === 0;
    hint.hidden = legs.length > 0 || !empty;
    node.hidden = legs.length === 0 && !empty;
    fresh(size, legs.length, () => (legs.length ? `${count(legs.length, 'order')}, judged and sent together` : null));
    fresh(outlook, [legs, now], () => payoff(legs, now));
    keyed(rows.body, legs.map((leg, index) => ({ leg: { ...leg, about: { lot: leg.about?.lot } }, index })), ({ index }) => String(index), (row) => rows.row(row));
  };
  const keep = () => sessionStorage.setItem(KEPT, JSON.stringify({ legs, policy: chosenPolicy(), act }));
  /** The key of the act that asks for this; something else that is asked for is another act. @param {unknown} body */
  const keyOf = (body) => {
    const asked = JSON.stringify(body);
    if (act?.asked !== asked) act = { key: actKey(), asked };
    keep();
    return act.key;
  };
  /** @param {any[]} next */
  function set(next) {
    legs = next;
    keep();
    note.replaceChildren();
    show();
    lookSoon();
  }
  async function sendAll() {
    all.disabled = true;
    note.replaceChildren();
    try {
      const { client_id } = legs[0] ?? {};
      const orders = legs.map(({ client_id: _, about: __, ...leg }) => leg);
      const body = { ...(client_id ? { client_id } : {}), policy: chosenPolicy(), orders };
      tell(sent, await post('/dashboard/intent/basket', { ...body, idempotency_key: keyOf(body) }));
      act = null;
      set([]);
    } catch (cause) {
      note.replaceChildren(trouble(cause));
    } finally {
      all.disabled = false;
    }
  }
  policy.addEventListener('change', () => {
    keep();
    lookSoon();
  });
  show();
  look();
  setInterval(() => !document.hidden && look(), AGAIN_MS);
  return {
    node,
    /** Puts a leg in. @param {any} leg */
    add(leg) {
      const client_id = legs[0]?.client_id;
      if (legs.length && client_id !== leg.client_id) {
        const words = `The basket is of ${client_id}: this one is not in it. Send it or empty it first.`;
        note.replaceChildren(trouble(new Error(words)));
        toast(words, 'bad');
        return;
      }
      set([...legs, leg]);
    },
    /** Prices of now, for the legs that have no limit. @param {(symbol: string, exchange: string) => Quote | null | undefined} quoteOf @param {string | null} underlying */
    prices(quoteOf, underlying) {
      now = underlying;
      legs = legs.map((leg) => {
        const premium = touch(quoteOf(leg.symbol, leg.exchange), leg.side);
        return premium ? { ...leg, about: { ...leg.about, premium } } : leg;
      });
      show();
    },
    count: () => legs.length,
  };
}

/** @param {(index: number, change: Record<string, string>) => void} change @param {(index: number) => void} drop */
function legTable(change, drop) {
  const input = (/** @type {string} */ label, /** @type {string} */ value, /** @type {string} */ focus, /** @type {(text: string) => void} */ set, mode = 'numeric', placeholder = '') =>
    h('input', { type: 'text', inputmode: mode, value, 'aria-label': label, placeholder, class: 'short', autocomplete: 'off', data: { focus }, on: { change: (/** @type {Event} */ event) => set(/** @type {HTMLInputElement} */ (event.target).value.trim()) } });
  const turn = (/** @type {any} */ { leg, index }) => {
    const next = leg.side === 'BUY' ? 'SELL' : 'BUY';
    return h('button', { type: 'button', class: 'small', 'aria-label': `${leg.side} ${leg.symbol}: make it ${next}`, title: `Make it ${next}`, data: { focus: `turn${index}` }, on: { click: () => change(index, { side: next }) } }, side(leg.side));
  };
  const size = (/** @type {any} */ { leg, index }) => {
    const lot = Number(leg.about?.lot ?? 1);
    const lots = Number(leg.quantity) / lot;
    if (lot <= 1 || !Number.isInteger(lots)) return input(`Units of order ${index + 1}`, leg.quantity, `units${index}`, (value) => change(index, { quantity: value }));
    return h('span', { class: 'size' }, input(`Lots of order ${index + 1}`, String(lots), `lots${index}`, (value) => change(index, { quantity: /^\d+$/.test(value) ? String(Number(value) * lot) : value })), h('small', null, `${lots === 1 ? 'lot' : 'lots'} = ${number(leg.quantity)}`));
  };
  const ask = (/** @type {any} */ { leg, index }) => {
    if (leg.trigger_price) return `${leg.price ? price(leg.price) : 'at market'}, trigger ${price(leg.trigger_price)}`;
    return input(`Limit price of order ${index + 1}`, leg.price ?? '', `price${index}`, (value) => change(index, { price: value }), 'decimal', 'market');
  };
  return table('Basket', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Instrument', cell: ({ leg }) => h('span', { class: 'symbol' }, leg.symbol, h('small', null, [leg.execution_type.toLowerCase(), leg.product, leg.strategy, leg.client_id].filter(Boolean).join(' · ')), leg.test_mode ? badge({ word: 'a test', kind: 'off' }) : null), class: 'what' },
    { head: 'Side', cell: turn },
    { head: 'Size', cell: size },
    { head: 'Limit', cell: ask },
    { head: 'Take out', quiet: true, cell: ({ index }) => h('button', { type: 'button', class: 'small', 'aria-label': `Take out order ${index + 1}`, data: { focus: `out${index}` }, on: { click: () => drop(index) } }, 'Take out'), class: 'acts' },
  ]));
}
