// @ts-check
// The kill control: three levels in words, held to confirm, and afterwards the proof of what became of it.

import { get, post } from './api.js';
import { h, fresh } from './dom.js';
import { clock, now, span } from './time.js';
import { LEVELS, count, killWords } from './words.js';
import { ask, badge, field, reason, toast, trouble, troubleWords, valuesOf } from './parts.js';

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
 * Opens the control; for everything, or for whom it was asked for beside their figures.
 * @param {{ level?: number, whose?: Whose }} [of]
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
  const holdWords = h('span', { class: 'hold-words' });
  const hold = h('button', { type: 'button', class: 'hold', 'aria-describedby': 'hold-hint' }, h('span', { class: 'hold-fill', 'aria-hidden': 'true' }), holdWords);
  const choice = whoseField(of.whose ?? {});
  const form = h('form', { on: { submit: (/** @type {Event} */ event) => event.preventDefault(), change: () => sayWhose() } },
    h('h2', { id: 'kill-title' }, 'Kill'),
    levels,
    h('div', { class: 'two' }, choice.node, field(reason('by hand, from the dashboard'))),
    choice.standing,
    problem,
    h('p', { id: 'hold-hint', class: 'hint' }, 'Keys: 1, 2, 3 choose; hold K, Space or Enter to confirm; Escape leaves it.'),
    h('div', { class: 'buttons' }, h('button', { type: 'button', on: { click: () => dialog.close() } }, 'Leave it'), hold));
  /** What was asked for and is not answered yet. */
  let underWay = '';
  const sayWhose = () => {
    holdWords.textContent = underWay ? `${underWay}: no answer yet` : `Hold for one second: level ${valuesOf(form).level} for ${whoseWords(choice.chosen())}`;
  };
  const dialog = h('dialog', { class: 'kill-dialog', 'aria-labelledby': 'kill-title' }, form);
  // Ends with the act that was done, and with the window: what shows the proof stops nothing more.
  const listening = new AbortController();
  holding(hold, dialog, listening.signal, async () => {
    const values = valuesOf(form);
    const level = Number(values.level);
    const whose = choice.chosen();
    const asked = `level ${level} for ${whoseWords(whose)}`;
    underWay = `Asked: ${asked}`;
    sayWhose();
    problem.replaceChildren();
    try {
      const answer = await post('/dashboard/kill', { level, reason: values.reason ?? 'by hand, from the dashboard', ...whose });
      listening.abort();
      if (dialog.isConnected) proof(dialog, level, whose, answer);
      else toast(`Kill, ${asked}: ${answer.done}`);
    } catch (cause) {
      if (dialog.isConnected) problem.replaceChildren(trouble(cause));
      else toast(`Kill, ${asked}: ${troubleWords(cause)}`, 'bad');
    } finally {
      underWay = '';
      sayWhose();
    }
  });
  dialog.addEventListener('keydown', (event) => {
    if (isTyping(event)) return;
    const radio = /** @type {HTMLInputElement | null} */ (form.querySelector(`input[value="${CSS.escape(event.key)}"]`));
    if (radio) {
      radio.checked = true;
      sayWhose();
      event.preventDefault();
    }
  }, { signal: listening.signal });
  dialog.addEventListener('close', () => {
    listening.abort();
    dialog.remove();
    open = null;
  });
  open = dialog;
  document.body.append(dialog);
  dialog.showModal();
  sayWhose();
  choice.fill().then(sayWhose);
  /** @type {HTMLElement | null} */ (form.querySelector('input:checked'))?.focus();
}

/**
 * Whom a level is for; without a strategy an account, without both every account.
 * @typedef {{ client_id?: string, strategy?: string }} Whose
 */

/** @param {Whose} whose */
function whoseWords(whose) {
  if (whose.strategy) return `${whose.strategy} in ${whose.client_id} alone`;
  return whose.client_id ? `all of ${whose.client_id}` : 'everything';
}

/**
 * The choice of whom it is for: everything stands first and is there at once, the accounts and their strategies come below it when they
 * are known. A stop of everything waits for no list.
 */
