// @ts-check
// Accounts: is each ready, is it logged in at its broker, is it armed; and who is logged in here.

import { get, post, send } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { login } from './acts.js';
import { rupees } from './money.js';
import { exact, moment } from './time.js';
import { ask, badge, empty, panel, reason, trouble } from './parts.js';
import { modeOf, plain, told, verdict } from './words.js';

/** @param {HTMLElement} root */
export async function page(root) {
  const problem = h('div', { class: 'problem' });
  const accounts = h('div', null);
  const sessions = h('ul', { class: 'lines' });
  const noSessions = h('div', null);
  root.append(h('h1', null, 'Accounts'), problem, accounts, panel('Who is logged in here', [sessions, noSessions]));
  const read = single(async () => {
    try {
      const [readiness, broker, overview] = await Promise.all([get('/dashboard/readiness'), get('/dashboard/broker'), get('/dashboard/overview')]);
      problem.replaceChildren();
      const rows = readiness.accounts.map((/** @type {any} */ account) => {
        const connection = broker.accounts.find((/** @type {any} */ one) => one.client_id === account.client_id) ?? null;
        const isLive = overview.accounts.find((/** @type {any} */ one) => one.client_id === account.client_id)?.is_live ?? true;
        return { ...account, is_live: isLive, login_link: null, connection: connection && { ...connection, login_link: null } };
      });
      keyed(accounts, rows, (row) => row.client_id, (row) => accountOf(row, read));
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
    try {
      const list = await get('/dashboard/sessions');
      const rows = list.sessions ?? [];
      keyed(sessions, rows, (row) => String(row.id), (row) => h('li', null,
        h('span', null, h('strong', null, row.user), ` ${[row.from, `since ${moment(row.began_at)}`, `until ${moment(row.expires_at)}`, `by ${row.by}`].filter(Boolean).join(', ')}`, row.is_this ? ' (this one)' : ''),
        h('button', { type: 'button', class: 'small', 'aria-label': `End it: the session of ${row.user}`, on: { click: () => end(row, read) } }, 'End it')));
      fresh(noSessions, rows.length === 0, () => (rows.length ? null : empty('Nobody.')));
    } catch (cause) {
      noSessions.replaceChildren(trouble(cause));
    }
  });
  on(['session'], read);
  await read();
}

/** @param {any} row @param {() => void} after */
function end(row, after) {
  ask({
    title: `End the session of ${row.user}`,
    yes: 'End it',
    danger: true,
    act: async () => {
      await send('DELETE', `/dashboard/sessions/${encodeURIComponent(row.id)}`);
      after();
      return 'ended';
    },
  });
}

/** @param {any} account @param {() => void} after */
function accountOf(account, after) {
  const { client_id, report, standing, connection } = account;
  const isGo = report.overall === 'GO';
  const isPaper = standing.mode === 'PAPER';
  const funds = connection?.connection?.funds ?? null;
  return panel(client_id, [
    h('div', { class: 'facts' },
      h('div', { class: 'fact' }, h('span', { class: 'label' }, 'Ready'), badge({ word: report.overall, kind: isGo ? 'ok' : 'bad' })),
      h('div', { class: 'fact' }, h('span', { class: 'label' }, 'Mode'), badge({ word: modeOf(account), kind: isPaper ? 'ok' : 'wait' })),
      h('div', { class: 'fact' }, h('span', { class: 'label' }, 'Broker'), h('span', null, connection?.broker ?? '–')),
      standing.until ? h('div', { class: 'fact' }, h('span', { class: 'label' }, 'Armed until'), h('span', null, exact(standing.until))) : null,
      funds ? h('div', { class: 'fact' }, h('span', { class: 'label' }, 'Funds'), h('span', { class: 'num' }, rupees(funds.available))) : null),
    h('p', { class: 'hint' }, told(standing.why)),
    h('ul', { class: 'gates' }, ...report.checks.map((/** @type {any} */ check) => h('li', null, badge({ word: plain(check.name), kind: verdict(check.verdict).kind }, verdict(check.verdict).word), h('small', null, told(check.text))))),
    h('div', { class: 'buttons' },
      connection?.has_login ? h('button', { type: 'button', on: { click: () => login(client_id, after) } }, connection.is_logged_in ? 'Log in anew…' : 'Log in at the broker…') : null,
      connection?.has_login ? h('button', { type: 'button', on: { click: () => code(client_id, after) } }, 'I have a code…') : null,
      isPaper ? null : h('button', { type: 'button', on: { click: () => disarm(client_id, after) } }, 'Disarm…'),
      isPaper ? null : h('button', { type: 'button', class: 'danger', on: { click: () => arm(account, after) } }, 'Arm…')),
  ], { note: `conformance ${account.look?.conformance ?? '–'}; alert test ${account.look?.alert_test ?? '–'}` });
}

/** @param {string} client_id @param {() => void} after */
function code(client_id, after) {
  ask({
    title: `The code for ${client_id}`,
    says: h('p', null, 'What stands after code= in the address to which the broker’s page went.'),
    fields: [{ name: 'code', label: 'Code', required: true }],
    yes: 'Use it',
    act: async (values) => {
      await post('/dashboard/broker/code', { client_id, code: values.code });
      after();
      return 'logged in';
    },
  });
}

/** @param {string} client_id @param {() => void} after */
function disarm(client_id, after) {
  ask({
    title: `Disarm ${client_id}`,
    says: h('p', null, 'No entry goes out. Exits go on.'),
    fields: [reason()],
    yes: 'Disarm',
    act: async (values) => {
      await post('/dashboard/arm', { client_id, mode: 'DISARMED', reason: values.reason });
      after();
      return 'disarmed';
    },
  });
}

/** @param {any} account @param {() => void} after */
function arm(account, after) {
  const { client_id, look, report } = account;
  const changes = look?.changes_since_last_arming ?? null;
  ask({
    title: account.is_live ? `Arm ${client_id}: real orders go out` : `Arm ${client_id}, a drill: PAPER, no real money moves`,
    says: [
      h('p', null, `Readiness: ${report.overall}. Loss of the day at most ${rupees(look?.limits?.daily_loss)}, one order at most ${rupees(look?.limits?.max_order_value)}.`),
      changes?.length ? h('p', null, `Other than at the last arming: ${changes.join(', ')}.`) : null,
    ],
    fields: [
      { name: 'mode', label: 'How', kind: 'select', value: 'APPROVE', options: [['APPROVE', 'each entry asks you'], ['LIVE', 'entries go by themselves']] },
      { name: 'duration_minutes', label: 'For how many minutes', value: '60', required: true, mode: 'numeric' },
      reason(),
      { name: 'confirm', label: `Type ${client_id}`, required: true },
    ],
    yes: 'Arm',
    danger: true,
    act: async (values) => {
      const answer = await post('/dashboard/arm', { client_id, mode: values.mode, duration_minutes: Number(values.duration_minutes), reason: values.reason, confirm: values.confirm });
      after();
      return told(answer.standing?.why ?? answer.mode);
    },
  });
}
