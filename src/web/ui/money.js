// @ts-check
// Exact decimals. The API sends money and prices as texts; here they stay exact: an integer and how many of its digits
// stand behind the point. Nothing that is sent or shown as exact passes through a float.

/** @typedef {{ n: bigint, s: number }} Dec a value of n / 10^s */

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/**
 * Reads a decimal; `null` for what is none.
 * @param {unknown} text
 * @returns {Dec | null}
 */
export function dec(text) {
  if (typeof text === 'bigint') return { n: text, s: 0 };
  if (typeof text === 'number') return Number.isSafeInteger(text) ? { n: BigInt(text), s: 0 } : null;
  const found = typeof text === 'string' ? DECIMAL.exec(text.trim()) : null;
  if (!found) return null;
  const [, sign, whole, part = ''] = found;
  const n = BigInt(whole + part);
  return { n: sign === '-' ? -n : n, s: part.length };
}

/** @param {Dec} a @param {number} s @returns {bigint} */
function at(a, s) {
  return a.n * 10n ** BigInt(s - a.s);
}

/** @param {Dec} a @param {Dec} b @returns {Dec} */
export function add(a, b) {
  const s = Math.max(a.s, b.s);
  return { n: at(a, s) + at(b, s), s };
}

/** @param {Dec} a @returns {Dec} */
export function neg(a) {
  return { n: -a.n, s: a.s };
}

/** @param {Dec} a @param {Dec} b @returns {Dec} */
export function sub(a, b) {
  return add(a, neg(b));
}

/** @param {Dec} a @param {Dec} b @returns {Dec} */
export function mul(a, b) {
  return { n: a.n * b.n, s: a.s + b.s };
}

/** @param {Dec} a @param {Dec} b @returns {-1 | 0 | 1} */
export function cmp(a, b) {
  const left = sub(a, b).n;
  return left < 0n ? -1 : left > 0n ? 1 : 0;
}

/** @param {Dec} a @returns {-1 | 0 | 1} */
export function sign(a) {
  return a.n < 0n ? -1 : a.n > 0n ? 1 : 0;
}

/** @param {Dec} a @returns {Dec} */
export function abs(a) {
  return a.n < 0n ? neg(a) : a;
}

/**
 * Rounded to so many places, halves away from zero.
 * @param {Dec} a @param {number} places @returns {Dec}
 */
export function round(a, places) {
  if (a.s <= places) return { n: at(a, places), s: places };
  const unit = 10n ** BigInt(a.s - places);
  const half = unit / 2n;
  const n = a.n < 0n ? -((-a.n + half) / unit) : (a.n + half) / unit;
  return { n, s: places };
}

/**
 * The exact text, as the API takes it.
 * @param {Dec} a @returns {string}
 */
export function text(a) {
  const digits = (a.n < 0n ? -a.n : a.n).toString().padStart(a.s + 1, '0');
  const whole = digits.slice(0, digits.length - a.s);
  const part = a.s > 0 ? `.${digits.slice(digits.length - a.s)}` : '';
  return `${a.n < 0n ? '-' : ''}${whole}${part}`;
}

/**
 * How large a is beside b, for drawing only.
 * @param {Dec} a @param {Dec} b @returns {number}
 */
export function share(a, b) {
  if (b.n === 0n) return 0;
  const s = Math.max(a.s, b.s);
  return Number((at(a, s) * 1_000_000n) / at(b, s)) / 1_000_000;
}

/** A float for the height of a line; for drawing only. @param {Dec} a @returns {number} */
export function forDrawing(a) {
  return Number(a.n) / 10 ** a.s;
}

/**
 * Digits in lakh and crore: 12,34,567.
 * @param {string} digits
 */
function grouped(digits) {
  const last = digits.slice(-3);
  const rest = digits.slice(0, -3);
  return rest ? `${rest.replace(/\B(?=(\d{2})+(?!\d))/g, ',')},${last}` : last;
}

/** @param {Dec} a @returns {string} without its sign */
function digits(a) {
  const [whole, part] = text(abs(a)).split('.');
  return grouped(whole) + (part ? `.${part}` : '');
}

const UNKNOWN = '–';

/**
 * A number or price as it was sent, grouped; at least `places` behind the point.
 * @param {unknown} value @param {number} [places]
 */
export function number(value, places = 0) {
  const read = dec(value);
  if (!read) return UNKNOWN;
  const whole = read.s < places ? round(read, places) : read;
  return (sign(read) < 0 ? '−' : '') + digits(whole);
}

/** A price: at least two places. @param {unknown} value */
export function price(value) {
  return number(value, 2);
}

/**
 * Rupees and paise: ₹12,34,567.50. `signed` puts a plus before a gain.
 * @param {unknown} value @param {{ signed?: boolean, whole?: boolean }} [how]
 */
export function rupees(value, how = {}) {
  const read = dec(value);
  if (!read) return UNKNOWN;
  const rounded = round(read, how.whole ? 0 : 2);
  const before = sign(rounded) < 0 ? '−' : how.signed && sign(rounded) > 0 ? '+' : '';
  return `${before}₹${digits(rounded)}`;
}

/**
 * Rupees in short, for an axis: ₹1.2 Cr, ₹50 L, ₹12 K.
 * @param {unknown} value
 */
export function short(value) {
  const read = dec(value);
  if (!read) return UNKNOWN;
  const size = abs(read);
  /** @type {[bigint, string][]} */
  const steps = [[10_000_000n, ' Cr'], [100_000n, ' L'], [1_000n, ' K']];
  const step = steps.find(([least]) => cmp(size, { n: least, s: 0 }) >= 0);
  const before = sign(read) < 0 ? '−₹' : '₹';
  if (!step) return before + digits(round(size, 0));
  // A tenth of the unit is enough on an axis.
  const tenths = round({ n: at(size, Math.max(size.s, 1)) * 10n / step[0], s: Math.max(size.s, 1) }, 0).n;
  const tail = tenths % 10n === 0n ? '' : `.${tenths % 10n}`;
  return `${before}${tenths / 10n}${tail}${step[1]}`;
}

/** −1, 0 or 1 for a text; `null` where nothing is known. @param {unknown} value */
export function direction(value) {
  const read = dec(value);
  return read ? sign(read) : null;
}
