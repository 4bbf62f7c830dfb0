// @ts-check
// Alerts: the alarms that nobody has said to have seen.

import { get, post } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { ask, badge, empty, reason, trouble } from './parts.js';
import { still, task, taskKey } from './page_needs_you.js';
import { count } from './words.js';

/** @param {HTMLElement} root */
export async function page(root) {
  const problem = h('div', { class: 'problem' });
  const list = h('ul', { class: 'tasks' });
  const none = h('div', null);
  const tools = h('div', { class: 'tools' });
  root.append(h('h1', null, 'Alerts'), problem, tools, list, none);
  const read = single(async () => {
    try {
      const found = await get('/dashboard/attention');
      problem.replaceChildren();
      const alarms = found.items.filter((/** @type {any} */ item) => item.kind === 'alarm');
      keyed(list, alarms.map(still), taskKey, (item) => task(item, read));
      fresh(tools, alarms.map((/** @type {any} */ item) => item.more.alarm_id), () => (alarms.length > 1 ? h('button', { type: 'button', on: { click: () => seenAll(alarms, read) } }, `All ${alarms.length} seen…`) : null));
      fresh(none, alarms.length === 0, () => (alarms.length ? null : h('div', { class: 'panel' }, badge({ word: 'No alarm stands.', kind: 'ok' }), empty('An alarm stands here, across restarts, until somebody says that it was seen. What goes to a phone is set in [alerts] of the settings.'))));
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  on(['alarms'], read);
  await read();
}

/** @param {any[]} alarms @param {() => void} after */
function seenAll(alarms, after) {
  ask({
    title: `${count(alarms.length, 'alarm')} seen`,
    says: h('p', null, 'What they are about goes on for as long as it is so.'),
    fields: [reason()],
    yes: 'All of them seen',
    act: async (values) => {
      for (const alarm of alarms) await post(`/dashboard/alarms/${encodeURIComponent(alarm.more.alarm_id)}/ack`, { reason: values.reason });
      after();
      return 'seen';
    },
  });
}
