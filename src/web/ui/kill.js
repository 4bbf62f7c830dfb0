// @ts-check
// The kill control: three levels in words, held to confirm, and afterwards the proof of what became of it.

import { get, post } from './api.js';
import { h, fresh } from './dom.js';
import { clock, now, span } from './time.js';
import { LEVELS, count, killWords } from './words.js';
import { ask, badge, field, reason, trouble, valuesOf } from './parts.js';

/** How long the button is held. */
const HOLD_MS = 1_000;
const PROOF_MS = 500;
const KEY = 'k';

/** @type {HTMLDialogElement | null} */
let open = null;

/** The button that opens it. @param {string} [extra] */
export function killButton(extra = '') {
  return h('button', { type: 'button', class: `kill ${extra}`, 'aria-haspopup': 'dialog', 'aria-keyshortcuts': 'K', on: { click: () => killDialog() } }, 'Kill');
}

/**
 * Opens the control.
 * @param {{ level?: number, strategy?: string }} [of]
 */
export function killDialog(of = {}) {
  if (open) return;
  const chosen = of.level ?? 1;
  const problem = h('div', { class: 'problem' });
  const levels = h(
    'fieldset',
    { class: 'levels' },
    h('legend', null, 'How much shall stop'),
    ...LEVELS.map(({ level, name, says }) =>
      h('label', { class: 'level' },
        h('input', { type: 'radio', name: 'level', value: String(level), checked: level === chosen }),
        h('span', null, h('strong', null, `${level} · ${name}`), h('span', null, says)))),
  );
  const hold = h('button', { type: 'button', class: 'hold', 'aria-describedby': 'hold-hint' }, h('span', { class: 'hold-fill', 'aria-hidden': 'true' }), h('span', { class: 'hold-words' }, 'Hold for one second'));
  const form = h('form', { on: { submit: (/** @type {Event} */ event) => event.preventDefault() } },
    h('h2', { id: 'kill-title' }, 'Kill'),
    levels,
    h('div', { class: 'two' },
      field({ name: 'strategy', label: 'One strategy only', value: of.strategy, hint: 'Empty: every strategy of every account.' }),
      field(reason('by hand, from the dashboard'))),
    problem,
    h('p', { id: 'hold-hint', class: 'hint' }, 'Keys: 1, 2, 3 choose; hold K, Space or Enter to confirm; Escape leaves it.'),
    h('div', { class: 'buttons' }, h('button', { type: 'button', on: { click: () => dialog.close() } }, 'Leave it'), hold));
  const dialog = h('dialog', { class: 'kill-dialog', 'aria-labelledby': 'kill-title' }, form);
  const end = holding(hold, dialog, async () => {
    const values = valuesOf(form);
    const level = Number(values.level);
    problem.replaceChildren();
    try {
      const answer = await post('/dashboard/kill', { level, reason: values.reason ?? 'by hand, from the dashboard', ...(values.strategy ? { strategy: values.strategy } : {}) });
      proof(dialog, level, values.strategy ?? null, answer);
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  dialog.addEventListener('keydown', (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type === 'text') return;
    const radio = /** @type {HTMLInputElement | null} */ (form.querySelector(`input[value="${CSS.escape(event.key)}"]`));
    if (radio) {
      radio.checked = true;
      event.preventDefault();
    }
  });
  dialog.addEventListener('close', () => {
    end();
    dialog.remove();
    open = null;
  });
  open = dialog;
  document.body.append(dialog);
  dialog.showModal();
  /** @type {HTMLElement | null} */ (form.querySelector('input:checked'))?.focus();
}

/**
 * Lets a button act once it was held, by pointer or by key. Answers what ends the listening.
 * @param {HTMLButtonElement} button @param {HTMLElement} around @param {() => Promise<void>} act
 */
function holding(button, around, act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isBusy = false;
  const start = () => {
    if (timer || isBusy) return;
    button.classList.add('held');
    timer = setTimeout(async () => {
      stop();
      isBusy = true;
      button.disabled = true;
      await act();
      button.disabled = false;
      isBusy = false;
    }, HOLD_MS);
  };
  const stop = () => {
    clearTimeout(timer);
    timer = undefined;
    button.classList.remove('held');
  };
  const isHeldKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key.toLowerCase() === KEY) return !(event.target instanceof HTMLInputElement && event.target.type === 'text');
    return event.target === button && (event.key === ' ' || event.key === 'Enter');
  };
  button.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    start();
  });
  for (const name of ['pointerup', 'pointercancel', 'blur']) button.addEventListener(name, stop);
  button.addEventListener('contextmenu', (event) => event.preventDefault());
  around.addEventListener('keydown', (event) => {
    if (!isHeldKey(event)) return;
    event.preventDefault();
    start();
  });
  around.addEventListener('keyup', (event) => isHeldKey(event) && stop());
  return stop;
}

/**
 * What became of it, until it is true: read from the record and from the broker's books.
 * @param {HTMLDialogElement} dialog @param {number} level @param {string | null} strategy @param {any} answer
 */
