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
 * The day's result, with the loss limit and the highest point of what was realised.
 * @param {{ at: string, net: string }[]} points
 * @param {{ floor?: string | null, high?: string | null, since: string, name: string }} of
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
  const words = `The ${of.name} is ${short(newest)} now; loss limit ${short(of.floor)}; highest realised ${short(of.high)}.`;
  const legend = [
    ['net', of.name],
    ['zero', 'nothing'],
    ...(high && forDrawing(high) > 0 ? [['high', `highest realised of the day ${short(of.high)}`]] : []),
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
