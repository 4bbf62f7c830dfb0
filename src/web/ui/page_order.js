// @ts-check
// One order, whole: where it is, why, what every gate saw, how long each step took, what the broker said, what comes next.

import { get } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { waterfall } from './charts.js';
import { number, price, rupees } from './money.js';
import { exact, ms } from './time.js';
import { badge, copier, empty, panel, table, trouble } from './parts.js';
import { asks, side } from './orders.js';
import { orderButtons } from './acts.js';
import { event, gate, isOver, orderState, plain, told } from './words.js';

/** @param {HTMLElement} root */
export async function page(root) {
  const id = new URLSearchParams(location.search).get('id') ?? '';
  if (!id) {
    root.append(h('h1', null, 'An order'), empty('No order is named. ', h('a', { href: 'order_book.html' }, 'Take one from the order book'), '.'));
    return;
  }
  const head = h('div', { class: 'order-head' });
  const why = h('div', null);
  const facts = h('dl', { class: 'pairs' });
  const timing = h('div', null);
  const gates = gateTable();
  const noGates = h('div', null);
  const gateCount = h('span', null);
  const fills = fillTable();
  const noFills = h('div', null);
  const journal = h('ol', { class: 'journal' });
  const problem = h('div', { class: 'problem' });
  root.append(
    problem,
    head,
    why,
    h('div', { class: 'columns' },
      h('div', { class: 'main-column' },
        panel('How long it took', [timing], { note: 'from the signal on' }),
        panel('Every step, and what the broker said', [journal])),
      h('div', { class: 'side-column' },
        panel('The order', [facts]),
        panel('Trades', [fills.node, noFills]))),
    panel('What every gate saw', [gates.node, noGates], { note: gateCount }));
  const read = single(async () => {
    try {
      const found = await get(`/dashboard/orders/${encodeURIComponent(id)}`);
      problem.replaceChildren();
      const { order } = found;
      const said = orderState(order);
      fresh(head, [order.side, order.quantity, order.symbol, said, found.next_actions], () => [
        h('h1', null, side(order.side), ` ${number(order.quantity)} ${order.symbol}`),
        h('div', { class: 'big' }, badge(said)),
        h('div', { class: 'row-buttons' }, ...orderButtons(order)),
      ]);
      fresh(why, [order.reason, order.remedy, order.next, said.kind], () => whyOf(order, said.kind));
      fresh(facts, [order, found.naming, found.filled_value], () => factsOf(order, found.naming, found.filled_value));
      const steps = stepsOf(order, found.journal);
      fresh(timing, steps, () => (steps.length > 1 ? waterfall(steps) : empty('Nothing but its registration has happened yet.')));
      keyed(gates.body, found.gates.map((/** @type {any} */ one, /** @type {number} */ index) => ({ ...one, index })), (one) => String(one.index), (one) => gates.row(one));
      const refused = found.gates.filter((/** @type {any} */ one) => !one.passed).length;
      gateCount.textContent = refused ? `${refused} of ${found.gates.length} refused it` : `all ${found.gates.length} let it through`;
      gates.node.hidden = found.gates.length === 0;
      fresh(noGates, found.gates.length, () => (found.gates.length ? null : empty('No gate was asked yet.')));
      keyed(fills.body, found.fills.map((/** @type {any} */ fill, /** @type {number} */ index) => ({ fill, index })), (one) => String(one.index), (one) => fills.row(one.fill));
      fills.node.hidden = found.fills.length === 0;
      fresh(noFills, found.fills.length, () => (found.fills.length ? null : empty('No trade yet.')));
      keyed(journal, found.journal, (row) => String(row.seq), stepOf);
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  on(['orders'], (changed) => (changed.length === 0 || changed.some((/** @type {any} */ row) => row.command_id === id || row === id) ? read() : undefined));
  await read();
}

/** @param {any} order @param {string} kind */
function whyOf(order, kind) {
  if (!order.reason && !order.remedy) return null;
  if (!isOver(order) && order.tag === null) return null;
  return h('div', { class: `why ${kind}` },
    order.reason ? h('p', null, h('span', { class: 'label' }, 'Why '), told(order.reason)) : null,
    order.remedy && order.remedy !== 'nothing' ? h('p', null, h('span', { class: 'label' }, 'What you can do '), order.remedy) : null,
    order.next ? h('div', null, h('p', null, h('span', { class: 'label' }, 'The exit to send first '), copier(() => JSON.stringify(order.next, null, 1))), h('pre', null, JSON.stringify(order.next, null, 1))) : null);
}

/** @param {any} order @param {any} naming @param {string | null} value what filled comes to */
function factsOf(order, naming, value) {
  /** @type {[string, import('./dom.js').Child][]} */
  const pairs = [
    ['Account', order.client_id],
    ['Strategy', order.strategy],
    ['What it is', [order.execution_type, order.product, order.order_type, order.validity].filter(Boolean).join(' · ')],
    ['Price asked', asks(order)],
    ['Filled', order.filled_quantity > 0 ? `${number(order.filled_quantity)} at ${price(order.average_price)}` : 'nothing'],
    ['Value filled', value ? rupees(value) : null],
    ['Stop, target', order.stop_loss || order.target ? [order.stop_loss, order.target].map((one) => one ?? '–').join(', ') : null],
    ['Trail', order.trailing_type ? `${order.trailing_value} ${order.trailing_type.toLowerCase()}` : null],
    ['Name read as', naming ? (typeof naming === 'string' ? naming : [naming.read, naming.by].filter(Boolean).join(', ') || JSON.stringify(naming)) : null],
    ['Came from', `${order.source}, ${order.user}`],
    ['Signal made', exact(order.signal_time)],
    ['Written down', exact(order.created_at)],
    ['Sent', order.sent_at ? exact(order.sent_at) : null],
    ['Broker’s number', order.broker_order_id],
    ['Broker tag', order.broker_tag],
    ['Test', order.test_mode ? 'a test: never sent to the broker' : null],
    ['Sent again from', order.parent_command_id ? h('a', { href: `order.html?id=${order.parent_command_id}` }, order.parent_command_id) : null],
    ['Command id', h('code', null, order.command_id)],
    ['Code', order.tag ? h('code', null, order.tag) : null],
  ];
  return pairs.filter(([, value]) => value !== null && value !== undefined && value !== '').flatMap(([name, value]) => [h('dt', null, name), h('dd', null, value)]);
}

/**
 * The steps of the order on one axis, in milliseconds since the signal was made.
 * @param {any} order @param {any[]} journal
 */
function stepsOf(order, journal) {
  const start = Math.min(ms(order.signal_time), ms(order.created_at));
  /** @type {{ name: string, from_ms: number, to_ms: number }[]} */
  const steps = [];
  let before = start;
  for (const row of journal) {
    const at = Math.max(ms(row.at), before);
    steps.push({ name: event(row.event), from_ms: before - start, to_ms: at - start });
    before = at;
  }
  return steps.slice(0, 14);
}

function gateTable() {
  return table('Gates', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Verdict', cell: (one) => badge(one.passed ? { word: 'passed', kind: 'ok' } : { word: 'refused', kind: 'bad' }) },
    { head: 'Gate', cell: (one) => h('span', { title: one.gate }, gate(one.gate)), class: 'what' },
    { head: 'What it saw', cell: (one) => one.input, class: 'wide' },
    { head: 'Limit', cell: (one) => one.limit, class: 'wide' },
    { head: 'Time', cell: (one) => h('time', { datetime: one.at }, exact(one.at).split(' ').pop() ?? ''), class: 'when' },
  ]));
}

function fillTable() {
  return table('Trades', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Time and number', cell: (fill) => h('span', { class: 'state' }, exact(fill.at ?? fill.traded_at), h('small', null, fill.trade_id ?? '–')) },
    { head: 'Units', cell: (fill) => number(fill.quantity), num: true },
    { head: 'Price', cell: (fill) => price(fill.price), num: true },
  ]));
}

/** @param {any} row */
function stepOf(row) {
  const more = row.inputs && Object.keys(row.inputs).length > 0 ? row.inputs : null;
  return h('li', null,
    h('div', { class: 'step' },
      h('time', { datetime: row.at }, exact(row.at)),
      h('strong', null, event(row.event)),
      row.to && row.from !== row.to ? h('span', { class: 'quiet' }, [row.from, row.to].filter(Boolean).map(plain).join(' → ')) : null,
      h('span', { class: 'quiet' }, `by ${row.who}`)),
    row.reason ? h('p', null, told(row.reason)) : null,
    more ? h('details', null, h('summary', null, 'what was read and sent'), h('pre', null, JSON.stringify(more, null, 1))) : null);
}
