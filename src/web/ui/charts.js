// @ts-check
// Small drawings. Each says in words what it shows, for those who do not see it.

import { h, svg } from './dom.js';
import { dec, forDrawing, short, share, abs } from './money.js';
import { clock, millis } from './time.js';

/**
 * How much of a limit is used: a bar with its words. Beyond three quarters it warns, at the limit it is full.
 * @param {string} label @param {number} part from 0 to 1 @param {string} words
 */
export function gauge(label, part, words) {
  const shown = Math.max(0, Math.min(1, part));
  const kind = part >= 1 ? 'bad' : part >= 0.75 ? 'wait' : 'ok';
  return h(
    'div',
    { class: `gauge ${kind}` },
    h('div', { class: 'gauge-words' }, h('span', null, label), h('span', { class: 'num' }, words)),
    svg('svg', { viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' },
      svg('rect', { class: 'track', x: 0, y: 0, width: 100, height: 4, rx: 2 }),
      svg('rect', { class: 'fill', x: 0, y: 0, width: (shown * 100).toFixed(2), height: 4, rx: 2 })),
  );
}

/**
 * The day's result, with the loss limit and the highest point.
 * @param {{ at: string, net: string }[]} points
 * @param {{ floor?: string | null, high?: string | null, since: string }} of
 */
export function pnlLine(points, of) {
  const width = 600;
  const height = 150;
  const values = points.map((point) => dec(point.net)).filter((value) => value !== null).map(forDrawing);
  const floor = dec(of.floor ?? null);
  const high = dec(of.high ?? null);
  const spread = [0, ...values, ...(high ? [forDrawing(high)] : [])];
  // The limit is far away on a calm day: it is drawn at the edge, so that the line is not flattened by it.
  const least = Math.min(...spread);
  const most = Math.max(...spread);
  const room = Math.max(most - least, 1);
  const isNear = floor !== null && forDrawing(floor) > least - room * 2;
  const low = isNear && floor ? Math.min(least, forDrawing(floor)) : least;
  const pad = Math.max((most - low) * 0.12, 0.5);
  const y = (/** @type {number} */ value) => 8 + ((most + pad - value) / (most + pad - (low - pad))) * (height - 16);
  const start = points.length ? Date.parse(points[0].at) : 0;
  const end = points.length ? Date.parse(points[points.length - 1].at) : 1;
  const x = (/** @type {string} */ at) => (end === start ? width : ((Date.parse(at) - start) / (end - start)) * width);
  const path = points.map((point, index) => {
    const value = dec(point.net);
    return value ? `${index === 0 ? 'M' : 'L'}${x(point.at).toFixed(1)} ${y(forDrawing(value)).toFixed(1)}` : '';
  }).join('');
  const level = (/** @type {number} */ value, /** @type {string} */ kind) =>
    svg('line', { class: kind, x1: 0, x2: width, y1: y(value).toFixed(1), y2: y(value).toFixed(1), 'vector-effect': 'non-scaling-stroke' });
  const newest = points.length ? points[points.length - 1].net : null;
  const words = `Net result ${short(newest)} now; loss limit ${short(of.floor)}; highest ${short(of.high)}.`;
  const legend = [
    ['net', 'net result'],
    ['zero', 'nothing'],
    ...(high && forDrawing(high) > 0 ? [['high', `highest of the day ${short(of.high)}`]] : []),
    ...(floor ? [['floor', `day ends at ${short(of.floor)}${isNear ? '' : ' (below the drawing)'}`]] : []),
  ];
  return h(
    'figure',
    { class: 'pnl' },
    svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': words },
      level(0, 'zero'),
      high && forDrawing(high) > 0 ? level(forDrawing(high), 'high') : null,
      isNear && floor ? level(forDrawing(floor), 'floor') : null,
      svg('path', { class: 'net', d: path, 'vector-effect': 'non-scaling-stroke' })),
    h('figcaption', null,
      ...legend.map(([kind, text]) => h('span', { class: `key ${kind}` }, text)),
      h('span', { class: 'since' }, `drawn on this screen since ${clock(of.since)}`)),
  );
}

/**
 * Where the price stands between stop and target.
 * @param {{ stop: string | null, target: string | null, last: string | null, entry: string | null }} of
 */
export function reach(of) {
  const [stop, target, last, entry] = [of.stop, of.target, of.last, of.entry].map((value) => dec(value));
  const ends = [stop, target, last, entry].filter((value) => value !== null).map(forDrawing);
  if (!last || ends.length < 2) return null;
  const least = Math.min(...ends);
  const most = Math.max(...ends);
  const room = most - least || 1;
  // A long position has its stop on the left, a short one its target: the price reads from low to high.
  const x = (/** @type {import('./money.js').Dec} */ value) => 4 + ((forDrawing(value) - least) / room) * 92;
  const mark = (/** @type {import('./money.js').Dec | null} */ value, /** @type {string} */ kind) =>
    value ? svg('line', { class: kind, x1: x(value).toFixed(1), x2: x(value).toFixed(1), y1: 1, y2: 15, 'vector-effect': 'non-scaling-stroke' }) : null;
  const words = [of.stop ? `stop ${of.stop}` : null, `last ${of.last}`, of.target ? `target ${of.target}` : null].filter(Boolean).join(', ');
  return svg('svg', { class: 'reach', viewBox: '0 0 100 16', preserveAspectRatio: 'none', role: 'img', 'aria-label': words },
    svg('line', { class: 'track', x1: 4, x2: 96, y1: 8, y2: 8, 'vector-effect': 'non-scaling-stroke' }),
    entry ? svg('line', { class: direction(entry, last, stop, target), x1: x(entry).toFixed(1), x2: x(last).toFixed(1), y1: 8, y2: 8, 'vector-effect': 'non-scaling-stroke' }) : null,
    mark(stop, 'stop'),
    mark(target, 'target'),
    mark(entry, 'entry'),
    mark(last, 'last'));
}

