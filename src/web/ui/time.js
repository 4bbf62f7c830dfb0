// @ts-check
// Times for people: India's wall clock, whatever the reader's machine says.

const CLOCK = new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Kolkata', hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const DAY = new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Kolkata', day: 'numeric', month: 'short' });
const WEEKDAY = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
const DATE = new Intl.DateTimeFormat('en-CA', { timeZone: 'Asia/Kolkata' });

/** How far the engine's clock is ahead of this machine's. */
let ahead_ms = 0;

/** Takes the engine's time: what is left and how old something is are reckoned by its clock. @param {string} as_of */
export function keepTime(as_of) {
  ahead_ms = Date.parse(as_of) - Date.now();
}

/** The engine's time, ms. */
export function now() {
  return Date.now() + ahead_ms;
}

/** 09:31:22. @param {string | null | undefined} at */
export function clock(at) {
  return at ? CLOCK.format(new Date(at)) : '–';
}

/** 09:31:22, with its day if that is not today's. @param {string | null | undefined} at */
export function moment(at) {
  if (!at) return '–';
  const day = date(at) === DATE.format(new Date(now())) ? '' : `${DAY.format(new Date(at))} `;
  return day + clock(at);
}

/** 26 Nov 09:31:22.123. @param {string | null | undefined} at */
export function exact(at) {
  if (!at) return '–';
  const part = /\.(\d{1,3})/.exec(at)?.[1] ?? '0';
  return `${DAY.format(new Date(at))} ${clock(at)}.${part.padEnd(3, '0')}`;
}

/** Thu, 26 Nov 2026. @param {string} day 2026-11-26 */
export function dayOf(day) {
  return WEEKDAY.format(new Date(`${day}T00:00:00Z`));
}

/** 2026-11-26. @param {string | number} at */
export function date(at) {
  return DATE.format(new Date(at));
}

/** Milliseconds with their fraction: the API tells microseconds, `Date` forgets them. @param {string} at */
export function ms(at) {
  const part = /\.(\d+)/.exec(at)?.[1] ?? '';
  const whole = Date.parse(at.replace(/\.\d+/, ''));
  return whole + Number((part + '000000').slice(0, 6)) / 1000;
}

/** How long ago, or how long: 0.8 s, 12 s, 3 min, 2 h. @param {number | null | undefined} span_ms */
export function span(span_ms) {
  if (span_ms === null || span_ms === undefined) return '–';
  const s = span_ms / 1000;
  if (s < 1) return `${Math.round(span_ms)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 100) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} days`;
}

/** The same in whole seconds, one at least: an age that is shown all day must not flicker. @param {number} span_ms */
export function wholeSeconds(span_ms) {
  const s = Math.max(1, Math.round(span_ms / 1000));
  return s < 100 ? `${s} s` : span(s * 1000);
}

/** 2:31:04 until then, 0:04:05 in the last hour. @param {number} left_ms */
export function countdown(left_ms) {
  const s = Math.max(0, Math.floor(left_ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  if (s >= 172_800) return `${Math.floor(s / 86_400)} days`;
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** Milliseconds of a step: 0.42, 12.3, 1,204. @param {number} span_ms */
export function millis(span_ms) {
  if (span_ms < 10) return span_ms.toFixed(2);
  return span_ms < 100 ? span_ms.toFixed(1) : String(Math.round(span_ms));
}
