// @ts-check
// Orders as rows, and what differs between ours and the broker's.

import { h } from './dom.js';
import { number, price } from './money.js';
import { exact, moment, wholeSeconds } from './time.js';
import { badge, orderLink, table } from './parts.js';
import { orderButtons } from './acts.js';
import { brokerState, isOver, orderState, told } from './words.js';

/** Side, in word and mark. @param {string | null} side */
export function side(side) {
  if (!side) return '–';
  return h('span', { class: `side ${side === 'BUY' ? 'buy' : 'sell'}` }, h('span', { 'aria-hidden': 'true' }, side === 'BUY' ? '▲ ' : '▼ '), side);
}

/** The price that an order asks for. @param {any} order */
export function asks(order) {
  const limit = order.price === null || order.price === undefined ? 'at market' : price(order.price);
  return order.trigger_price ? `${limit}, trigger ${price(order.trigger_price)}` : limit;
}

/** An instrument, with its product and whose it is. @param {any} row @param {string | null} [whose] */
export function instrument(row, whose = null) {
  return h('span', { class: 'symbol' }, h('span', { class: 'name' }, row.symbol), h('small', null, [[row.exchange, row.product].filter(Boolean).join(' '), whose].filter(Boolean).join(' · ')));
}

/** @type {import('./parts.js').Column<Api.Order>} */
const WHEN = { head: 'Time', cell: (order) => orderLink(order, h('time', { datetime: order.created_at, title: exact(order.created_at) }, moment(order.created_at))), class: 'when' };

/** @param {Api.Order} order */
function state(order) {
  return h('span', { class: 'state' }, badge(orderState(order), told(order.reason) || undefined), order.status === 'FAILED' && order.reason ? h('small', null, told(order.reason)) : null, order.average_price ? h('small', null, `average ${price(order.average_price)}`) : null);
}

/** Whose something is: its strategy, and its account where there are several. @param {{ strategy: string, client_id: string }} of @param {boolean} hasAccounts */
export function ownerOf({ strategy, client_id }, hasAccounts) {
  return hasAccounts ? `${strategy} · ${client_id}` : strategy;
}

/** Orders of ours alone, each with whose it is. */
export function orderTable() {
  return table('Orders', /** @type {import('./parts.js').Column<Api.Order & { whose: string }>[]} */ ([
    { head: 'Instrument', cell: (order) => instrument(order, order.whose), class: 'what' },
    WHEN,
    { head: 'Side', cell: (order) => side(order.side) },
    { head: 'Units', cell: (order) => number(order.quantity), num: true },
    { head: 'Price', cell: asks, num: true },
    { head: 'State', cell: state, class: 'wide' },
    { head: 'What can be done', quiet: true, cell: (order) => h('span', { class: 'row-buttons' }, ...orderButtons(order, { small: true })), class: 'acts' },
  ]));
}

/**
 * A row of the broker's book, with what differs from ours.
 * @typedef {Api.BrokerRow & { client_id: string, is_foreign: boolean, isOlder: boolean, differs: string[] }} TheirRow
 * @typedef {{ order: Api.Order, row: TheirRow | null, isMissing: boolean, differs: string[], whose: string }} Pair
 */

/** Each order beside the broker's row of it. */
export function bothTable() {
  return table('Our orders beside the broker’s', /** @type {import('./parts.js').Column<Pair>[]} */ ([
    { head: 'Instrument', cell: ({ order, whose }) => instrument(order, whose), class: 'what' },
    { ...WHEN, cell: ({ order }) => WHEN.cell(order) },
    { head: 'Side', cell: ({ order }) => side(order.side) },
    { head: 'Units', cell: ({ order }) => number(order.quantity), num: true },
    { head: 'Price', cell: ({ order }) => asks(order), num: true },
    { head: 'Ours', cell: ({ order }) => state(order), class: 'wide' },
    { head: 'At the broker', cell: theirs, class: 'wide theirs' },
    { head: 'What can be done', quiet: true, cell: ({ order }) => h('span', { class: 'row-buttons' }, ...orderButtons(order, { small: true })), class: 'acts' },
  ]));
}

/** Why there is nothing of it at the broker. @param {Api.Order} order @returns {string | null} */
function unsent(order) {
  if (order.tag === 'NOT_SENT') return 'never sent';
  if (order.tag === 'NOT_AT_BROKER') return 'never arrived';
  return order.sent_at && !order.test_mode ? null : 'nothing was sent';
}

/**
 * Whether an open order with a number is missing in a book that was read after it last changed.
 * @param {Api.Order} order @param {string | null} readAt when the broker's book was read @param {boolean} isWhole whether all of it is here
 */
