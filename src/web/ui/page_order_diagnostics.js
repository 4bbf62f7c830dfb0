// @ts-check
// Diagnostics: did every intent go where it should? Counts, rows that lack something, orders that hang, how long each
// stage took, and whether the journal verifies.

import { get } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { on, single } from './live.js';
import { millis, ms } from './time.js';
import { badge, empty, orderLink, panel, table, trouble } from './parts.js';
import { orderTable, ownerOf } from './orders.js';
import { count, plain, verdict } from './words.js';

/** @type {Record<string, string>} */
const ISSUES = {
  missing_execution_type: 'nobody said whether it opens or closes',
  sent_to_broker_but_no_broker_id: 'sent, and the broker’s number is not known',
  executed_but_no_broker_id: 'filled, and the broker’s number is not known',
  created_for_long: 'accepted long ago, and not sent',
  sent_for_long: 'sent long ago, and nothing came back',
  in_doubt: 'being looked for in the broker’s books',
};

/** @param {HTMLElement} root */
export async function page(root) {
  const problem = h('div', { class: 'problem' });
  const cards = h('div', { class: 'cards' });
  const health = h('ul', { class: 'lines' });
  const stages = stageTable();
  const noStages = h('div', null);
  const incomplete = incompleteTable();
  const noIncomplete = h('div', null);
  const failed = orderTable();
  const noFailed = h('div', null);
  const recent = orderTable();
  const noRecent = h('div', null);
  root.append(
    h('h1', null, 'Diagnostics'),
    problem,
    cards,
    h('div', { class: 'columns' },
      h('div', null,
        panel('Rows that need a look', [incomplete.node, noIncomplete], { note: 'incomplete, stuck, or without the broker’s number' }),
        panel('Failed', [failed.node, noFailed], { note: 'the newest' }),
        panel('Recent activity', [recent.node, noRecent])),
      h('div', null,
        panel('Journal and machine', [health]),
        panel('Latency by stage', [stages.node, noStages], { note: 'of the newest orders, in milliseconds' }))));
  const read = single(async () => {
    try {
      const [orders, intents, overview, readiness] = await Promise.all([get('/dashboard/diagnostics/orders'), get('/dashboard/diagnostics/intent-verification'), get('/dashboard/overview'), get('/health/ready').catch((cause) => cause.body ?? {})]);
      problem.replaceChildren();
      const { summary } = orders;
      const named = [
        ['Orders', summary.total_orders, ''],
        ...Object.entries(summary.status_breakdown).map(([status, n]) => [plain(status), n, status === 'FAILED' ? 'bad' : status === 'EXECUTED' ? 'ok' : 'work']),
        ...Object.entries(summary.source_breakdown).map(([source, n]) => [`from ${plain(source)}`, n, '']),
        ['sent to the broker', intents.intent_pipeline.sent_to_broker, ''],
        ['without the broker’s number', intents.data_quality.missing_broker_id_count, intents.data_quality.missing_broker_id_count > 0 ? 'bad' : ''],
      ];
      fresh(cards, named, () => named.map(([words, n, kind]) => h('div', { class: `card still ${kind}` }, h('span', { class: 'num' }, String(n)), h('span', null, words))));
      const bad = intents.data_quality.incomplete_orders;
      fill(incomplete, noIncomplete, bad, 'Every row is complete, and nothing hangs.');
      const own = (/** @type {any} */ order) => ({ ...order, whose: ownerOf(order, overview.accounts.length > 1) });
      fill(failed, noFailed, orders.failed_orders.details.slice(0, 20).map(own), 'Nothing has failed.');
      fill(recent, noRecent, intents.recent_activity.map(own), 'No order yet.');
      const rows = stagesOf([...orders.executed_orders.details, ...orders.pending_orders.details]);
      keyed(stages.body, rows, (row) => row.name, (row) => stages.row(row));
      stages.node.hidden = rows.length === 0;
      fresh(noStages, rows.length === 0, () => (rows.length ? null : empty('No order has gone through yet.')));
      const lines = healthOf(overview, readiness);
      keyed(health, lines, (line) => line.name, (line) => h('li', null, h('span', null, h('strong', null, line.name), ` ${line.words}`), badge(line.said)));
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  on(['orders', 'health', 'session'], read);
  await read();
}

/**
 * @param {{ node: HTMLElement, body: HTMLTableSectionElement, row: (row: any) => HTMLTableRowElement }} of
 * @param {HTMLElement} none @param {any[]} rows @param {string} words
 */
function fill(of, none, rows, words) {
  keyed(of.body, rows, (row) => row.command_id, (row) => of.row(row));
  of.node.hidden = rows.length === 0;
  fresh(none, rows.length === 0, () => (rows.length ? null : empty(words)));
}

function incompleteTable() {
  return table('Rows that need a look', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Order', cell: (row) => orderLink(row, row.symbol), class: 'what' },
    { head: 'Account', cell: (row) => row.client_id },
    { head: 'Status', cell: (row) => plain(row.status) },
    { head: 'What is wrong', cell: (row) => h('span', { class: 'state' }, ...row.issues.map((/** @type {string} */ issue) => badge({ word: ISSUES[issue] ?? plain(issue), kind: issue === 'in_doubt' ? 'doubt' : 'bad' }))), class: 'wide' },
  ]));
}

function stageTable() {
  return table('Latency by stage', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Stage', cell: (row) => row.name, class: 'what' },
    { head: 'Half', cell: (row) => millis(row.half), num: true },
    { head: '95 of 100', cell: (row) => millis(row.most), num: true },
    { head: 'Orders', cell: (row) => String(row.n), num: true },
  ]));
}

