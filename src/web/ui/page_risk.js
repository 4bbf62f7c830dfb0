// @ts-check
// Risk: every limit with its use today, what moved it, limits set otherwise for a time, strategies that are halted.

import { get, post } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { gauge, part } from './charts.js';
import { number, rupees } from './money.js';
import { exact, moment } from './time.js';
import { ask, badge, empty, panel, reason, table, trouble } from './parts.js';
import { killDialog, rearm } from './kill.js';
import { killWords, limit, plain, told } from './words.js';

/** What is held against each order by itself, and is used up by none. */
const PER_ORDER = new Set(['max_quantity', 'max_order_value', 'collar_percent']);

/** @param {HTMLElement} root */
export async function page(root) {
  const problem = h('div', { class: 'problem' });
  const accounts = h('div', null);
  root.append(h('h1', null, 'Risk'), problem, accounts);
  /** @type {Map<string, ReturnType<typeof accountOf>>} */
  const made = new Map();
  const read = single(async () => {
    try {
      const [risk, overview] = await Promise.all([get('/dashboard/risk'), get('/dashboard/overview')]);
      problem.replaceChildren();
      for (const account of risk.accounts) {
        let shown = made.get(account.client_id);
        if (!shown) {
          shown = accountOf(account.client_id, read);
          made.set(account.client_id, shown);
          accounts.append(shown.node);
        }
        shown.show(account, overview.accounts.find((/** @type {any} */ one) => one.client_id === account.client_id));
      }
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  on(['risk', 'pnl', 'orders'], read);
  await read();
}

/** @param {string} name @param {unknown} value */
function valueOf(name, value) {
  if (value === null || value === undefined) return '–';
  const { unit } = limit(name);
  if (unit === 'rupees') return rupees(value, { whole: true });
  return unit === 'percent' ? `${number(value)} %` : number(value);
}

/** @param {string} client_id @param {() => void} after */
function accountOf(client_id, after) {
  const day = h('div', null);
  const limits = limitTable(client_id, after);
  const overrides = h('ul', { class: 'lines' });
  const noOverrides = h('div', null);
  const halts = h('ul', { class: 'lines' });
  const noHalts = h('div', null);
  const events = h('ul', { class: 'lines' });
  const noEvents = h('div', null);
  const lists = h('div', null);
  const node = h('div', null,
    panel(`${client_id}: the day`, [day], { note: h('button', { type: 'button', class: 'small danger', on: { click: () => killDialog({ whose: { client_id } }) } }, 'Kill…') }),
    h('div', { class: 'columns' },
      h('div', null, panel('Limits', [limits.node, lists], { note: 'exits are never refused for a limit' })),
      h('div', null,
        panel('Stopped strategies', [halts, noHalts]),
        panel('Set otherwise for a time', [overrides, noOverrides]),
        panel('What moved a limit', [events, noEvents]))));
  return {
    node,
    /** @param {any} account @param {any} overview */
    show(account, overview) {
      const stops = overview ? { level: overview.kill_level, strategies: overview.strategies_stopped } : { level: 0, strategies: {} };
      fresh(day, [account.day, account.halt_of_the_day, account.funds && { ...account.funds, age_ms: 0 }, stops.level], () => dayOf(account, stops.level, client_id, after));
      keyed(limits.body, account.limits, (row) => row.limit, (row) => limits.row(row));
      const reserve = account.limits.find((/** @type {any} */ row) => row.limit === 'capital_reserve')?.in_force ?? '0';
      fresh(lists, [account.allowed, account.banned, reserve], () => [
        Number(reserve) > 0 ? h('p', { class: 'hint' }, 'The reserve is certain for deliveries and bought options. Of other margins only the broker knows what they take: an entry may use it where limits.margin_refuses does not hold, and the next one is refused.') : null,
        account.allowed?.length ? h('p', { class: 'hint' }, `Only these may be traded: ${account.allowed.join(', ')}.`) : null,
        account.banned?.length ? h('p', { class: 'hint' }, `These may not be traded: ${account.banned.join(', ')}.`) : null,
      ]);
      keyed(overrides, account.overrides, (one) => one.limit, (one) => h('li', null,
        h('span', null, h('strong', null, `${limit(one.limit).word}: ${valueOf(one.limit, one.value)}`), ` until ${moment(one.until)}, by ${one.who}: ${told(one.reason)}`),
        h('button', { type: 'button', class: 'small', on: { click: () => endOverride(client_id, one.limit, after) } }, 'End it…')));
      fresh(noOverrides, account.overrides.length === 0, () => (account.overrides.length ? null : empty('Every limit is as in the settings.')));
      const halted = [
        ...account.halted.map((/** @type {any} */ one) => ({ strategy: one.strategy, words: told(one.reason), at: one.at, level: 0 })),
        ...Object.entries(/** @type {Record<string, any>} */ (stops.strategies ?? {})).map(([strategy, stop]) => ({ strategy, words: `${killWords(stop.level)}, by ${stop.who}: ${told(stop.reason)}`, at: stop.at, level: stop.level })),
      ];
      keyed(halts, halted, (one) => `${one.strategy}${one.level}`, (one) => h('li', null,
        h('span', null, badge({ word: one.strategy, kind: 'wait' }), ` ${one.words}${one.at ? `, since ${moment(one.at)}` : ''}`),
        h('button', { type: 'button', class: 'small', on: { click: () => (one.level > 0 ? rearm({ client_id, strategy: one.strategy, level: one.level }) : unhalt(client_id, one.strategy, after)) } }, 'Arm again…')));
      fresh(noHalts, halted.length === 0, () => (halted.length ? null : empty('No strategy is stopped.')));
      keyed(events, account.events.slice(-12).reverse(), (row) => String(row.seq), (row) => h('li', null, h('span', null, h('time', { datetime: row.at, title: exact(row.at) }, moment(row.at)), ` ${plain(row.event)}: ${told(row.reason)}`)));
      fresh(noEvents, account.events.length === 0, () => (account.events.length ? null : empty('Nothing has moved a limit.')));
    },
  };
}

/** @param {any} account @param {number} level @param {string} client_id @param {() => void} after */
function dayOf(account, level, client_id, after) {
  const { day } = account;
  const loss = account.limits.find((/** @type {any} */ row) => row.limit === 'daily_loss');
  const fact = (/** @type {string} */ label, /** @type {import('./dom.js').Child} */ words) => h('div', { class: 'fact' }, h('span', { class: 'label' }, label), h('span', { class: 'num' }, words));
  return [
    h('div', { class: 'facts' },
      fact('Result', rupees(day.pnl, { signed: true })),
      day.by_broker === undefined ? null : fact('By the broker', rupees(day.by_broker, { signed: true })),
      day.by_fills === undefined ? null : fact('By our fills', rupees(day.by_fills, { signed: true })),
      fact('The day ends at', rupees(day.floor)),
      fact('Left until then', rupees(day.left)),
      fact('Entries', level > 0 ? badge({ word: killWords(level), kind: 'wait' }) : day.is_over ? badge({ word: 'over until the next trading day', kind: 'bad' }) : badge({ word: 'go', kind: 'ok' })),
      account.funds ? fact('Funds available', rupees(account.funds.available)) : null,
      account.funds ? fact('Margin used', rupees(account.funds.margin_used)) : null,
      day.loss_days > 0 ? fact('Days of loss in a row', number(day.loss_days)) : null),
    loss?.used ? h('div', { class: 'gauges' }, gauge('Loss limit used', part(loss.used, loss.in_force), `${valueOf('daily_loss', loss.used)} of ${valueOf('daily_loss', loss.in_force)}`)) : null,
    level > 0 ? h('div', { class: 'buttons' }, h('button', { type: 'button', on: { click: () => rearm({ client_id, level }) } }, 'Arm again…')) : null,
    account.halt_of_the_day ? h('p', null, told(account.halt_of_the_day.reason)) : null,
    day.shortfall && !day.shortfall.lifted && !day.margin_disbelieved ? h('div', { class: 'buttons' }, h('button', { type: 'button', on: { click: () => goOn(client_id, after) } }, 'Let the day go on…')) : null,
  ];
}

/** @param {string} client_id @param {() => void} after */
function limitTable(client_id, after) {
  return table('Limits', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Limit', cell: (row) => h('span', { class: 'symbol' }, limit(row.limit).word, h('small', null, row.limit)), class: 'what' },
    { head: 'Used today', cell: (row) => (row.used === null ? h('span', { class: 'quiet' }, PER_ORDER.has(row.limit) ? 'per order' : '–') : typeof row.used === 'object' ? h('span', { class: 'symbol' }, number(row.used.units), h('small', null, row.used.instrument)) : valueOf(row.limit, row.used)), num: true },
    { head: 'In force', cell: (row) => valueOf(row.limit, row.in_force), num: true },
    { head: 'In the settings', cell: (row) => (row.in_settings === row.in_force ? h('span', { class: 'quiet' }, 'the same') : valueOf(row.limit, row.in_settings)), num: true },
    { head: 'Part used', cell: (row) => {
      const used = typeof row.used === 'object' && row.used !== null ? row.used.units : row.used;
      return used === null || row.limit === 'capital_reserve' ? '' : gauge('', part(used, row.in_force), `${Math.round(part(used, row.in_force) * 100)} %`);
    }, class: 'wide' },
    { head: 'Set otherwise', quiet: true, cell: (row) => h('button', { type: 'button', class: 'small', 'aria-label': `Override…: ${limit(row.limit).word} in ${client_id}`, on: { click: () => override(client_id, row, after) } }, 'Override…'), class: 'acts' },
  ]));
}

/** @param {string} client_id @param {any} row @param {() => void} after */
function override(client_id, row, after) {
  ask({
    title: `${limit(row.limit).word} in ${client_id}, otherwise for a time`,
    says: h('p', null, `In force: ${valueOf(row.limit, row.in_force)}. The override ends by itself, after a day at most.`),
    fields: [
      { name: 'value', label: 'What shall hold', value: String(row.in_force), required: true, mode: 'decimal' },
      { name: 'minutes', label: 'For how many minutes', value: '60', required: true, mode: 'numeric' },
      reason(),
    ],
    yes: 'Set it',
    danger: true,
    act: async (values) => {
      const answer = await post('/dashboard/risk/override', { client_id, limit: row.limit, value: values.value, minutes: Number(values.minutes), reason: values.reason });
      after();
      return answer.done;
    },
  });
}

/** @param {string} client_id @param {string} name @param {() => void} after */
function endOverride(client_id, name, after) {
  ask({
    title: `End the override in ${client_id} of: ${limit(name).word.toLowerCase()}`,
    fields: [reason()],
    yes: 'End it',
    act: async (values) => {
      const answer = await post('/dashboard/risk/override', { client_id, limit: name, end: true, reason: values.reason });
      after();
      return answer.done;
    },
  });
}

/** @param {string} client_id @param {() => void} after */
function goOn(client_id, after) {
  ask({
    title: `Let the day of ${client_id} go on after a shortfall of margin`,
    says: h('p', null, 'The broker’s figures decide, unless you say that they are wrong: below zero they then count for nothing today.'),
    fields: [
      { name: 'figures', label: 'The broker’s figures', kind: 'select', value: 'right', options: [['right', 'are right: go on once they show enough'], ['wrong', 'are wrong: go on now']] },
      reason(),
    ],
    yes: 'Let it go on',
    act: async (values) => {
      const wrong = values.figures === 'wrong' ? { although_short: true } : {};
      const answer = await post('/dashboard/risk/rearm', { client_id, margin: true, ...wrong, reason: values.reason });
      after();
      return answer.done;
    },
  });
}

/** @param {string} client_id @param {string} strategy @param {() => void} after */
function unhalt(client_id, strategy, after) {
  ask({
    title: `Let ${strategy} in ${client_id} trade again`,
    says: h('p', null, 'What it did before counts no longer.'),
    fields: [reason()],
    yes: 'Arm again',
    act: async (values) => {
      const answer = await post('/dashboard/risk/rearm', { client_id, strategy, reason: values.reason });
      after();
      return answer.done;
    },
  });
}