export function isMissing(order, readAt, isWhole) {
  return isWhole && !isOver(order) && !!order.broker_order_id && !order.test_mode && readAt !== null && Date.parse(order.updated_at) < Date.parse(readAt);
}

/**
 * How long ago the broker's books were read; where that is not the same in all accounts, with whose each is.
 * @param {{ client_id: string, age_ms: number }[]} rows @returns {string | null} null: no row says it
 */
export function booksRead(rows) {
  const ages = new Map(rows.map(({ client_id, age_ms }) => [client_id, wholeSeconds(age_ms)]));
  const [one, ...others] = new Set(ages.values());
  if (one === undefined) return null;
  return others.length === 0 ? `${one} ago` : `${[...ages].map(([client_id, age]) => `${age} ago in ${client_id}`).join(', ')}`;
}

/** @param {Pair} of */
function theirs({ order, row, isMissing, differs: words }) {
  if (isMissing) return h('span', { class: 'state' }, badge({ word: 'not in the broker’s book', kind: 'bad' }), h('small', null, order.broker_order_id));
  if (!row) return h('span', { class: 'quiet' }, unsent(order) ?? order.broker_order_id ?? 'no number yet');
  return h('span', { class: 'state' },
    badge(brokerState(row)),
    h('small', null, [row.broker_order_id, row.average_price ? `average ${price(row.average_price)}` : null].filter(Boolean).join(', ')),
    row.reason ? h('small', null, told(row.reason)) : null,
    row.isOlder ? h('small', null, OLDER) : null,
    ...words.map((one) => badge({ word: one, kind: 'bad' })));
}

/** The broker's rows, with what differs from ours. */
export function brokerTable() {
  return table('The broker’s orders', /** @type {import('./parts.js').Column<TheirRow>[]} */ ([
    { head: 'Instrument', cell: (row) => instrument({ ...row.instrument, product: row.product }), class: 'what' },
    { head: 'Changed', cell: (row) => h('time', { datetime: row.at, title: exact(row.at) }, moment(row.at)), class: 'when' },
    { head: 'Number', cell: (row) => row.broker_order_id },
    { head: 'Side', cell: (row) => side(row.side) },
    { head: 'Units', cell: (row) => number(row.quantity), num: true },
    { head: 'Filled', cell: (row) => number(row.filled), num: true },
    { head: 'Average', cell: (row) => price(row.average_price), num: true },
    { head: 'State', cell: (row) => h('span', { class: 'state' }, badge(brokerState(row)), row.reason ? h('small', null, told(row.reason)) : null), class: 'wide' },
    { head: 'Against ours', cell: (row) => (row.isOlder ? badge({ word: OLDER, kind: 'off' }) : row.differs.length === 0 ? badge({ word: 'agrees', kind: 'ok' }) : h('span', { class: 'state' }, badge({ word: row.differs[0], kind: row.is_foreign ? 'doubt' : 'bad' }), ...row.differs.slice(1).map((words) => h('small', null, words)))), class: 'wide' },
  ]));
}

const OLDER = 'read before ours changed';

/**
 * The broker's row held against an order of ours. One that was read before ours last changed proves no difference: what has come since
 * then it does not tell.
 * @param {Api.Order | undefined} ours @param {Reads['/dashboard/orderbook']['broker_orders'][number]} row
 * @returns {{ differs: string[], isOlder: boolean }}
 */
export function against(ours, row) {
  const words = differs(ours, row);
  const isOlder = ours !== undefined && words.length > 0 && Date.parse(row.read_at) <= Date.parse(ours.updated_at);
  return { differs: isOlder ? [] : words, isOlder };
}

/**
 * What differs between an order of ours and the broker's row of it, in words.
 * @param {Api.Order | undefined} ours @param {Reads['/dashboard/orderbook']['broker_orders'][number]} row @returns {string[]}
 */
function differs(ours, row) {
  if (!ours) return [row.foreign ? 'not ours' : 'ours, of an older page'];
  const words = [];
  const theirs = brokerState(row).kind;
  if (row.filled !== ours.filled_quantity) words.push(`filled ${row.filled} there, ${ours.filled_quantity} here`);
  if (theirs === 'work' && isOver(ours)) words.push('still working there, ended here');
  if (theirs !== 'work' && !isOver(ours)) words.push('ended there, open here');
  if (row.quantity !== ours.quantity && !isOver(ours)) words.push(`${row.quantity} units there, ${ours.quantity} here`);
  return words;
}
