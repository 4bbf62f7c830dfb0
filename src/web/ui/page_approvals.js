// @ts-check
// Approvals: orders that wait for a person's yes, with the time that is left.

import { get, post } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { countdown, moment, now } from './time.js';
import { ask, badge, empty, reason, trouble } from './parts.js';
import { asks, side } from './orders.js';
import { number, price, rupees } from './money.js';
import { count } from './words.js';

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
      fresh(none, items.length === 0, () => (items.length ? null : h('div', { class: 'panel' }, badge({ word: 'Nothing waits for your yes.', kind: 'ok' }), empty('An entry waits here if its route asks for it, or if the account is armed so. Without a yes in time it is refused.'))));
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  on(['orders', 'alarms', 'risk'], read);
  setInterval(() => {
    for (const node of list.querySelectorAll('[data-until]')) {
      const left = Date.parse(/** @type {HTMLElement} */ (node).dataset.until ?? '') - now();
      node.textContent = left > 0 ? `${countdown(left)} left` : 'its time is up';
    }
  }, 500);
  await read();
}

/** What it comes to. @param {any} order */
function worth(order) {
  if (order.value === null) return 'no price is known: what it comes to is not known';
  return order.price === null ? `about ${rupees(order.value)}, at the last price of ${price(order.last_price)}` : rupees(order.value);
}

/** @param {any} item @param {() => void} after */
function waiting(item, after) {
  const decide = (/** @type {string} */ decision, /** @type {string} */ title) => ask({
    title,
    fields: [{ ...reason(decision === 'approve' ? 'looked at it' : 'not wanted') }],
    yes: title,
    danger: decision === 'reject',
    act: async (values) => {
      const answer = await post(`/dashboard/approvals/${item.command_id}`, { decision, reason: values.reason });
      after();
      return answer.done;
    },
  });
  return h('li', { class: 'panel task wait', tabindex: '0' },
    h('div', { class: 'task-head' }, badge({ word: `${count(item.orders.length, 'order')} of ${item.orders[0]?.strategy}`, kind: 'wait' }), h('span', { class: 'quiet' }, `${item.client_id}, asked at ${moment(item.asked_at)}`), h('strong', { data: { until: item.until } }, '')),
    h('ul', { class: 'lines' }, ...item.orders.map((/** @type {any} */ order) => h('li', null, h('a', { href: `order.html?id=${order.command_id}` }, side(order.side), ` ${number(order.quantity)} ${order.symbol} ${order.product ?? ''} ${asks(order)}`), h('strong', null, ` ${worth(order)}`)))),
    h('div', { class: 'row-buttons' },
      h('button', { type: 'button', class: 'danger', on: { click: () => decide('reject', 'Say no') } }, 'No…'),
      h('button', { type: 'button', class: 'primary', on: { click: () => decide('approve', 'Say yes') } }, 'Yes…')));
}
