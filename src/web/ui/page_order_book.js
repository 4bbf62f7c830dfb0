// @ts-check
// The order book: how many orders are where, ours and the broker's side by side, and what differs.

import { get } from './api.js';
import { csv, download } from './csv.js';
import { calm, fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { badge, empty, panel, trouble } from './parts.js';
import { against, booksRead, bothTable, brokerTable, isMissing, ownerOf } from './orders.js';
import { onOverview } from './shell.js';
import { count, isOver, orderState } from './words.js';

const NAMES = ['created_at', 'client_id', 'strategy', 'execution_type', 'exchange', 'symbol', 'side', 'quantity', 'filled_quantity', 'average_price', 'product', 'order_type', 'price', 'trigger_price', 'status', 'tag', 'reason', 'broker_order_id', 'command_id'];
const THEIR_NAMES = ['at', 'client_id', 'broker_order_id', 'exchange', 'symbol', 'side', 'quantity', 'filled', 'average_price', 'product', 'state', 'reason'];
const FIRST = 200;
const STEP = 300;
const MOST = 1000;

/** @param {HTMLElement} root */
export async function page(root) {
  const cards = h('div', { class: 'cards', role: 'group', 'aria-label': 'Orders by state' });
  const problem = h('div', { class: 'problem' });
  const search = h('input', { type: 'search', placeholder: 'Instrument, strategy, number…', 'aria-label': 'Filter the orders', data: { search: '' }, autocomplete: 'off' });
  const ours = bothTable();
  const theirs = brokerTable();
  const noOurs = h('div', null);
  const noTheirs = h('div', null);
  const more = h('div', { class: 'buttons more' });
  const readAt = h('span', null);
  const oursCount = h('span', null);
  let limit = FIRST;
  /** Whose an order is stands beside it where there are several accounts. */
  let hasAccounts = false;
  /** When each account's book was read last, also an empty one. @type {Map<string, string>} */
  const booksAt = new Map();
  let chosen = new URLSearchParams(location.search).get('show') ?? 'all';
  /** @type {Reads['/dashboard/orderbook'] | null} */
  let book = null;
  /** The rows of each table that fit what was chosen. @type {{ ours: Api.Order[], theirs: Record<string, unknown>[] }} */
  let saved = { ours: [], theirs: [] };

  const tabs = h('div', { class: 'tabs', role: 'group', 'aria-label': 'Which book' });
  let tab = 'ours';
  const showTabs = () => {
    /** @type {[string, string][]} */
    const options = [['ours', 'Side by side'], ['broker', 'The broker’s own book']];
    tabs.replaceChildren(...options.map(([name, words]) => h('button', { type: 'button', 'aria-pressed': String(tab === name), data: { focus: name }, on: { click: () => { tab = name; showTabs(); } } }, words)));
    root.dataset.tab = tab;
  };
  showTabs();
  root.append(
    h('h1', null, 'Order book'),
    problem,
    cards,
    h('div', { class: 'tools' }, search, tabs, h('button', { type: 'button', on: { click: () => (tab === 'ours' ? download('orders.csv', csv(NAMES, saved.ours)) : download('orders_at_broker.csv', csv(THEIR_NAMES, saved.theirs))) } }, 'Save what is shown (CSV)'), h('a', { class: 'button primary', href: 'place_order.html' }, 'Place an order')),
    panel('Ours beside the broker’s', [ours.node, noOurs, more], { note: oursCount, class: 'ours' }),
    panel('The broker’s own book', [theirs.node, noTheirs], { note: readAt, class: 'broker' }));

  const show = () => {
    if (!book) return;
    const orders = book.system_orders;
    const byId = new Map(orders.filter((order) => order.broker_order_id).map((order) => [`${order.client_id}${order.broker_order_id}`, order]));
    const rows = book.broker_orders.map((row) => {
      const { age_ms: _, read_at: __, ...still } = row;
      const own = byId.get(`${row.client_id}${row.broker_order_id}`);
      return { ...still, is_foreign: row.foreign, ...against(own, row) };
    });
    const groups = grouped(orders, orders.length >= book.system_total);
    fresh(cards, [chosen, groups.map(({ name, words, size }) => [name, words, size])], () => groups.map(({ name, words, size, kind }) =>
      h('button', { type: 'button', class: `card ${kind}`, 'aria-pressed': String(chosen === name), data: { focus: name }, on: { click: () => { chosen = chosen === name ? 'all' : name; show(); } } },
        h('span', { class: 'num' }, String(size)), h('span', null, words))));
    const wanted = search.value.trim().toLowerCase();
    const fits = (/** @type {any} */ row) => !wanted || [row.symbol, row.instrument?.symbol, row.strategy, row.broker_order_id, row.command_id, row.client_id, row.words, row.reason].some((text) => String(text ?? '').toLowerCase().includes(wanted));
    const group = groups.find(({ name }) => name === chosen) ?? groups[0];
    const rowOf = new Map(rows.map((row) => [`${row.client_id}${row.broker_order_id}`, row]));
    const shown = group.orders.filter(fits);
    for (const { client_id, read_at } of book.broker_orders) booksAt.set(client_id, read_at);
    const isWhole = book.broker_orders.length < limit;
    const pairs = shown.map((order) => {
      const row = order.broker_order_id ? rowOf.get(`${order.client_id}${order.broker_order_id}`) ?? null : null;
      return { order, row, isMissing: !row && isMissing(order, booksAt.get(order.client_id) ?? null, isWhole), differs: row ? row.differs : [], whose: ownerOf(order, hasAccounts) };
    });
    keyed(ours.body, pairs, ({ order }) => order.command_id, (pair) => ours.row(pair, { tabindex: '0' }));
    ours.node.hidden = shown.length === 0;
    fresh(noOurs, [shown.length === 0, orders.length === 0], () => {
      if (shown.length) return null;
      return orders.length ? empty('No order fits the filter.') : empty('No order yet. ', h('a', { href: 'place_order.html' }, 'Place the first one'), '.');
    });
    const theirsShown = rows.filter((row) => fits(row));
    keyed(theirs.body, theirsShown, (row) => `${row.client_id}${row.broker_order_id}`, (row) => theirs.row(row));
    theirs.node.hidden = theirsShown.length === 0;
    saved = { ours: shown, theirs: theirsShown.map((row) => ({ ...row, ...row.instrument })) };
    fresh(noTheirs, theirsShown.length === 0, () => (theirsShown.length ? null : empty(rows.length ? 'No row fits the filter.' : 'The broker shows no order of today.')));
    const odd = rows.filter((row) => row.differs.length > 0 && !row.is_foreign && row.differs[0] !== 'ours, of an older page').length;
    const age = booksRead(book.broker_orders);
    const untold = book.broker_total > rows.length ? `the newest ${rows.length} of ${count(book.broker_total, 'row')}, ` : '';
    fresh(readAt, [age, untold], () => (age === null ? null : `${untold}read ${age}`));
    const foreign = rows.filter((row) => row.is_foreign).length;
    const all = orders.length < book.system_total ? `the newest ${orders.length} of ${count(book.system_total, 'order')}` : count(orders.length, 'order');
    fresh(oursCount, [shown.length, orders.length, all, odd, foreign, age], () => [
      odd ? badge({ word: count(odd, 'difference'), kind: 'bad' }) : null,
      foreign ? badge({ word: `${count(foreign, 'order')} at the broker not ours`, kind: 'doubt' }) : null,
      h('span', null, ` ${shown.length === orders.length ? all : `${shown.length} of ${all}`}${age === null ? '' : `, the broker’s book read ${age}`}`),
    ]);
    const isCut = orders.length < book.system_total;
    fresh(more, [isCut, limit < MOST], () => {
      if (!isCut) return null;
      if (limit < MOST) return h('button', { type: 'button', on: { click: () => { limit = Math.min(MOST, limit + STEP); read_(); } } }, 'Older orders');
      return h('p', { class: 'hint' }, 'Older ones of today are in ', h('a', { href: '/dashboard/exports/orders.csv' }, 'the export'), '.');
    });
  };
  const read_ = single(async () => {
    try {
      book = await get('/dashboard/orderbook', { limit });
      problem.replaceChildren();
      show();
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  search.addEventListener('input', calm(80, show));
  on(['orders'], (changed) => {
    // The rows that changed come with the news: they are shown at once, and the broker's book is read after them.
    const rows = changed.filter((/** @type {any} */ row) => row?.command_id);
    if (book && rows.length) {
      book = { ...book, system_orders: merged(book.system_orders, rows, limit) };
      show();
    }
    read_();
  });
  onOverview((overview) => {
    const several = overview.accounts.length > 1;
    for (const account of overview.accounts) {
      if (account.orders_age_ms !== null) booksAt.set(account.client_id, new Date(Date.parse(overview.as_of) - account.orders_age_ms).toISOString());
    }
    hasAccounts = several;
    if (book) show();
  });
  await read_();
}

/**
 * The orders with the rows that changed in their places, the newest first.
 * @param {Api.Order[]} orders @param {Api.Order[]} changed @param {number} limit
 */
function merged(orders, changed, limit) {
  const all = new Map(orders.map((order) => [order.command_id, order]));
  for (const row of changed) all.set(row.command_id, row);
  return [...all.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : b.number - a.number)).slice(0, limit);
}

/**
 * The seeds' cards: total, created, at the broker, executed, and what failed by the word of its tag.
 * @param {Api.Order[]} orders @param {boolean} isWhole whether they are all that there are
 */
function grouped(orders, isWhole) {
  const of = (/** @type {(order: Api.Order) => boolean} */ fits) => orders.filter(fits);
  const groups = [
    { name: 'all', words: isWhole ? 'all' : 'the newest', kind: '', orders },
    { name: 'created', words: 'accepted', kind: 'wait', orders: of((order) => order.status === 'CREATED') },
    { name: 'broker', words: 'at broker', kind: 'work', orders: of((order) => !isOver(order) && order.status !== 'CREATED') },
    { name: 'executed', words: 'filled', kind: 'ok', orders: of((order) => order.status === 'EXECUTED') },
  ];
  /** @type {Map<string, { name: string, words: string, kind: string, orders: Api.Order[] }>} */
  const failed = new Map();
  for (const order of orders) {
    if (order.status !== 'FAILED') continue;
    const name = order.tag ?? 'FAILED';
    const group = failed.get(name) ?? { name, words: order.words, kind: orderState(order).kind, orders: /** @type {Api.Order[]} */ ([]) };
    group.orders.push(order);
    failed.set(name, group);
  }
  return [...groups, ...[...failed.values()].sort((a, b) => b.orders.length - a.orders.length)].map((group) => ({ ...group, size: group.orders.length }));
}