function whoseField(/** @type {Whose} */ first) {
  const select = h('select', { name: 'whose', id: 'kill-whose', 'aria-describedby': 'kill-whose-hint' }, h('option', { value: '{}' }, 'Everything: every account'));
  if (first.client_id) select.append(h('option', { value: JSON.stringify(first), selected: true }, `All of ${first.client_id}`));
  const standing = h('p', { class: 'hint', role: 'status' });
  const hint = h('span', { class: 'hint', id: 'kill-whose-hint' }, 'A strategy alone: what others hold stays open.');
  const node = h('div', { class: 'field', data: { field: 'whose' } }, h('label', { for: 'kill-whose' }, 'For whom'), select, hint);
  /** @returns {Whose} */
  const chosen = () => JSON.parse(select.value);
  const fill = async () => {
    try {
      const [{ accounts }, overview] = await Promise.all([get('/dashboard/risk'), get('/dashboard/overview')]);
      standing.textContent = standingWords(overview.accounts);
      const option = (/** @type {Whose} */ whose, /** @type {string} */ words) => h('option', { value: JSON.stringify(whose) }, words);
      const only = accounts.length === 1 ? accounts[0].client_id : null;
      if (only && select.options[0]) select.options[0].textContent = `Everything: all of ${only}`;
      for (const { client_id, strategies } of accounts) {
        if (!only && client_id !== first.client_id) select.append(option({ client_id }, `All of ${client_id}`));
        if (strategies.length === 0) continue;
        select.append(h('optgroup', { label: `One strategy of ${client_id} alone` }, ...strategies.map((/** @type {string} */ strategy) => option({ client_id, strategy }, strategy))));
      }
    } catch {
      hint.textContent = 'The strategies cannot be read now: everything can be stopped.';
    }
  };
  return { node, standing, chosen, fill };
}

/** What stands already: a stop raises it, and never takes it down. @param {any[]} accounts */
function standingWords(accounts) {
  const stops = accounts.flatMap((account) => [
    ...(account.kill_level > 0 ? [`level ${account.kill_level} in ${account.client_id}`] : []),
    ...Object.entries(/** @type {Record<string, any>} */ (account.strategies_stopped ?? {})).map(([strategy, stop]) => `level ${stop.level} for ${strategy} in ${account.client_id}`),
  ]);
  return stops.length ? `Stands already: ${stops.join(', ')}. A lower level leaves it as it is.` : '';
}

/** Whether a key means what the field under it makes of it. @param {KeyboardEvent} event */
function isTyping(event) {
  return event.target instanceof HTMLSelectElement || (event.target instanceof HTMLInputElement && event.target.type === 'text');
}

/**
 * Lets a button act once it was held, by pointer or by key; for as long as `signal` lasts.
 * @param {HTMLButtonElement} button @param {HTMLElement} around @param {AbortSignal} signal @param {() => Promise<void>} act
 */
function holding(button, around, signal, act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isBusy = false;
  /** The press has acted: a key that is held on is no other press. */
  let isSpent = false;
  const start = () => {
    if (timer || isBusy) return;
    button.classList.add('held');
    timer = setTimeout(async () => {
      stop();
      isBusy = true;
      isSpent = true;
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
    if (event.key.toLowerCase() === KEY) return !isTyping(event);
    return event.target === button && (event.key === ' ' || event.key === 'Enter');
  };
  button.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    start();
  }, { signal });
  for (const name of ['pointerup', 'pointercancel', 'blur']) button.addEventListener(name, stop, { signal });
  button.addEventListener('contextmenu', (event) => event.preventDefault(), { signal });
  around.addEventListener('keydown', (event) => {
    if (!isHeldKey(event)) return;
    event.preventDefault();
    if (event.repeat && isSpent) return;
    isSpent = false;
    start();
  }, { signal });
  around.addEventListener('keyup', (event) => isHeldKey(event) && stop(), { signal });
  signal.addEventListener('abort', stop);
}

/**
 * What became of it, until it is true: read from the record and from the broker's books.
 * @param {HTMLDialogElement} dialog @param {number} level @param {Whose} whose @param {any} answer
 */
function proof(dialog, level, whose, answer) {
  const at = now();
  const state = h('div', { class: 'proof-state' });
  const list = h('ul', { class: 'proof' });
  const note = h('p', { class: 'hint' });
  const close = h('button', { type: 'button', class: 'primary', on: { click: () => dialog.close() } }, 'Close');
  dialog.replaceChildren(h('h2', null, `Kill: what became of ${whoseWords(whose)}`), state, list, note, h('div', { class: 'buttons' }, close));
  // The key that was held to confirm may be held on: it does not close what shows the proof.
  close.addEventListener('keydown', (event) => event.repeat && event.preventDefault());
  close.focus();
  const look = async () => {
    if (!dialog.isConnected) return;
    try {
      const seen = await see(level, whose);
      const isDone = seen.steps.every((step) => step.isSo) && seen.steps.every((step) => !step.readAt || Date.parse(step.readAt) >= at - 1_000);
      const done = level < 3 ? 'Done' : whose.strategy ? `${whose.strategy} is flat` : seen.others.length ? 'Flat: nothing of ours' : 'Flat';
      fresh(state, [isDone, done], () => badge(isDone ? { word: done, kind: 'ok' } : { word: 'under way', kind: 'work' }));
      fresh(list, [answer.done, seen], () => [
        h('li', { class: 'so' }, badge({ word: `on disk: ${answer.done}`, kind: 'ok' })),
        ...seen.steps.map((step) => h('li', null, badge({ word: step.words, kind: step.isSo ? 'ok' : 'work' }))),
        ...seen.others.map((words) => h('li', null, badge({ word: words, kind: 'wait' }))),
      ]);
      note.textContent = isDone && level === 3 ? `Proven by the broker’s books read at ${clock(seen.steps.map((step) => step.readAt).filter(Boolean).sort()[0])} IST.` : `Looked ${span(now() - at)} after it was answered.`;
      if (isDone) return;
    } catch (cause) {
      note.replaceChildren(trouble(cause));
    }
    setTimeout(look, PROOF_MS);
  };
  look();
}

