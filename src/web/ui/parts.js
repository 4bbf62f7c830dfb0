// @ts-check
// The parts that pages are made of.

import { Problem } from './api.js';
import { h, byId } from './dom.js';
import { MARKS } from './words.js';

/**
 * A word with its mark. @param {import('./words.js').Said} said @param {string} [title]
 */
export function badge(said, title) {
  return h('span', { class: `badge ${said.kind}`, title }, h('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[said.kind]), said.word);
}

/**
 * A section of a page.
 * @param {string} title @param {import('./dom.js').Child[]} children @param {{ id?: string, note?: import('./dom.js').Child, class?: string }} [how]
 */
export function panel(title, children, how = {}) {
  return h(
    'section',
    { class: `panel ${how.class ?? ''}`, id: how.id, 'aria-label': title },
    h('header', null, h('h2', null, title), how.note ? h('div', { class: 'note' }, how.note) : null),
    ...children,
  );
}

/** What stands where there is nothing. @param {string} words @param {...import('./dom.js').Child} more */
export function empty(words, ...more) {
  return h('p', { class: 'empty' }, words, ...more);
}

/** A column: its head, what it shows of a row, whether it is a number.
 * @template T
 * @typedef {{ head: string, cell: (row: T) => import('./dom.js').Child | import('./dom.js').Child[], num?: boolean, class?: string, quiet?: boolean }} Column
 */

/**
 * A table whose rows become cards on a phone.
 * @template T
 * @param {string} name @param {Column<T>[]} columns
 * @returns {{ node: HTMLElement, body: HTMLTableSectionElement, row: (row: T, props?: import('./dom.js').Props) => HTMLTableRowElement }}
 */
export function table(name, columns) {
  const body = h('tbody', null);
  const heads = columns.map((column) => h('th', { scope: 'col', class: column.num ? 'num' : null }, column.quiet ? h('span', { class: 'unseen' }, column.head) : column.head));
  const node = h('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': name }, h('table', { class: 'rows' }, h('thead', null, h('tr', null, ...heads)), body));
  const row = (/** @type {T} */ row, /** @type {import('./dom.js').Props} */ props = {}) =>
    h(
      'tr',
      props,
      ...columns.map((column) =>
        h('td', { class: [column.num ? 'num' : '', column.class ?? ''].join(' ').trim() || null, data: { label: column.quiet ? '' : column.head } }, ...[column.cell(row)].flat()),
      ),
    );
  return { node, body, row };
}

/** What went wrong, and what to do about it. @param {unknown} cause */
export function trouble(cause) {
  const remedy = cause instanceof Problem ? cause.remedy : '';
  const words = cause instanceof Error ? cause.message : String(cause);
  return h('div', { class: 'trouble', role: 'alert' }, h('strong', null, words), remedy ? h('span', null, `What to do: ${remedy}`) : null);
}

/** The same in one line, for where there is no room for more. @param {unknown} cause */
export function troubleWords(cause) {
  const remedy = cause instanceof Problem && cause.remedy ? `. What to do: ${cause.remedy}` : '';
  return `${cause instanceof Error ? cause.message : cause}${remedy}`;
}

/** A short word at the bottom of the page. @param {string} words @param {import('./words.js').Kind} [kind] */
export function toast(words, kind = 'ok') {
  const place = byId('toasts');
  const note = h('div', { class: `toast ${kind}` }, h('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[kind]), words);
  place.append(note);
  while (place.children.length > 4) place.firstElementChild?.remove();
  setTimeout(() => note.remove(), 8_000);
}

/** What was done: all went well, unless it says otherwise. @param {string | import('./words.js').Said} done */
export function tell(done) {
  if (typeof done === 'string') toast(done);
  else toast(done.word, done.kind);
}

/**
 * @typedef {{ name: string, label: string, kind?: 'text' | 'number' | 'select' | 'area', value?: string, options?: (string | [string, string])[],
 *   hint?: string, required?: boolean, mode?: 'decimal' | 'numeric' | 'text', suggestions?: string[], placeholder?: string }} FieldOf
 */

let drawn = 0;

/** A labelled field. @param {FieldOf} of */
export function field(of) {
  drawn += 1;
  const id = `f${drawn}-${of.name}`;
  const hint = of.hint ? `${id}-hint` : null;
  const common = { id, name: of.name, required: of.required, 'aria-describedby': hint };
  let input;
  /** @type {HTMLElement | null} */
  let list = null;
  if (of.kind === 'select') {
    const options = (of.options ?? []).map((option) => (typeof option === 'string' ? [option, option] : option));
    input = h('select', common, ...options.map(([value, words]) => h('option', { value, selected: value === of.value }, words)));
  } else if (of.kind === 'area') {
    input = h('textarea', { ...common, rows: '8', spellcheck: 'false', placeholder: of.placeholder }, of.value ?? '');
  } else {
    if (of.suggestions) list = h('datalist', { id: `${id}-list` }, ...of.suggestions.map((value) => h('option', { value })));
    const mode = of.mode ?? (of.kind === 'number' ? 'decimal' : 'text');
    input = h('input', { ...common, type: 'text', inputmode: mode, value: of.value ?? '', autocomplete: 'off', spellcheck: 'false', list: list?.id, placeholder: of.placeholder });
  }
  return h('div', { class: 'field', data: { field: of.name } }, h('label', { for: id }, of.label), input, list, hint ? h('span', { class: 'hint', id: hint }, of.hint) : null);
}

/**
 * A choice that has among its options what stands already: to open a form changes nothing in it.
 * @param {(string | [string, string])[]} options @param {string} value @returns {(string | [string, string])[]}
 */
export function holding(options, value) {
  return options.some((option) => (typeof option === 'string' ? option : option[0]) === value) ? options : [...options, value];
}

/** What a form's fields hold, blanks left out. @param {HTMLFormElement} form @returns {Record<string, string>} */
export function valuesOf(form) {
  /** @type {Record<string, string>} */
  const values = {};
  for (const [name, value] of new FormData(form)) {
    if (typeof value === 'string' && value.trim() !== '') values[name] = value.trim();
  }
  return values;
}

/** What an act answers whose window stays open. */
export const STAYS = Symbol('stays');

const LEAVE = 'Leave it';
/** What has gone out is not left by closing its window. */
const ON_ITS_WAY = 'Close: it is on its way';

/**
 * Asks a person before something is done: what will happen, the fields it needs, one button that does it. Who leaves the window while the
 * answer is under way is told what came of it all the same.
 * @param {{ title: string, says?: import('./dom.js').Child | import('./dom.js').Child[], fields?: FieldOf[], yes: string, danger?: boolean,
 *   act: (values: Record<string, string>) => Promise<string | import('./words.js').Said | void | typeof STAYS> }} of
 */
export function ask(of) {
  const problem = h('div', { class: 'problem' });
  const yes = h('button', { type: 'submit', class: of.danger ? 'danger' : 'primary' }, of.yes);
  const no = h('button', { type: 'button', on: { click: () => dialog.close() } }, LEAVE);
  const form = h(
    'form',
    {
      method: 'dialog',
      on: {
        submit: async (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          yes.disabled = true;
          no.textContent = ON_ITS_WAY;
          problem.replaceChildren();
          try {
            const words = await of.act(valuesOf(form));
            if (words === STAYS) return;
            dialog.close();
            if (words) tell(words);
          } catch (cause) {
            if (dialog.isConnected) problem.replaceChildren(trouble(cause));
            else toast(`${of.title}: ${troubleWords(cause)}`, 'bad');
          } finally {
            yes.disabled = false;
            no.textContent = LEAVE;
          }
        },
      },
    },
    h('h2', { id: 'ask-title' }, of.title),
    ...[of.says ?? []].flat(),
    ...(of.fields ?? []).map(field),
    problem,
    h('div', { class: 'buttons' }, no, yes),
  );
  onePress(form, yes);
  const dialog = h('dialog', { 'aria-labelledby': 'ask-title' }, form);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  const first = /** @type {HTMLElement | null} */ (form.querySelector('input, select, textarea'));
  (first ?? yes).focus();
}

/**
 * The second press of a double click, or a key that is held, is not another act.
 * @param {HTMLFormElement} form @param {HTMLElement} button
 */
export function onePress(form, button) {
  button.addEventListener('click', (event) => event.detail > 1 && event.preventDefault());
  form.addEventListener('keydown', (event) => event.key === 'Enter' && event.repeat && event.preventDefault());
}

/** The reason that a control wants. @param {string} [value] @returns {FieldOf} */
export function reason(value) {
  return { name: 'reason', label: 'Why', value, required: true, hint: 'It stands in the journal beside your name.' };
}

/** A link to an order's page. @param {any} order @param {import('./dom.js').Child} words */
export function orderLink(order, words) {
  return h('a', { href: `order.html?id=${encodeURIComponent(order.command_id)}`, data: { focus: order.command_id } }, words);
}

/** A button that copies a text. @param {() => string} text @param {string} [words] */
export function copier(text, words = 'Copy') {
  const button = h('button', {
    type: 'button',
    class: 'small',
    on: {
      click: async () => {
        try {
          await navigator.clipboard.writeText(text());
          toast('copied');
        } catch {
          toast('this browser does not let the page copy: select the text by hand', 'wait');
        }
      },
    },
  }, words);
  return button;
}
