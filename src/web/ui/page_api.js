// @ts-check
// API: every call of the description that this process serves, under its headings, with a search and a link to each.

import { get } from './api.js';
import { calm, fresh, h } from './dom.js';
import { operation } from './page_operation.js';
import { badge, empty, panel, table, trouble } from './parts.js';

/**
 * @typedef {import('./page_operation.js').Operation} Operation
 * @typedef {{ of: Operation, node: HTMLDetailsElement, words: string }} Shown
 */

/** Colours beside the method's own word. @type {Record<string, import('./words.js').Kind>} */
const KINDS = { GET: 'ok', POST: 'work', PUT: 'wait', DELETE: 'bad' };

/** @param {HTMLElement} root */
export async function page(root) {
  const search = h('input', { type: 'search', placeholder: 'orders, kill, client_id, bad_limit…', 'aria-label': 'Search the calls', data: { search: '' }, autocomplete: 'off' });
  const count = h('span', { class: 'hint', role: 'status' });
  const none = h('div', null);
  root.append(
    h('h1', null, 'API'),
    h('p', { class: 'hint' }, 'What a program may ask and do, from ', h('a', { href: '../openapi.json' }, 'the description that this process serves'), '. Send a key as ', h('code', null, 'Authorization: Bearer KEY'), '. Amounts are texts, times are UTC, and an error has a code that stays and says what to do.'),
    h('div', { class: 'tools' }, search, count),
    none);
  try {
    const described = await get('/dashboard/openapi.json');
    const shown = operations(described).map((of) => row(of, described['x-problems'], described.components.schemas));
    const panels = described.tags.map((/** @type {any} */ tag) => {
      const own = shown.filter((one) => one.of.tags.includes(tag.name));
      return { own, node: panel(tag.name, own.map((one) => one.node), { note: tag.description }) };
    });
    const codes = codesPanel(described['x-problems']);
    root.append(...panels.map((/** @type {any} */ one) => one.node), codes.node);
    const show = () => {
      const wanted = search.value.trim().toLowerCase().split(/\s+/).filter((word) => word !== '');
      const fits = (/** @type {string} */ words) => wanted.every((word) => words.includes(word));
      for (const one of shown) one.node.hidden = !fits(one.words);
      for (const one of panels) one.node.hidden = one.own.every((/** @type {Shown} */ own) => own.node.hidden);
      codes.show(fits);
      const left = shown.filter((one) => !one.node.hidden).length;
      count.textContent = left === shown.length ? `${left} calls` : `${left} of ${shown.length} calls`;
      fresh(none, left === 0, () => (left === 0 ? empty('No call fits the search.') : null));
    };
    search.addEventListener('input', calm(60, show));
    show();
    const go = () => open(shown, location.hash.slice(1));
    addEventListener('hashchange', go);
    go();
  } catch (cause) {
    root.append(trouble(cause));
  }
}

/** @param {any} described @returns {Operation[]} */
function operations(described) {
  return Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.entries(/** @type {Record<string, import('./page_operation.js').Described>} */ (methods)).map(([method, of]) => ({ ...of, method: method.toUpperCase(), path })));
}

/** A call in a line; the rest of it is made when it is opened. @param {Operation} of @param {import('./page_operation.js').Codes} codes @param {Record<string, import('./page_schema.js').Schema>} named @returns {Shown} */
function row(of, codes, named) {
  const node = h('details', { class: 'operation', id: of.operationId },
    h('summary', null,
      badge({ word: of.method, kind: KINDS[of.method] ?? 'off' }), ' ',
      h('code', null, of.path),
      h('span', { class: 'about' }, of.summary),
      h('small', null, `needs ${of['x-access'].needs}`)));
  node.addEventListener('toggle', () => {
    if (!node.open) return;
    if (node.childElementCount === 1) node.append(operation(of, codes, named));
  });
  node.querySelector('summary')?.addEventListener('click', () => {
    if (!node.open) history.replaceState(null, '', `#${of.operationId}`);
  });
  const fields = [...of.parameters.map((one) => one.name), ...Object.keys(of.requestBody?.content['application/json'].schema.properties ?? {})];
  const words = [of.method, of.path, of.operationId, of.summary, of['x-access'].needs, ...of.tags, ...of['x-problems'], ...fields].join(' ').toLowerCase();
  return { of, node, words };
}

/** Opens the call that the address names. @param {Shown[]} shown @param {string} name */
function open(shown, name) {
  const one = shown.find((each) => each.of.operationId === name);
  if (!one) return;
  one.node.hidden = false;
  one.node.open = true;
  one.node.scrollIntoView({ block: 'start' });
  one.node.querySelector('summary')?.focus({ preventScroll: true });
}

/** Every code with its remedy. @param {import('./page_operation.js').Codes} codes */
function codesPanel(codes) {
  const rows = table('Error codes', /** @type {import('./parts.js').Column<string>[]} */ ([
    { head: 'Code', cell: (code) => h('code', null, code), class: 'what field-name' },
    { head: 'Status', cell: (code) => String(codes[code].status), num: true },
    { head: 'When', cell: (code) => codes[code].when, class: 'wide' },
    { head: 'What to do', cell: (code) => codes[code].remedy, class: 'wide' },
  ]));
  const all = Object.keys(codes).map((code) => ({ node: rows.row(code), words: `${code} ${codes[code].status} ${codes[code].when} ${codes[code].remedy}`.toLowerCase() }));
  rows.body.append(...all.map((one) => one.node));
  const node = panel('Error codes', [rows.node], { note: 'the same for every call' });
  const show = (/** @type {(words: string) => boolean} */ fits) => {
    for (const one of all) one.node.hidden = !fits(one.words);
    node.hidden = all.every((one) => one.node.hidden);
  };
  return { node, show };
}