/**
 * What is so by now; and what stays open because this was for somebody else.
 * @param {number} level @param {Whose} whose
 * @returns {Promise<{ steps: { words: string, isSo: boolean, readAt: string | null }[], others: string[] }>}
 */
async function see(level, whose) {
  const [book, positions] = await Promise.all([get('/dashboard/orderbook', { open: 'true', limit: 1000 }), get('/dashboard/positions')]);
  const isAccount = (/** @type {any} */ row) => !whose.client_id || row.client_id === whose.client_id;
  const isStrategy = (/** @type {any} */ row) => !whose.strategy || row.strategy === whose.strategy;
  const open = book.system_orders.filter((/** @type {any} */ order) => isAccount(order) && isStrategy(order));
  // Of what one answer does not show, nothing is proven.
  const unseen = Math.max(0, book.system_total - book.system_orders.length);
  // A target of 0 only closes, and is left to do so.
  const entries = open.filter((/** @type {any} */ order) => order.execution_type !== 'EXIT' && order.target_position !== 0);
  const steps = [];
  /** @type {string[]} */
  const others = [];
  if (level >= 2) {
    const words = unseen > 0 ? `${count(book.system_total, 'order')} open, too many to look at together` : entries.length === 0 ? 'no entry waits or works' : `${count(entries.length, 'entry', 'entries')} being cancelled`;
    steps.push({ words, isSo: entries.length === 0 && unseen === 0, readAt: null });
  }
  if (level < 3) return { steps, others };
  for (const account of positions.accounts.filter(isAccount)) {
    const held = account.positions.flatMap((/** @type {any} */ position) => position.strategies.filter((/** @type {any} */ one) => one.net !== 0).map((/** @type {any} */ one) => ({ ...one, symbol: position.symbol })));
    const ours = held.filter(isStrategy);
    const exits = open.filter((/** @type {any} */ order) => order.client_id === account.client_id && order.execution_type === 'EXIT');
    const who = whose.strategy ? `${whose.strategy} in ${account.client_id}` : account.client_id;
    const named = (/** @type {any[]} */ rows) => rows.map((row) => `${row.net} ${row.symbol}`).join(', ');
    steps.push({
      words: ours.length === 0 ? `${who}: nothing is held` : `${who}: ${count(ours.length, 'position')} open (${named(ours)}), ${count(exits.length, 'exit')} working`,
      isSo: ours.length === 0 && exits.length === 0 && unseen === 0,
      readAt: null,
    });
    const theirs = held.filter((/** @type {any} */ one) => !isStrategy(one));
    if (theirs.length) others.push(`${account.client_id} still holds, of other strategies: ${theirs.map((/** @type {any} */ one) => `${one.net} ${one.symbol} (${one.strategy})`).join(', ')}`);
    // What no strategy of ours has ever held there is not ours to close: it stays, and must not be taken for flat.
    const foreign = account.positions.filter((/** @type {any} */ position) => position.strategies.length === 0 && position.broker !== null && position.broker !== 0);
    if (foreign.length) others.push(`${account.client_id} still holds at the broker, opened by none of our strategies and not closed by this: ${foreign.map((/** @type {any} */ position) => `${position.broker} ${position.symbol}`).join(', ')}`);
    // The broker keeps no strategies: what it shows is held against all that is ours in the same instruments.
    const known = account.positions.filter((/** @type {any} */ position) => position.strategies.some(isStrategy));
    const left = known.filter((/** @type {any} */ position) => position.broker !== null && position.broker !== 0 && position.difference !== 0 && (whose.strategy || position.ours === 0));
    steps.push({
      words: left.length === 0 ? `${account.client_id}: the broker’s book agrees` : `${account.client_id}: the broker still shows ${left.map((/** @type {any} */ position) => `${position.broker} ${position.symbol}`).join(', ')}`,
      isSo: left.length === 0 && account.read_at !== null,
      readAt: account.read_at,
    });
  }
  return { steps, others };
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
      // Only what was shown is lifted: somebody may have stopped more meanwhile.
      const answer = await post('/dashboard/kill', { client_id: of.client_id, level: 0, from: of.level, reason: values.reason ?? '', ...(of.strategy ? { strategy: of.strategy } : {}) });
      return answer.done;
    },
  });
}