function proof(dialog, level, strategy, answer) {
  const at = now();
  const state = h('div', { class: 'proof-state' });
  const list = h('ul', { class: 'proof' });
  const note = h('p', { class: 'hint' });
  const close = h('button', { type: 'button', class: 'primary', on: { click: () => dialog.close() } }, 'Close');
  dialog.replaceChildren(h('h2', null, 'Kill: what became of it'), state, list, note, h('div', { class: 'buttons' }, close));
  close.focus();
  const look = async () => {
    if (!dialog.isConnected) return;
    try {
      const seen = await see(level, strategy);
      const isDone = seen.every((step) => step.isSo) && seen.every((step) => !step.readAt || Date.parse(step.readAt) >= at - 1_000);
      const words = level === 3 ? 'Flat' : 'Done';
      fresh(state, [isDone, level], () => badge(isDone ? { word: words, kind: 'ok' } : { word: 'under way', kind: 'work' }));
      fresh(list, [answer.done, seen], () => [
        h('li', { class: 'so' }, badge({ word: `on disk: ${answer.done}`, kind: 'ok' })),
        ...seen.map((step) => h('li', null, badge({ word: step.words, kind: step.isSo ? 'ok' : 'work' }))),
      ]);
      note.textContent = isDone && level === 3 ? `Proven by the broker’s books read at ${clock(seen.map((step) => step.readAt).filter(Boolean).sort()[0])} IST.` : `Looked ${span(now() - at)} after it was answered.`;
      if (isDone) return;
    } catch (cause) {
      note.replaceChildren(trouble(cause));
    }
    setTimeout(look, PROOF_MS);
  };
  look();
}

/**
 * @param {number} level @param {string | null} strategy
 * @returns {Promise<{ words: string, isSo: boolean, readAt: string | null }[]>}
 */
async function see(level, strategy) {
  const [book, positions] = await Promise.all([get('/dashboard/orderbook', { open: 'true', limit: 1000 }), get('/dashboard/positions')]);
  const isMeant = (/** @type {any} */ row) => strategy === null || row.strategy === strategy;
  const open = book.system_orders.filter((/** @type {any} */ order) => isMeant(order));
  // Of what one answer does not show, nothing is proven.
  const unseen = Math.max(0, book.system_total - book.system_orders.length);
  const entries = open.filter((/** @type {any} */ order) => order.execution_type !== 'EXIT');
  const steps = [];
  if (level >= 2) {
    const words = unseen > 0 ? `${count(book.system_total, 'order')} open, too many to look at together` : entries.length === 0 ? 'no entry waits or works' : `${count(entries.length, 'entry', 'entries')} being cancelled`;
    steps.push({ words, isSo: entries.length === 0 && unseen === 0, readAt: null });
  }
  if (level < 3) return steps;
  for (const account of positions.accounts) {
    const ours = account.positions.flatMap((/** @type {any} */ position) => position.strategies.filter(isMeant).map((/** @type {any} */ held) => ({ ...held, position }))).filter((/** @type {any} */ held) => held.net !== 0);
    const exits = open.filter((/** @type {any} */ order) => order.client_id === account.client_id && order.execution_type === 'EXIT');
    steps.push({
      words: ours.length === 0 ? `${account.client_id}: nothing is held` : `${account.client_id}: ${count(ours.length, 'position')} open, ${count(exits.length, 'exit')} working`,
      isSo: ours.length === 0 && exits.length === 0 && unseen === 0,
      readAt: null,
    });
    const known = account.positions.filter((/** @type {any} */ position) => strategy === null || position.strategies.some(isMeant));
    const left = known.filter((/** @type {any} */ position) => position.strategies.length > 0 && position.broker !== null && position.broker !== 0 && position.ours === 0 && position.difference !== 0);
    steps.push({
      words: left.length === 0 ? `${account.client_id}: the broker’s book agrees` : `${account.client_id}: the broker still shows ${left.map((/** @type {any} */ position) => `${position.broker} ${position.symbol}`).join(', ')}`,
      isSo: left.length === 0 && account.read_at !== null,
      readAt: account.read_at,
    });
  }
  return steps;
}

/**
 * Lets entries go again.
 * @param {{ client_id: string, level: number, strategy?: string }} of
 */
export function rearm(of) {
  const whose = of.strategy ? `${of.strategy} in ${of.client_id}` : of.client_id;
  ask({
    title: `Let ${whose} trade again`,
    says: h('p', null, `It is stopped at level ${of.level}: ${killWords(of.level)}. New entries go out again as soon as this is on disk.`),
    fields: [reason()],
    yes: 'Arm again',
    act: async (values) => {
      const answer = await post('/dashboard/kill', { client_id: of.client_id, level: 0, reason: values.reason ?? '', ...(of.strategy ? { strategy: of.strategy } : {}) });
      return answer.done;
    },
  });
}
