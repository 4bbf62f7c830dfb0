// @ts-check
// Needs you: everything that waits for a person, the oldest first, with what can be done about it.

import { get } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { exact, span } from './time.js';
import { badge, empty, trouble } from './parts.js';
import { actionButton } from './acts.js';
import { attention, told, urgency } from './words.js';

/** @param {HTMLElement} root */
export async function page(root) {
  const only = root.dataset.only ?? '';
  const problem = h('div', { class: 'problem' });
  const list = h('ul', { class: 'tasks' });
  const none = h('div', null);
  root.append(h('h1', null, 'Needs you'), problem, list, none);
  const read = single(async () => {
    try {
      const found = await get('/dashboard/attention');
      problem.replaceChildren();
      const items = found.items.filter((item) => !only || item.kind === only);
      keyed(list, items.map(aged), taskKey, (item) => task(item, read));
      fresh(none, items.length === 0, () => (items.length ? null : h('div', { class: 'panel' }, badge({ word: 'Nothing waits for a person.', kind: 'ok' }), empty('What is in doubt, what failed to close, what the two books disagree about and every alarm stands here until it is settled.'))));
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  on(['alarms', 'orders', 'positions', 'risk', 'session'], read);
  await read();
}

/** @typedef {Omit<Api.AttentionItem, 'age_ms'> & { minutes: number | null }} Task */

/** An item with its age to the minute: it is drawn anew no more often, and no more seldom. @param {Api.AttentionItem} item @returns {Task} */
export function aged(item) {
  const { age_ms: age, ...rest } = item;
  return { ...rest, minutes: age === null ? null : Math.floor(age / 60_000) };
}

/** How long an item stands already. @param {{ minutes: number | null }} item */
export function ago({ minutes }) {
  if (minutes === null) return null;
  return minutes === 0 ? 'just now' : `${span(minutes * 60_000)} ago`;
}

/** What stands beside the text: of each kind something else. @param {Task} item @returns {any} */
function moreOf(item) {
  return item.more;
}

/** @param {Task} item */
export function taskKey(item) {
  const more = moreOf(item);
  return [item.kind, item.client_id, item.command_id, more?.alarm_id, more?.broker_order_id, more?.exchange, more?.symbol, more?.product, more?.raw, item.since].join('|');
}

/** @param {Task} item @param {() => void} after */
export function task(item, after) {
  const more = moreOf(item);
  return h('li', { class: `panel task ${urgency(item)}`, tabindex: '0' },
    h('div', { class: 'task-head' },
      badge({ word: attention(item.kind), kind: urgency(item) }),
      h('span', { class: 'quiet' }, [item.client_id, more?.event ? more.event.replace(/^ALARM_/, '').replace(/_/g, ' ').toLowerCase() : null, more?.count > 1 ? `${more.count} times` : null].filter(Boolean).join(' · ')),
      item.since ? h('time', { class: 'quiet', datetime: item.since, title: exact(item.since) }, ago(item)) : null),
    h('p', null, told(item.text)),
    more?.over ? h('p', { class: 'hint' }, `${more.over}: what is left is to acknowledge it.`) : null,
    h('div', { class: 'row-buttons' },
      item.command_id ? h('a', { class: 'button small', href: `order.html?id=${item.command_id}` }, 'The order') : null,
      ...item.actions.map((action) => actionButton(action, item.client_id, told(item.text), `${action.label}|${taskKey(item)}`, after))));
}
