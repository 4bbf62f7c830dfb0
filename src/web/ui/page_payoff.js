// @ts-check
// What legs of one underlying come to on the day they end, by its price then: premiums counted, charges not. Every number
// that is said is exact; only the drawing is rounded. Used by the pages that build a basket.

import { h, svg } from './dom.js';
import { abs, add, cmp, dec, forDrawing, mul, neg, number, price, round, rupees, short, sign, sub, text } from './money.js';

/**
 * @typedef {import('./money.js').Dec} Dec
 * @typedef {{ kind: 'call' | 'put' | 'future', strike: Dec, units: Dec, paid: Dec }} Leg a future has no strike; units are counted in rupees that they gain when the price rises by one, below 0 they are sold
 * @typedef {{ most: Dec | null, least: Dec | null, evens: Dec[], corners: Dec[], paid: Dec }} Outlook `null`: without a bound
 */

/** @type {Dec} */
const ZERO = { n: 0n, s: 0 };

/** What the legs come to at that price. @param {Leg[]} legs @param {Dec} at @returns {Dec} */
export function worth(legs, at) {
  return legs.reduce((sum, leg) => {
    const inside = leg.kind === 'future' ? at : leg.kind === 'call' ? sub(at, leg.strike) : sub(leg.strike, at);
    const ends = leg.kind !== 'future' && sign(inside) < 0 ? ZERO : inside;
    return add(sum, mul(leg.units, sub(ends, leg.paid)));
  }, ZERO);
}

/**
 * The most and the least that the legs can come to, and where they come to nothing. A price ends at nought or above.
 * @param {Leg[]} legs @returns {Outlook}
 */
export function outlookOf(legs) {
  const strikes = legs.filter((leg) => leg.kind !== 'future').map((leg) => leg.strike).sort(cmp);
  // It is straight between strikes: the corners are enough.
  const corners = [ZERO, ...strikes].filter((at, index, all) => index === 0 || cmp(at, all[index - 1]) !== 0);
  const values = corners.map((at) => worth(legs, at));
  const slope = legs.filter((leg) => leg.kind !== 'put').reduce((sum, leg) => add(sum, leg.units), ZERO);
  const order = [...values].sort(cmp);
  return {
    most: sign(slope) > 0 ? null : order[order.length - 1],
    least: sign(slope) < 0 ? null : order[0],
    evens: evensOf(corners, values, slope),
    corners,
    paid: legs.filter((leg) => leg.kind !== 'future').reduce((sum, leg) => add(sum, mul(leg.units, leg.paid)), ZERO),
  };
}

/** @param {Dec[]} corners @param {Dec[]} values @param {Dec} slope */
function evensOf(corners, values, slope) {
  /** @type {Dec[]} */
  const evens = [];
  corners.forEach((at, index) => {
    const here = values[index];
    if (sign(here) === 0) evens.push(round(at, 2));
    const next = values[index + 1];
    if (next && sign(here) * sign(next) < 0) {
      const part = quotient(mul(sub(corners[index + 1], at), abs(here)), add(abs(here), abs(next)));
      evens.push(round(add(at, part), 2));
    }
  });
  const [end, last] = [corners[corners.length - 1], values[values.length - 1]];
  if (sign(slope) !== 0 && sign(last) !== 0 && (sign(last) < 0) === sign(slope) > 0) {
    evens.push(round(add(end, quotient(abs(last), abs(slope))), 2));
  }
  return evens;
}

/** To six places, of two that are not negative. @param {Dec} a @param {Dec} b @returns {Dec} */
function quotient(a, b) {
  const s = Math.max(a.s, b.s);
  const up = (/** @type {Dec} */ one) => one.n * 10n ** BigInt(s - one.s);
  return { n: (up(a) * 1_000_000n) / up(b), s: 6 };
}

/**
 * The legs of a basket as the outlook takes them; a text says why there is none.
 * @param {any[]} legs as the API takes them, each with what it is `about` @returns {Leg[] | string}
 */
export function legsOf(legs) {
  const about = legs.map((leg) => leg.about ?? {});
  const contracts = about.filter((one) => one.expiry);
  if (contracts.length === 0) return '';
  if (contracts.length < about.length || about.some((one) => one.underlying !== about[0].underlying || one.expiry !== about[0].expiry)) {
    return 'What the legs come to at their end is drawn when all of them are contracts of one underlying that end on one day.';
  }
  if (legs.some((leg) => leg.execution_type !== 'ENTRY')) return 'What the legs come to at their end is drawn for entries.';
  /** @type {Leg[]} */
  const read = [];
  for (const leg of legs) {
    const { kind, strike, premium } = leg.about;
    const point = dec(leg.about.rupees_per_point ?? null);
    if (!point) return 'What the legs come to at their end is drawn when it is known what a point of each is worth.';
    const paid = dec(leg.price ?? premium ?? null);
    const units = /^\d+$/.test(leg.quantity) ? mul({ n: BigInt(leg.quantity), s: 0 }, point) : null;
    if (!paid || units === null) return 'What the legs come to at their end is drawn when each has a price: a limit, or a quote of now.';
    read.push({ kind, strike: dec(strike) ?? ZERO, units: leg.side === 'BUY' ? units : neg(units), paid });
  }
  return read;
}

