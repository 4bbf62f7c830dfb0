// @ts-check
// What the engine's codes are for people. The sentence for a tag comes from the API (`words`); here are the short words.

import { rupees } from './money.js';
import { clock, moment, now } from './time.js';

/**
 * @typedef {'wait' | 'work' | 'ok' | 'bad' | 'doubt' | 'off'} Kind how a word is coloured and marked
 * @typedef {{ word: string, kind: Kind }} Said
 */

/** A mark beside every colour: nothing is told by colour alone. @type {Record<Kind, string>} */
export const MARKS = { wait: '○', work: '◐', ok: '●', bad: '✕', doubt: '?', off: '–' };

/**
 * The honest word of an order: accepted, at broker, filled n of m; and why, if it ended otherwise.
 * @param {any} order @returns {Said}
 */
export function orderState(order) {
  const filled = order.filled_quantity > 0;
  const parts = `filled ${order.filled_quantity} of ${order.quantity ?? '?'}`;
  if (order.status === 'EXECUTED') return { word: order.quantity === null ? 'filled' : parts, kind: 'ok' };
  if (order.status === 'FAILED') {
    const kind = NO_FAULT.has(order.tag) ? 'off' : 'bad';
    return { word: filled ? `${parts}, then ${order.words}` : order.words, kind };
  }
  if (order.tag === 'SEND_UNCONFIRMED') return { word: order.words, kind: 'doubt' };
  if (order.cancel_wanted) return { word: filled ? `${parts}, being cancelled` : 'being cancelled', kind: 'wait' };
  if (order.status === 'CREATED') return { word: order.tag ? order.words : 'accepted, not sent yet', kind: 'wait' };
  if (filled || order.status === 'PARTIAL') return { word: `${parts}, the rest is working`, kind: 'work' };
  return { word: order.broker_order_id ? 'at broker' : 'being sent', kind: 'work' };
}

/** Ends that nobody has to look into. */
const NO_FAULT = new Set(['CANCELLED_BY_USER', 'REPLACED', 'AT_TARGET', 'SUPERSEDED', 'TEST_MODE', 'NO_POSITION']);

/** Whether an order has ended. @param {any} order */
export function isOver(order) {
  return order.status === 'EXECUTED' || order.status === 'FAILED';
}

/** @type {Record<string, Said>} */
const BROKER_STATES = {
  OPEN: { word: 'working', kind: 'work' },
  COMPLETE: { word: 'complete', kind: 'ok' },
  REJECTED: { word: 'rejected', kind: 'bad' },
  CANCELLED: { word: 'cancelled', kind: 'off' },
  EXPIRED: { word: 'expired', kind: 'off' },
};

/** What the broker's row says. @param {any} row @returns {Said} */
export function brokerState(row) {
  const said = BROKER_STATES[row.state] ?? { word: plain(row.state), kind: 'off' };
  return said.kind === 'work' && row.filled > 0 ? { word: `filled ${row.filled} of ${row.quantity}`, kind: 'work' } : said;
}

/** SENT_TO_BROKER as "sent to broker". @param {string} code */
export function plain(code) {
  return code.replace(/[._]/g, ' ').toLowerCase();
}

/** @type {Record<string, string>} */
const EVENTS = {
  INTENT_CREATED: 'written down',
  SENT_TO_BROKER: 'about to be sent',
  BROKER_CONFIRMED: 'the broker has it',
  EXECUTED: 'filled',
  FILL: 'a trade',
  FAILED: 'ended',
  CANCEL_WANTED: 'a cancel is wanted',
  SIGNED_IN: 'somebody logged in',
  SIGNED_OUT: 'somebody logged out',
  SESSION_ENDED: 'a session was ended',
  CHAT_ASKED: 'asked for in the chat',
  CHAT_CONFIRMED: 'confirmed in the chat',
  CHAT_NOT_CONFIRMED: 'a code that did nothing',
  CHAT_DONE: 'done from the chat',
  CHAT_DONE_LATE: 'done from the chat, after a start',
};

/** A journal event. @param {string} code */
export function event(code) {
  return EVENTS[code] ?? plain(code);
}

/** @type {Record<string, [string, 'rupees' | 'count' | 'percent']>} */
const LIMITS = {
  max_quantity: ['Units of one order', 'count'],
  max_order_value: ['Value of one order', 'rupees'],
  max_open_orders: ['Open orders', 'count'],
  max_open_value: ['Value of open entries', 'rupees'],
  max_position: ['Units of one instrument', 'count'],
  max_position_underlying: ['Units of one underlying', 'count'],
  max_short_option_lots: ['Short option lots', 'count'],
  capital_reserve: ['Reserve no entry may use', 'rupees'],
  trades_per_day: ['Entries today', 'count'],
  collar_percent: ['Price away from the touch', 'percent'],
  messages_per_minute: ['Orders in a minute', 'count'],
  daily_loss: ['Loss of the day', 'rupees'],
  loss_days: ['Days of loss in a row', 'count'],
};

/** @param {string} name @returns {{ word: string, unit: 'rupees' | 'count' | 'percent' }} */
export function limit(name) {
  const found = LIMITS[name];
  return found ? { word: found[0], unit: found[1] } : { word: plain(name), unit: 'count' };
}

/** A gate: `risk.max_order_value` as "risk: value of one order". @param {string} name */
export function gate(name) {
  const [door, rest] = name.split(/\.(.*)/s);
  if (!rest) return plain(name);
  return `${plain(door)}: ${(LIMITS[rest]?.[0] ?? plain(rest)).toLowerCase()}`;
}

