// @ts-check
// Alerts: the alarms that nobody has said to have seen, and the channels that tell of them.

import { get, post } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { ask, badge, empty, panel, reason, toast, trouble } from './parts.js';
import { aged, task, taskKey } from './page_needs_you.js';
import { moment } from './time.js';
import { count } from './words.js';

/** @param {HTMLElement} root */
export async function page(root) {
  const problem = h('div', { class: 'problem' });
  const list = h('ul', { class: 'tasks' });
  const none = h('div', null);
  const tools = h('div', { class: 'tools' });
  const channels = h('ul', { class: 'tasks' });
  const arrived = h('div', { class: 'problem' });
  const test = h('button', { type: 'button', on: { click: () => sendTest(readChannels, arrived) } }, 'Send a test');
  root.append(h('h1', null, 'Alerts'), problem, tools, list, none, panel('Where alerts go', [arrived, channels], { note: test }));
  const readChannels = single(async () => {
    try {
      const found = await get('/dashboard/alerts');
      test.hidden = found.channels.length === 0;
      fresh(channels, found.channels, () => (found.channels.length ? found.channels.map(channel) : h('li', null, empty('No channel is set: see [alerts] in the settings.'))));
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  const read = single(async () => {
    try {
      const found = await get('/dashboard/attention');
      problem.replaceChildren();
      const alarms = found.items.filter((item) => item.kind === 'alarm');
      keyed(list, alarms.map(aged), taskKey, (item) => task(item, read));
      fresh(tools, alarms.map((/** @type {any} */ item) => item.more.alarm_id), () => (alarms.length > 1 ? h('button', { type: 'button', on: { click: () => seenAll(alarms, read) } }, `All ${alarms.length} seen…`) : null));
      fresh(none, alarms.length === 0, () => (alarms.length ? null : h('div', { class: 'panel' }, badge({ word: 'No alarm stands.', kind: 'ok' }), empty('An alarm stands here, across restarts, until somebody says that it was seen. What goes to a phone is set in [alerts] of the settings.'))));
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  on(['alarms'], async () => {
    await Promise.all([read(), readChannels()]);
  });
  await Promise.all([read(), readChannels()]);
}

/** One channel: what it takes, and how it stands. @param {Reads['/dashboard/alerts']['channels'][number]} of */
function channel(of) {
  const takes = of.is_escalation ? 'pages that nobody acknowledged' : `from ${of.from} up`;
  const quiet = of.quiet ? `, only pages ${of.quiet} IST` : '';
  const waits = of.waiting ? `, ${count(of.waiting, 'message')} waiting` : '';
  const sent = of.sent_at ? `, last arrived ${moment(of.sent_at)}` : '';
  const said = of.trouble ? badge({ word: of.trouble, kind: 'bad' }) : badge({ word: of.waiting ? 'sending' : 'nothing waits', kind: 'ok' });
  return h('li', null, h('strong', null, of.name), ` (${of.kind}): ${takes}${quiet}${waits}${sent} `, said);
}

/** What did not arrive stands until the next test: arming asks for it. @param {() => Promise<void>} after @param {HTMLElement} problem */
async function sendTest(after, problem) {
  try {
    problem.replaceChildren();
    const sent = await post('/dashboard/alerts/test', {});
    const lost = sent.channels.filter((/** @type {any} */ one) => !one.arrived).map((/** @type {any} */ one) => one.trouble);
    await after();
    if (lost.length) problem.replaceChildren(trouble(new Error(`The test did not arrive everywhere: ${lost.join('; ')}`)));
    else toast('The test has arrived in every channel.');
  } catch (cause) {
    problem.replaceChildren(trouble(cause));
  }
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
