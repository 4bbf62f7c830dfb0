// @ts-check
// One call of the API: what it takes, needs, answers and refuses; a read can be sent from here.

import { raw } from './api.js';
import { h } from './dom.js';
import { copier, empty, field, table, trouble, valuesOf } from './parts.js';
import { example, kindOf, outline, whole } from './page_schema.js';
import { millis } from './time.js';

/**
 * @typedef {import('./page_schema.js').Schema} Schema
 * @typedef {{ schema: Schema, example?: any }} Content
 * @typedef {'application/json' | 'text/csv' | 'text/plain' | 'text/html' | 'text/event-stream'} Kind
 * @typedef {{ name: string, in: 'path' | 'query', required: boolean, schema: Schema }} Parameter
 * @typedef {{ operationId: string, summary: string, tags: string[], parameters: Parameter[], security: any[], 'x-problems': string[],
 *   'x-access': { needs: string, words: string }, requestBody?: { content: Record<string, Content> },
 *   responses: Record<string, Response> }} Described
 * @typedef {{ description: string, content?: Partial<Record<Kind, { schema: Schema }>> }} Response
 * @typedef {Described & { method: string, path: string }} Operation
 * @typedef {Record<string, { status: number, when: string, remedy: string }>} Codes
 */

/** Answers that end, and are no page. */
const TRIED = new Set(['application/json', 'text/csv', 'text/plain']);
/** So much of an answer is shown. */
const SHOWN = 100_000;

/** What stands under an operation when it is opened. @param {Operation} of @param {Codes} codes @param {Record<string, Schema>} named */
export function operation(of, codes, named) {
  const body = of.requestBody?.content['application/json'];
  const answers = Object.entries(of.responses).filter(([status]) => status !== 'default');
  const kinds = answers.flatMap(([, response]) => Object.keys(response.content ?? {}));
  const sample = body ? body.example ?? example(body.schema) : null;
  return h('div', { class: 'operation-body' },
    h('p', null, of['x-access'].words),
    h('p', null, h('a', { href: `#${of.operationId}` }, 'Link to this call'), ' · ', h('code', null, of.operationId)),
    of.parameters.length ? [h('h3', null, 'Parameters'), parameters(of)] : null,
    body ? [h('h3', null, 'Request body'), lines(`Request body of ${of.operationId}`, body.schema), copied(text(sample))] : null,
    h('h3', null, 'As a command'),
    copied(command(of, sample)),
    h('h3', null, 'Answer'),
    ...answers.map(([status, response]) => answer(of, status, response, named)),
    h('h3', null, 'When it is not done'),
    of['x-problems'].length ? problems(of, codes) : empty(of.path.startsWith('/api/v1/') ? 'It answers in OpenAlgo\'s words: {"status": "error", "message"}.' : 'It is always done.'),
    of.method === 'GET' && kinds.some((kind) => TRIED.has(kind)) ? [h('h3', null, 'Try it'), ...tryIt(of)] : null);
}

/** What comes back under a status: its form, and its fields when they are asked for. @param {Operation} of @param {string} status @param {Response} response @param {Record<string, Schema>} named */
function answer(of, status, response, named) {
  const kinds = Object.keys(response.content ?? {});
  const schema = response.content?.['application/json']?.schema;
  const says = [h('strong', null, status), ' ', response.description, ' ', ...kinds.flatMap((kind) => [h('code', null, kind), ' '])];
  if (!schema) return h('p', null, ...says);
  const node = h('details', { class: 'answer' }, h('summary', null, ...says));
  node.addEventListener('toggle', () => {
    if (node.open && node.childElementCount === 1) node.append(answered(`Answer ${status} of ${of.operationId}`, whole(schema, named)));
  });
  return node;
}

/** @param {string} name @param {Schema} schema */
function answered(name, schema) {
  const rows = table(name, /** @type {import('./parts.js').Column<import('./page_schema.js').Line>[]} */ ([
    { head: 'Field', cell: (one) => h('code', null, one.name), class: 'what field-name' },
    { head: 'Kind', cell: (one) => (one.needed || one.name.endsWith(']') || one.name.endsWith('>') ? one.kind : `${one.kind}, not always there`), class: 'wide' },
    { head: 'About', cell: (one) => one.about, class: 'wide' },
  ]));
  const lines = outline(schema);
  rows.body.append(...lines.map((one) => rows.row(one)));
  return lines.length ? rows.node : empty('Its fields are not described: they are another\'s.');
}

/** @param {any} value */
function text(value) {
  return JSON.stringify(value, null, 2);
}

/** @param {string} words */
function copied(words) {
  return h('div', { class: 'copied' }, h('pre', null, words), copier(() => words));
}

