// @ts-check
// Audit: the journal, row by row, the newest first; and what is loaded as a file.

import { get } from './api.js';
import { csv, download } from './csv.js';
import { calm, fresh, h, keyed } from './dom.js';
import { exact } from './time.js';
import { empty, field, panel, table, trouble } from './parts.js';
import { onOverview } from './shell.js';
import { event, plain, told } from './words.js';

const NAMES = ['client_id', 'seq', 'at', 'event', 'command_id', 'from', 'to', 'tag', 'what', 'reason', 'who'];

/** @param {HTMLElement} root */
export async function page(root) {
  const problem = h('div', { class: 'problem' });
  const which = h('div', null);
  const search = h('input', { type: 'search', placeholder: 'Event, order, person, reason…', 'aria-label': 'Filter the rows', data: { search: '' }, autocomplete: 'off' });
  const rows = journalTable();
  const none = h('div', null);
  const more = h('div', { class: 'buttons more' });
  const note = h('span', null);
  const save = h('button', { type: 'button', on: { click: () => download('journal.csv', csv(NAMES, loaded)) } }, 'Save these rows (CSV)');
  root.append(
    h('h1', null, 'Audit'),
    problem,
    which,
    h('div', { class: 'tools' }, search, save),
    panel('Journal', [rows.node, none, more], { note }),
    h('p', { class: 'hint' }, 'Each row carries the hash of the row before it. ', h('code', null, 'ordergate journal verify --full'), ' checks the chain and every table against it; ', h('code', null, 'ordergate journal export'), ' writes all of it.'));
  /** @type {any[]} */
  let loaded = [];
  /** @type {string | null} */
  let next = null;
  /** @type {string | null} */
  let client_id = null;
  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    const shown = loaded.filter((row) => !wanted || [row.event, row.what, row.who, row.reason, row.command_id, row.tag].some((text) => String(text ?? '').toLowerCase().includes(wanted)));
    keyed(rows.body, shown, (row) => `${row.client_id ?? ''}:${row.seq}`, (row) => rows.row(row));
    rows.node.hidden = shown.length === 0;
    fresh(none, [shown.length === 0, loaded.length === 0], () => (shown.length ? null : empty(loaded.length ? 'No row fits the filter.' : 'The journal has no row yet.')));
    fresh(more, next, () => (next ? h('button', { type: 'button', on: { click: () => load(false) } }, 'Older rows') : null));
  };
  const load = async (/** @type {boolean} */ isFirst) => {
    try {
      const page = await get('/dashboard/audit', { client_id, before: isFirst ? null : next, limit: 200 });
      problem.replaceChildren();
      loaded = isFirst ? page.rows : [...loaded, ...page.rows];
      next = page.next;
      const own = loaded.filter((row) => row.client_id !== null).length;
      note.textContent = `${page.client_id}: ${own} of ${page.head} rows; ${loaded.length - own} of the process`;
      show();
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  };
  search.addEventListener('input', calm(80, show));
  onOverview((overview) => {
    const names = overview.accounts.map((/** @type {any} */ one) => one.client_id);
    fresh(which, names, () => {
      if (names.length < 2) return null;
      const node = field({ name: 'client_id', label: 'Account', kind: 'select', options: names });
      node.addEventListener('change', (event) => {
        client_id = /** @type {HTMLSelectElement} */ (event.target).value;
        load(true);
      });
      client_id = names[0];
      queueMicrotask(() => load(true));
      return node;
    });
    if (names.length === 1 && client_id === null) {
      [client_id] = names;
      load(true);
    }
  });
}

function journalTable() {
  return table('Journal', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Row', cell: (row) => (row.client_id === null ? h('span', { title: 'Of the process: it is of no account' }, `P ${row.seq}`) : String(row.seq)), num: true },
    { head: 'Time', cell: (row) => h('time', { datetime: row.at }, exact(row.at)), class: 'when' },
    { head: 'What', cell: (row) => h('span', { class: 'symbol' }, row.what ?? event(row.event), row.to && row.from !== row.to ? h('small', null, [row.from, row.to].filter(Boolean).map(plain).join(' → ')) : null), class: 'what' },
    { head: 'Who', cell: (row) => row.who },
    { head: 'Why, with the numbers', cell: (row) => told(row.reason), class: 'wide' },
    { head: 'Order', cell: (row) => (row.command_id ? h('a', { href: `order.html?id=${row.command_id}` }, row.command_id.slice(0, 8)) : ''), },
  ]));
}