/** The three levels of the kill control, and what each does. */
export const LEVELS = [
  { level: 1, name: 'Stop new entries', says: 'No new position is opened. Waiting orders and positions stay. Exits go on.' },
  { level: 2, name: 'Also cancel waiting orders', says: 'As above, and every entry that still waits at the broker is cancelled.' },
  { level: 3, name: 'Also square off', says: 'As above, and every position that ordergate opened is closed at the market.' },
];

/** @param {number} level */
export function killWords(level) {
  return LEVELS[level - 1]?.name.toLowerCase() ?? 'armed';
}

/** @type {Record<string, string>} */
const MODES = {
  PAPER: 'PAPER',
  LIVE: 'LIVE',
  'LIVE-APPROVE': 'LIVE · each entry asks you',
  'LIVE-DISARMED': 'LIVE · disarmed',
};

/** @param {string} mode */
export function mode(mode) {
  return MODES[mode] ?? mode;
}

/**
 * The mode of an account; where no real money moves it says so first, also while its arming is drilled.
 * @param {{ standing: { mode: string }, is_live?: boolean | null }} account
 */
export function modeOf({ standing, is_live }) {
  const word = mode(standing.mode);
  return is_live === false && standing.mode !== 'PAPER' ? `PAPER, a drill: ${word.replace(/^LIVE(?: · )?/, '') || 'armed'}` : word;
}

/** @type {Record<string, string>} */
const CAUSES = {
  LATE_FILL: 'our own trades, on their way',
  MANUAL_TRADE: 'a trade by hand at the broker',
  FOREIGN_ORDER: 'another program’s order',
  HELD_FOR_DELIVERY: 'shares held for delivery',
  UNKNOWN: 'nothing that can be seen',
};

/** Why two books differ. @param {string} cause */
export function cause(cause) {
  return CAUSES[cause] ?? CAUSES[cause.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()] ?? plain(cause);
}

/** @type {Record<string, string>} */
const KINDS = {
  order_in_doubt: 'Checking with the broker',
  cancel_not_dead: 'A cancel that is not done',
  exit_waiting: 'An exit waits',
  exit_failed: 'An exit came to nothing',
  not_flat: 'Not flat',
  plan_stuck: 'A plan does not go on',
  alarm: 'Alarm',
  approval: 'Waits for your yes',
  kill_level: 'Entries are stopped',
  halt_of_the_day: 'The day is over',
  exits_frozen: 'Exits are frozen',
  difference: 'The two books differ',
  no_session: 'No broker session',
  books_unknown: 'The broker’s books cannot be read',
  foreign_order: 'Not ours',
  unreadable_row: 'A row that cannot be read',
};

/** @param {string} kind */
export function attention(kind) {
  return KINDS[kind] ?? plain(kind);
}

/** How much an item of the list matters. @param {any} item @returns {Kind} */
export function urgency(item) {
  if (item.kind === 'alarm' && item.more?.over) return 'off';
  if (item.kind === 'alarm') return item.more?.level === 'Page' || item.more?.level === 'PAGE' ? 'bad' : 'wait';
  if (['exit_failed', 'not_flat', 'plan_stuck', 'exits_frozen', 'no_session', 'books_unknown'].includes(item.kind)) return 'bad';
  if (['order_in_doubt', 'difference'].includes(item.kind)) return 'doubt';
  return 'wait';
}

/** @type {Record<string, Said>} */
const VERDICTS = {
  OK: { word: 'as it should be', kind: 'ok' },
  UNKNOWN: { word: 'not known here', kind: 'off' },
  WARN: { word: 'unwise', kind: 'wait' },
  FAIL: { word: 'not ready', kind: 'bad' },
};

/** @param {string} verdict */
export function verdict(verdict) {
  return VERDICTS[verdict] ?? { word: plain(verdict), kind: /** @type {Kind} */ ('off') };
}

/** @type {Record<string, Said>} */
const FATES = {
  WOULD_GO: { word: 'would be sent', kind: 'ok' },
  WOULD_WAIT: { word: 'would wait', kind: 'wait' },
  REFUSED: { word: 'would be refused', kind: 'bad' },
  NOTHING_TO_DO: { word: 'nothing to do', kind: 'off' },
};

/** @param {string} fate */
export function fate(fate) {
  return FATES[fate] ?? { word: plain(fate), kind: /** @type {Kind} */ ('off') };
}

/**
 * The engine's own sentence, as people here read it: its times of India, its rupees in lakh and crore.
 * @param {string | null | undefined} sentence
 */
export function told(sentence) {
  return String(sentence ?? '')
    .replace(/(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?: UTC|Z)/g, (_, day, at) => `${moment(`${day}T${at}Z`)} IST`)
    .replace(/\b(\d\d:\d\d:\d\d)(?:\.\d+)? UTC/g, (_, at) => `${clock(`${new Date(now()).toISOString().slice(0, 10)}T${at}Z`)} IST`)
    .replace(/₹(-?\d{4,}(?:\.\d+)?)/g, (_, amount) => rupees(amount, { whole: !amount.includes('.') }))
    .replace(/(?<![\w.])(-?\d{4,}(?:\.\d+)?) rupees\b/g, (_, amount) => rupees(amount, { whole: !amount.includes('.') }));
}

/** @type {Record<string, string>} */
const CHARGES = { STT: 'STT', CTT: 'CTT', EXCHANGE: 'exchange', SEBI: 'SEBI', STAMP: 'stamp duty', GST: 'GST', BROKERAGE: 'brokerage', DP: 'depository' };

/** @param {string} name */
export function charge(name) {
  return CHARGES[name] ?? plain(name);
}

/** "3 orders", "1 order". @param {number} n @param {string} one @param {string} [many] */
export function count(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}