/** @param {Dec | null} value @param {string} unbound */
function said(value, unbound) {
  return value ? rupees(text(value), { signed: true }) : unbound;
}

/**
 * The outlook of a basket's legs: its numbers, and the line. Nothing for a basket without contracts.
 * @param {any[]} basket @param {string | null} [now] the underlying's price, or the strike at the money
 */
export function payoff(basket, now = null) {
  const legs = legsOf(basket);
  if (typeof legs === 'string') return legs ? h('p', { class: 'hint' }, legs) : null;
  const of = outlookOf(legs);
  const at = of.evens.map((even) => price(text(even)));
  const even = at.length ? at.join(' and ') : 'no price';
  const fact = (/** @type {string} */ label, /** @type {string} */ words, kind = '') => h('div', { class: 'fact' }, h('span', { class: 'label' }, label), h('span', { class: `num ${kind}` }, words));
  const words = `At their end: most ${said(of.most, 'without limit')}, least ${said(of.least, 'without limit')}, even at ${even}.`;
  const isPaid = sign(of.paid) >= 0;
  return h('div', { class: 'payoff' },
    h('div', { class: 'facts' },
      fact('Most to win', said(of.most, 'without limit'), of.most && sign(of.most) <= 0 ? '' : 'gain'),
      fact('Most to lose', said(of.least, 'without limit'), of.least && sign(of.least) >= 0 ? '' : 'loss'),
      fact('Even at', even),
      fact(isPaid ? 'Premium paid' : 'Premium received', rupees(text(abs(of.paid))))),
    drawing(legs, of, dec(now), words),
    h('p', { class: 'hint' }, 'At the prices of the legs, before charges.'));
}

/** @param {Leg[]} legs @param {Outlook} of @param {Dec | null} now @param {string} words */
function drawing(legs, of, now, words) {
  const [width, height] = [600, 180];
  const marks = [...of.corners.slice(1), ...of.evens.filter((even) => sign(even) > 0), ...(now ? [now] : [])];
  const places = (marks.length ? marks : legs.map((leg) => leg.paid)).map(forDrawing);
  const [low, high] = [Math.min(...places), Math.max(...places)];
  const pad = Math.max((high - low) * 0.3, high * 0.012);
  const [from, to] = [Math.max(0, low - pad), high + pad];
  const edge = (/** @type {number} */ value) => dec(value.toFixed(2)) ?? ZERO;
  const inside = [...of.corners, ...of.evens].filter((one) => forDrawing(one) > from && forDrawing(one) < to);
  const points = [edge(from), ...inside.sort(cmp), edge(to)].map((one) => ({ at: forDrawing(one), value: forDrawing(worth(legs, one)) }));
  const values = points.map((point) => point.value);
  const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)];
  const room = most - least || 1;
  const x = (/** @type {number} */ one) => (((one - from) / (to - from)) * width).toFixed(1);
  const y = (/** @type {number} */ one) => (8 + ((most - one) / room) * (height - 16)).toFixed(1);
  const line = points.map((point, index) => `${index ? 'L' : 'M'}${x(point.at)} ${y(point.value)}`).join('');
  const area = (/** @type {(value: number) => number} */ cut) => `M${x(from)} ${y(0)}${points.map((point) => `L${x(point.at)} ${y(cut(point.value))}`).join('')}L${x(to)} ${y(0)}Z`;
  const upright = (/** @type {Dec} */ one, /** @type {string} */ kind) => svg('line', { class: kind, x1: x(forDrawing(one)), x2: x(forDrawing(one)), y1: 0, y2: height, 'vector-effect': 'non-scaling-stroke' });
  const label = (/** @type {number} */ value) => short(value.toFixed(0));
  return h('figure', { class: 'pnl drawn' },
    h('div', { class: 'axis up', 'aria-hidden': 'true' }, h('span', null, label(most)), h('span', null, label(least))),
    svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': words },
      svg('path', { class: 'area-gain', d: area((value) => Math.max(0, value)) }),
      svg('path', { class: 'area-loss', d: area((value) => Math.min(0, value)) }),
      ...of.corners.slice(1).map((one) => upright(one, 'strike')),
      now ? upright(now, 'now') : null,
      svg('line', { class: 'zero', x1: 0, x2: width, y1: y(0), y2: y(0), 'vector-effect': 'non-scaling-stroke' }),
      svg('path', { class: 'net', d: line, 'vector-effect': 'non-scaling-stroke' })),
    h('div', { class: 'axis along', 'aria-hidden': 'true' }, h('span', null, number(from.toFixed(0))), h('span', null, number(to.toFixed(0)))),
    h('figcaption', null,
      h('span', { class: 'key net' }, 'result at the end'),
      of.corners.length > 1 ? h('span', { class: 'key strike' }, 'strikes') : null,
      now ? h('span', { class: 'key now' }, `now ${number(text(now))}`) : null));
}

