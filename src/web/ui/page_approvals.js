// @ts-check
// Approvals: orders that wait for a person's yes, with the time that is left.

import { get, post } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { countdown, moment, now, wholeSeconds } from './time.js';
import { ask, badge, empty, reason, trouble } from './parts.js';
import { asks, side } from './orders.js';
import { number, price, rupees } from './money.js';
import { count } from './words.js';

const TICK_MS = 500;

/** @param {HTMLElement} root */
export async function page(root) {
  const problem = h('div', { class: 'problem' });
  const list = h('ul', { class: 'tasks' });
  const none = h('div', null);
  root.append(h('h1', null, 'Approvals'), problem, list, none);
  const read = single(async () => {
    try {
      const found = await get('/dashboard/approvals');
      problem.replaceChildren();
      const items = found.approvals.map((/** @type {any} */ item) => {
        const { left_ms: _, ...rest } = item;
        return rest;
      });
      keyed(list, items, (item) => item.basket_id, (item) => waiting(item, read));
      tick();
      fresh(none, items.length === 0, () => (items.length ? null : h('div', { class: 'panel' }, badge({ word: 'Nothing waits for your yes.', kind: 'ok' }), empty('An entry waits here if its route asks for it, or if the account is armed so. Without a yes in time it is refused.'))));
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  on(['orders', 'alarms', 'risk'], read);
  setInterval(tick, TICK_MS);
  await read();
}

/** Counts on: the time that is left, and the age of each price; also in the window that is open. */
function tick() {
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-until]'))) {
    const left = Date.parse(node.dataset.until ?? '') - now();
    node.textContent = left > 0 ? `${countdown(left)} left` : 'its time is up';
  }
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-quoted]'))) {
    node.textContent = wholeSeconds(Math.max(0, now() - Date.parse(node.dataset.quoted ?? '')));
  }
}

/** What it comes to; by a price that is no limit, with that price and its age. @param {any} order @returns {import('./dom.js').Child[]} */
function worth(order) {
  if (order.value === null) return ['no price is known: what it comes to is not known'];
  if (order.price !== null) return [rupees(order.value)];
  return [`about ${rupees(order.value)}, at the last price of ${price(order.last_price)}`, ...(order.last_at ? [', ', h('span', { data: { quoted: order.last_at } }, ''), ' old'] : [])];
}

/** What a yes would send, order by order. @param {any} item */
function linesOf(item) {
  return h('ul', { class: 'lines' }, ...item.orders.map((/** @type {any} */ order) => h('li', null,
    h('a', { href: `order.html?id=${order.command_id}` }, side(order.side), ` ${number(order.quantity)} ${order.symbol} ${order.product ?? ''} ${asks(order)}`),
    h('strong', null, ' ', ...worth(order)))));
}

/** @param {any} item */
function leftOf(item) {
  return h('strong', { data: { until: item.until } }, '');
}

/** @param {any} item @param {() => void} after */
function waiting(item, after) {
  const whose = `${item.orders[0]?.strategy} in ${item.client_id}`;
  const decide = (/** @type {string} */ decision, /** @type {string} */ title) => {
    ask({
      title: `${title} to ${count(item.orders.length, 'order')} of ${whose}`,
      says: [linesOf(item), h('p', null, `Asked at ${moment(item.asked_at)}, `, leftOf(item), decision === 'approve' ? '. Every gate judges it again before it goes.' : '. Nothing of it is sent.')],
      // A yes is thought of by a person: no word of it stands there already.
      fields: [decision === 'approve' ? reason() : reason('not wanted')],
      yes: title,
      danger: decision === 'reject',
      act: async (values) => {
        const answer = await post(`/dashboard/approvals/${item.command_id}`, { decision, reason: values.reason });
        after();
        return `${whose}: ${answer.done}`;
      },
    });
    tick();
  };
  const button = (/** @type {string} */ decision, /** @type {string} */ title, /** @type {string} */ words, /** @type {string} */ kind) =>
    h('button', { type: 'button', class: kind, 'aria-label': `${words}: ${count(item.orders.length, 'order')} of ${whose}`, data: { focus: `${decision}${item.basket_id}` }, on: { click: () => decide(decision, title) } }, words);
  return h('li', { class: 'panel task wait', tabindex: '0' },
    h('div', { class: 'task-head' }, badge({ word: `${count(item.orders.length, 'order')} of ${item.orders[0]?.strategy}`, kind: 'wait' }), h('span', { class: 'quiet' }, `${item.client_id}, asked at ${moment(item.asked_at)}`), leftOf(item)),
    linesOf(item),
    h('div', { class: 'row-buttons' }, button('reject', 'Say no', 'No…', 'danger'), button('approve', 'Say yes', 'Yes…', 'primary')));
}