/**
 * @param {import('./money.js').Dec} entry @param {import('./money.js').Dec} last
 * @param {import('./money.js').Dec | null} stop @param {import('./money.js').Dec | null} target
 */
function direction(entry, last, stop, target) {
  const [e, l] = [forDrawing(entry), forDrawing(last)];
  const isLong = stop ? forDrawing(stop) < e : target ? forDrawing(target) > e : true;
  return (isLong ? l >= e : l <= e) ? 'gain' : 'loss';
}

/**
 * Steps on one axis of time, each from the one before.
 * @param {{ name: string, from_ms: number, to_ms: number }[]} steps
 */
export function waterfall(steps) {
  const end = Math.max(...steps.map((step) => step.to_ms), 0.001);
  return h(
    'ol',
    { class: 'waterfall' },
    ...steps.map((step) => {
      const left = (step.from_ms / end) * 100;
      const wide = Math.max(((step.to_ms - step.from_ms) / end) * 100, 0.6);
      return h(
        'li',
        null,
        h('span', { class: 'name' }, step.name),
        svg('svg', { viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          svg('rect', { class: 'track', x: 0, y: 3, width: 100, height: 2 }),
          svg('rect', { class: 'fill', x: Math.min(left, 99.4).toFixed(2), y: 0, width: wide.toFixed(2), height: 8, rx: 1 })),
        h('span', { class: 'num' }, `${millis(step.to_ms - step.from_ms)} ms`),
        h('span', { class: 'num quiet' }, `at ${millis(step.to_ms)} ms`),
      );
    }),
  );
}

/** How much of a limit in rupees or units is used, as a part. @param {unknown} used @param {unknown} limit */
export function part(used, limit) {
  const [a, b] = [dec(used), dec(limit)];
  return a && b ? share(abs(a), b) : 0;
}

/**
 * What options of one underlying come to at their end, by its price then: premiums counted, charges not.
 * @param {{ strike: string, isCall: boolean, units: number, premium: string }[]} legs units below 0 are sold
 */
export function payoff(legs) {
  const read = legs.map((leg) => ({ ...leg, strike: dec(leg.strike), premium: dec(leg.premium) }));
  if (read.length === 0 || read.some((leg) => !leg.strike || !leg.premium)) return null;
  const own = read.map((leg) => ({ units: leg.units, isCall: leg.isCall, strike: forDrawing(/** @type {any} */ (leg.strike)), premium: forDrawing(/** @type {any} */ (leg.premium)) }));
  const strikes = own.map((leg) => leg.strike);
  const middle = (Math.min(...strikes) + Math.max(...strikes)) / 2;
  const reach = Math.max(Math.max(...strikes) - Math.min(...strikes), middle * 0.03) * 1.2;
  const [from, to] = [middle - reach, middle + reach];
  const worth = (/** @type {number} */ at) => own.reduce((sum, leg) => sum + leg.units * (Math.max(0, leg.isCall ? at - leg.strike : leg.strike - at) - leg.premium), 0);
  // It is straight between strikes: the corners are enough.
  const corners = [from, ...[...new Set(strikes)].sort((a, b) => a - b), to];
  const values = corners.map(worth);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const room = high - low || 1;
  const x = (/** @type {number} */ at) => ((at - from) / (to - from)) * 600;
  const y = (/** @type {number} */ value) => 8 + ((high - value) / room) * 134;
  const zeros = corners.slice(1).flatMap((at, index) => {
    const [a, b] = [values[index], values[index + 1]];
    return a * b < 0 ? [corners[index] + ((at - corners[index]) * a) / (a - b)] : [];
  });
  const rupees_ = (/** @type {number} */ value) => short(value.toFixed(0));
  const isOpen = (/** @type {number} */ edge, /** @type {number} */ next) => Math.abs(edge - next) > 0.5;
  const most = isOpen(values[0], values[1]) && values[0] === high || isOpen(values[values.length - 1], values[values.length - 2]) && values[values.length - 1] === high ? 'open' : rupees_(high);
  const least = isOpen(values[0], values[1]) && values[0] === low || isOpen(values[values.length - 1], values[values.length - 2]) && values[values.length - 1] === low ? 'open' : rupees_(low);
  const words = `At the end: most ${most}, least ${least}, nothing at ${zeros.length ? zeros.map((at) => at.toFixed(0)).join(' and ') : 'no price shown'}.`;
  return h('figure', { class: 'pnl' },
    svg('svg', { viewBox: '0 0 600 150', preserveAspectRatio: 'none', role: 'img', 'aria-label': words },
      svg('line', { class: 'zero', x1: 0, x2: 600, y1: y(0).toFixed(1), y2: y(0).toFixed(1), 'vector-effect': 'non-scaling-stroke' }),
      ...[...new Set(strikes)].map((at) => svg('line', { class: 'zero', x1: x(at).toFixed(1), x2: x(at).toFixed(1), y1: 0, y2: 150, 'stroke-dasharray': '2 4', 'vector-effect': 'non-scaling-stroke' })),
      svg('path', { class: 'net', d: corners.map((at, index) => `${index ? 'L' : 'M'}${x(at).toFixed(1)} ${y(values[index]).toFixed(1)}`).join(''), 'vector-effect': 'non-scaling-stroke' })),
    h('figcaption', null, h('span', null, words), h('span', { class: 'since' }, `from ${from.toFixed(0)} to ${to.toFixed(0)}, before charges`)));
}