/** The call for a shell; the key is the reader's to fill in. @param {Operation} of @param {any} sample */
function command(of, sample) {
  const needed = of.parameters.filter((one) => one.in === 'query' && one.required).map((one) => `${one.name}=${encodeURIComponent(String(example(one.schema, one.name)))}`);
  const key = of.security.length ? ' -H "Authorization: Bearer $KEY"' : '';
  const body = sample === null ? '' : ` -H 'Content-Type: application/json' -d '${JSON.stringify(sample).replace(/'/g, "'\\''")}'`;
  return `curl -X ${of.method}${key}${body} '${location.origin}${of.path}${needed.length ? `?${needed.join('&')}` : ''}'`;
}

/** @param {Operation} of */
function parameters(of) {
  const rows = table(`Parameters of ${of.operationId}`, /** @type {import('./parts.js').Column<Parameter>[]} */ ([
    { head: 'Name', cell: (one) => h('code', null, one.name), class: 'what' },
    { head: 'In', cell: (one) => (one.in === 'path' ? 'the address' : 'the query') },
    { head: 'Needed', cell: (one) => (one.required ? 'yes' : 'no') },
    { head: 'Kind', cell: (one) => kindOf(one.schema), class: 'wide' },
  ]));
  rows.body.append(...of.parameters.map((one) => rows.row(one)));
  return rows.node;
}

/** @param {string} name @param {Schema} schema */
function lines(name, schema) {
  const rows = table(name, /** @type {import('./parts.js').Column<import('./page_schema.js').Line>[]} */ ([
    { head: 'Field', cell: (one) => h('code', null, one.name), class: 'what field-name' },
    { head: 'Kind', cell: (one) => kindWords(one), class: 'wide' },
  ]));
  rows.body.append(...outline(schema).map((one) => rows.row(one)));
  return rows.node;
}

/** @param {import('./page_schema.js').Line} line */
function kindWords(line) {
  return line.needed ? [line.kind, ', ', h('strong', null, 'needed')] : line.kind;
}

/** @param {Operation} of @param {Codes} codes */
function problems(of, codes) {
  const rows = table(`Codes of ${of.operationId}`, /** @type {import('./parts.js').Column<string>[]} */ ([
    { head: 'Code', cell: (code) => h('code', null, code), class: 'what field-name' },
    { head: 'Status', cell: (code) => String(codes[code].status), num: true },
    { head: 'When', cell: (code) => codes[code].when, class: 'wide' },
    { head: 'What to do', cell: (code) => codes[code].remedy, class: 'wide' },
  ]));
  rows.body.append(...of['x-problems'].map((code) => rows.row(code)));
  return rows.node;
}

/** Sends a read with the session of the page; nothing else can be sent from here. @param {Operation} of */
function tryIt(of) {
  const answer = h('div', { class: 'tried', role: 'status' });
  const send = h('button', { type: 'submit', class: 'primary' }, 'Send');
  const form = h('form', {
    class: 'try',
    on: {
      submit: async (/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        send.disabled = true;
        try {
          const values = valuesOf(form);
          const got = await raw(address(of, values));
          answer.replaceChildren(
            h('p', null, h('strong', null, String(got.status)), ` in ${millis(got.ms)} ms, ${got.text.length.toLocaleString('en-IN')} characters of ${got.kind || 'no kind'}`),
            h('pre', { tabindex: '0', role: 'group', 'aria-label': `The answer of ${of.operationId}` }, pretty(got.text)));
        } catch (cause) {
          answer.replaceChildren(trouble(cause));
        } finally {
          send.disabled = false;
        }
      },
    },
  },
  h('div', { class: 'three' }, ...of.parameters.map((one) => field({ name: one.name, label: one.name, required: one.required, placeholder: String(example(one.schema, one.name)) }))),
  h('div', { class: 'row-buttons' }, send));
  return [form, answer];
}

/** @param {Operation} of @param {Record<string, string>} values */
function address(of, values) {
  const path = of.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name] ?? ''));
  const query = new URLSearchParams(of.parameters.filter((one) => one.in === 'query' && values[one.name] !== undefined).map((one) => [one.name, values[one.name]]));
  return query.size ? `${path}?${query}` : path;
}

/** JSON with its lines; more than a page can carry is cut. @param {string} body */
function pretty(body) {
  let words = body;
  try {
    words = text(JSON.parse(body));
  } catch {
    // It is no JSON: it stands as it came.
  }
  return words.length > SHOWN ? `${words.slice(0, SHOWN)}\n… and ${words.length - SHOWN} more characters` : words;
}