/** @param {any[]} orders */
function stagesOf(orders) {
  /** @type {[string, (order: any) => number | null][]} */
  const stages = [
    ['signal to written down', (order) => ms(order.created_at) - ms(order.signal_time)],
    ['written down to sent', (order) => (order.sent_at ? ms(order.sent_at) - ms(order.created_at) : null)],
    ['sent to its newest change', (order) => (order.sent_at ? ms(order.updated_at) - ms(order.sent_at) : null)],
  ];
  return stages.flatMap(([name, of]) => {
    const all = orders.map(of).filter((one) => one !== null && one >= 0).sort((a, b) => Number(a) - Number(b));
    if (all.length === 0) return [];
    const at = (/** @type {number} */ part) => Number(all[Math.min(all.length - 1, Math.floor(all.length * part))]);
    return [{ name, half: at(0.5), most: at(0.95), n: all.length }];
  });
}

/** @param {any} overview @param {any} readiness */
function healthOf(overview, readiness) {
  /** @type {{ name: string, words: string, said: import('./words.js').Said }[]} */
  const lines = [
    { name: 'Journal', words: overview.accounts.map((/** @type {any} */ account) => `${account.client_id} at row ${account.journal_seq}`).join(', '), said: overview.journal_open ? { word: 'open', kind: 'ok' } : { word: 'closed', kind: 'bad' } },
    { name: 'Entries', words: (readiness.why_not ?? []).map(plain).join(', '), said: readiness.status === 'READY' ? { word: 'would go', kind: 'ok' } : { word: 'would not go', kind: 'bad' } },
    { name: 'Restarts of actors', words: '', said: readiness.actor_restarts > 0 ? { word: count(readiness.actor_restarts, 'restart'), kind: 'wait' } : { word: 'none', kind: 'ok' } },
  ];
  if (overview.free_bytes !== null) {
    const mb = (/** @type {number} */ bytes) => `${Math.round(bytes / 1_048_576)} MB`;
    lines.push({ name: 'Disk', words: `${mb(overview.free_bytes)} free, least ${mb(overview.min_free_bytes)}`, said: overview.free_bytes > overview.min_free_bytes ? { word: 'enough', kind: 'ok' } : { word: 'too little: entries are refused', kind: 'bad' } });
  }
  for (const words of readiness.calendar ?? []) lines.push({ name: words, words: '', said: verdict('WARN') });
  lines.push({ name: 'The whole chain', words: 'is checked by ordergate journal verify --full, beside the engine.', said: { word: 'a command', kind: 'off' } });
  return lines;
}
