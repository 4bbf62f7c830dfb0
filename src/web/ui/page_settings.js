// @ts-check
// Settings: what is in force, and where it was said. They are changed in the file or the environment, not here.

import { get } from './api.js';
import { calm, fresh, h, keyed } from './dom.js';
import { empty, panel, table, trouble } from './parts.js';
import { exact } from './time.js';

/** @param {HTMLElement} root */
export async function page(root) {
  const search = h('input', { type: 'search', placeholder: 'daily_loss, webhook…', 'aria-label': 'Filter the settings', data: { search: '' }, autocomplete: 'off' });
  const only = h('input', { type: 'checkbox', id: 'own' });
  const rows = table('Settings', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Setting', cell: (row) => h('code', null, row.key), class: 'what setting' },
    { head: 'Value', cell: valueOf, class: 'wide' },
    { head: 'Said by', cell: sourceOf, class: 'from' },
  ]));
  const none = h('div', null);
  const note = h('span', null);
  root.append(
    h('h1', null, 'Settings'),
    h('p', { class: 'hint' }, 'To look at. They are changed in the file or in the environment, and hold from the next start on. A secret is never shown, only whether it is set.'),
    h('div', { class: 'tools' }, search, h('label', { class: 'check', for: 'own' }, only, 'only what differs from the default')),
    panel('In force', [rows.node, none], { note }));
  try {
    const found = await get('/dashboard/config');
    const all = found.settings.map((/** @type {any} */ row, /** @type {number} */ at) => ({ ...row, at })).sort((/** @type {any} */ a, /** @type {any} */ b) => a.key.localeCompare(b.key, 'en', { numeric: true }));
    const own = all.filter((/** @type {any} */ row) => row.said_by !== 'default').length;
    note.textContent = `version ${found.version}, started ${exact(found.started_at)}; ${own} of ${all.length} said otherwise than the default`;
    const show = () => {
      const wanted = search.value.trim().toLowerCase();
      const shown = all.filter((/** @type {any} */ row) => (!only.checked || row.said_by !== 'default') && `${row.key} ${row.value} ${row.said_by}`.toLowerCase().includes(wanted));
      keyed(rows.body, shown, (row) => `${row.key}${row.at}`, (row) => rows.row(row));
      rows.node.hidden = shown.length === 0;
      fresh(none, shown.length === 0, () => (shown.length ? null : empty('No setting fits the filter.')));
    };
    search.addEventListener('input', calm(60, show));
    only.addEventListener('change', show);
    show();
  } catch (cause) {
    root.append(trouble(cause));
  }
}

/** @param {any} row */
function valueOf(row) {
  if (row.value === '[set]') return h('span', { class: 'quiet' }, 'set, not shown');
  if (row.value === '[not set]') return h('span', { class: 'quiet' }, 'not set');
  return row.value === '' ? h('span', { class: 'quiet' }, 'empty') : h('code', null, row.value);
}

/** `env NAME`, `file /a/path`, `default`. @param {any} row */
function sourceOf(row) {
  const [layer, ...rest] = row.said_by.split(' ');
  const name = rest.join(' ');
  if (layer === 'env') return h('span', { class: 'state' }, h('strong', null, 'environment'), h('small', null, name));
  if (layer === 'file') return h('span', { class: 'state' }, h('strong', null, 'file'), h('small', null, name));
  return h('span', { class: 'quiet' }, row.said_by);
}
