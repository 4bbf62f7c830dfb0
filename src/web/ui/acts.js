// @ts-check
// What a person can do with an order or a position, wherever it is shown.

import { post, send } from './api.js';
import { h } from './dom.js';
import { number, price } from './money.js';
import { followed, oneAct, outcome } from './outcomes.js';
import { STAYS, ask, holding, reason, tell, toast, troubleWords } from './parts.js';
import { accountsKnown } from './shell.js';
import { isOver } from './words.js';

/** What an order is and whose: two accounts may have the same. @param {any} order */
const named = (order) => `${order.side ?? ''} ${order.quantity ?? ''} ${order.symbol} in ${order.client_id}`.trim();

/** What is known of where an order is: one that was sent and has no number may be there all the same. @param {any} order */
function whereIsIt(order) {
  if (order.broker_order_id) return `It is at the broker under ${order.broker_order_id}. What has filled stays.`;
  if (order.tag === 'SEND_UNCONFIRMED' || order.sent_at) return 'Whether the broker has it is not known. The cancel is written down, and goes out as soon as its number is known. Do not place it again before it has ended.';
  return 'It is not at the broker yet.';
}

/** @param {any} order */
export function cancel(order) {
  ask({
    title: `Cancel ${named(order)}`,
    says: h('p', null, whereIsIt(order)),
    fields: [{ ...reason('no longer wanted'), required: false }],
    yes: 'Cancel the order',
    danger: true,
    act: async (values) => (await post(`/dashboard/orders/${order.command_id}/cancel`, { reason: values.reason ?? '' })).done,
  });
}

/** @param {any} order */
export function modify(order) {
  const hasTrigger = order.trigger_price !== null;
  ask({
    title: `Change ${named(order)}`,
    says: h('p', null, 'The change goes through risk and guard like a new order. What is left as it is, stays as it is.'),
    fields: [
      { name: 'quantity', label: 'Units', value: String(order.quantity ?? ''), mode: 'numeric' },
      { name: 'price', label: 'Limit price', value: order.price ?? '', mode: 'decimal' },
      ...(hasTrigger ? [{ name: 'trigger_price', label: 'Trigger price', value: order.trigger_price, mode: /** @type {'decimal'} */ ('decimal') }] : []),
    ],
    yes: 'Change the order',
    act: async (values) => {
      /** @type {Record<string, string>} */
      const changes = {};
      if (values.quantity && values.quantity !== String(order.quantity)) changes.quantity = values.quantity;
      if (values.price && values.price !== order.price) changes.price = values.price;
      if (values.trigger_price && values.trigger_price !== order.trigger_price) changes.trigger_price = values.trigger_price;
      return (await post(`/dashboard/orders/${order.command_id}/modify`, changes)).done;
    },
  });
}

/** Settles an order in doubt, by a person who looked at the broker. @param {any} order @param {boolean} isThere */
export function resolve(order, isThere) {
  ask({
    title: isThere ? `${named(order)} is at the broker` : `${named(order)} is not at the broker`,
    says: h('p', null, isThere ? 'It is followed under the number that you give.' : 'It ends as never arrived. If it is there after all, it will be found as an order that is not ours.'),
    fields: [
      ...(isThere ? [{ name: 'broker_order_id', label: 'The broker’s order number', required: true }] : []),
      { ...reason(), label: 'How you know' },
    ],
    yes: isThere ? 'Follow it' : 'End it',
    danger: !isThere,
    act: async (values) => {
      const verdict = isThere ? { broker_order_id: values.broker_order_id } : { absent: true };
      return (await post(`/dashboard/orders/${order.command_id}/resolve`, { ...verdict, reason: values.reason ?? '' })).done;
    },
  });
}

/** @param {any} order */
export function resubmit(order) {
  ask({
    title: `Send ${named(order)} again`,
    says: h('p', null, 'A new order, linked to this one. It is judged anew: by every gate, at the present price.'),
    fields: [
      { name: 'quantity', label: 'Units', value: String(order.quantity ?? ''), mode: 'numeric' },
      ...(order.price === null ? [] : [{ name: 'price', label: 'Limit price', value: order.price, mode: /** @type {'decimal'} */ ('decimal') }]),
    ],
    yes: 'Send it again',
    act: async (values) => {
      /** @type {Record<string, string>} */
      const changes = {};
      if (values.quantity && values.quantity !== String(order.quantity)) changes.quantity = values.quantity;
      if (values.price && values.price !== order.price) changes.price = values.price;
      return outcome(await followed(await post(`/dashboard/orders/${order.command_id}/resubmit`, { changes })));
    },
  });
}

/** The buttons for what can be done with an order now. @param {any} order @param {{ small?: boolean }} [how] */
export function orderButtons(order, how = {}) {
  const small = how.small ? 'small' : '';
  const button = (/** @type {string} */ words, /** @type {() => void} */ act, kind = '') =>
    h('button', { type: 'button', class: `${small} ${kind}`.trim(), 'aria-label': `${words}: ${named(order)}`, data: { focus: `${words}${order.command_id}` }, on: { click: act } }, words);
  const isAtBroker = !isOver(order) && order.broker_order_id && !order.cancel_wanted;
  const buttons = [];
  if (order.tag === 'SEND_UNCONFIRMED') buttons.push(button('It is there', () => resolve(order, true)), button('It is not there', () => resolve(order, false)));
  if (isAtBroker) buttons.push(button('Change', () => modify(order)));
  if (!isOver(order) && !order.cancel_wanted) buttons.push(button('Cancel', () => cancel(order)));
  if (order.status === 'FAILED' && order.tag !== 'AT_TARGET' && !how.small) buttons.push(button('Send again', () => resubmit(order)));
  return buttons;
}

/**
 * Leaves a position, or a part of it.
 * @param {{ client_id: string, strategy: string, exchange: string, symbol: string, product: string, net: number }} held
 */
export function exit(held) {
  const sending = oneAct();
  const size = Math.abs(held.net);
  ask({
    title: `Exit ${held.symbol} in ${held.client_id}`,
    says: h('p', null, `${held.strategy} in ${held.client_id} holds ${number(held.net)} ${held.product}. ${held.net > 0 ? 'They are sold' : 'They are bought back'} at the market, within protected limits. An exit never goes beyond what is held.`),
    fields: [{ name: 'quantity', label: 'Units', value: String(size), required: true, mode: 'numeric', hint: `All of it: ${size}. Less leaves the rest.` }],
    yes: 'Exit',
    danger: true,
    act: async (values) => {
      const part = values.quantity && values.quantity !== String(size) ? { quantity: /^\d+$/.test(values.quantity) ? Number(values.quantity) : values.quantity } : {};
      const { client_id, strategy, exchange, symbol, product } = held;
      return sending((key) => post('/dashboard/positions/exit', { client_id, strategy, exchange, symbol, product, ...part, idempotency_key: key }));
    },
  });
}

/** Leaves everything of a strategy, or of everybody. @param {string | null} strategy */
export function exitAll(strategy) {
  const sending = oneAct();
  const accounts = accountsKnown();
  const where = accounts.length === 0 ? 'in every account' : `in ${accounts.join(' and ')}`;
  ask({
    title: strategy ? `Square off ${strategy} ${where}` : `Square off everything ${where}`,
    says: h('p', null, `${strategy ? `Everything that ${strategy} holds ${where}` : `Everything that ordergate opened ${where}`} is closed at the market. New entries are not stopped by this: that is what Kill does.`),
    yes: 'Square off',
    danger: true,
    act: () => sending((key) => post('/dashboard/positions/exit-all', { ...(strategy ? { strategy } : {}), idempotency_key: key })),
  });
}

/**
 * Sets the rule by which a position is left. What the server is not told is no part of it any more, so every term has a field, and opens
 * on what was asked: to change one keeps the others.
 * @param {any} held @param {any | null} rule
 */
export function editRule(held, rule) {
  const terms = rule?.asked ?? {};
  const said = (/** @type {any} */ value) => (value === null || value === undefined ? '' : String(value));
  const { client_id, strategy, exchange, symbol, product } = held;
  const select = (/** @type {string} */ name, /** @type {string} */ label, /** @type {(string | [string, string])[]} */ options, /** @type {string} */ value) => ({ name, label, kind: /** @type {'select'} */ ('select'), value, options: holding(options, value) });
  ask({
    title: `When ${strategy} in ${client_id} leaves ${symbol}`,
    says: h('p', null, `A price, a distance (12 points) or a part of the fill (1.5%). The rule that you set stands instead of the one before: what is empty here is no part of it. Filled at ${price(rule?.fill ?? held.average_price)}.`),
    fields: [
      { name: 'stop_loss', label: 'Stop', value: said(terms.stop_loss) },
      select('stop_at', 'The stop is kept', [['', 'as the account is set'], ['engine', 'by ordergate'], ['broker', 'at the broker: it rests there']], said(terms.exits?.stop_at)),
      { name: 'target', label: 'Target', value: said(terms.target) },
      select('trailing_type', 'The stop trails by', [['', 'it does not trail'], ['POINTS', 'points'], ['PERCENT', 'percent'], ...TRAILS_OF_OTHERS.filter(([kind]) => kind === terms.trailing?.kind)], said(terms.trailing?.kind)),
      { name: 'trailing_value', label: 'Trails by how much', value: said(terms.trailing?.value), mode: 'decimal' },
      { name: 'trailing_step', label: 'Trails in steps of', value: said(terms.exits?.trailing_step), placeholder: '5 points' },
      { name: 'trailing_after', label: 'Trails only after a gain of', value: said(terms.exits?.trailing_after), placeholder: '20 points' },
      { name: 'break_even', label: 'The stop goes to the fill after a gain of', value: said(terms.exits?.break_even), placeholder: '10 points' },
      { name: 'exit_at', label: 'Leaves at, whatever the price', value: said(terms.exits?.times), placeholder: '15:10, 30 minutes, EOD, EXPIRY' },
      { ...reason(), required: false },
    ],
    yes: 'Set the rule',
    act: async (values) => {
      if (!values.stop_loss) delete values.stop_at;
      return (await post('/dashboard/exit-rules', { client_id, strategy, exchange, symbol, product, ...values })).done;
    },
  });
}

/** How a stop trails that another door has set: it is kept, and not offered. @type {[string, string][]} */
const TRAILS_OF_OTHERS = [['ABSOLUTE', 'rupees']];

/** Switches the rule of a position off. @param {any} held */
export function ruleOff(held) {
  const { client_id, strategy, exchange, symbol, product } = held;
  ask({
    title: `No rule for ${symbol} of ${strategy} in ${client_id}`,
    says: h('p', null, 'Nothing protects the position then: only a person, a signal or the day’s loss limit leaves it.'),
    yes: 'Switch the rule off',
    danger: true,
    act: async () => (await send('DELETE', `/dashboard/exit-rules?${new URLSearchParams({ client_id, strategy, exchange, symbol, product })}`)).done,
  });
}

/** @type {Record<string, string>} */
const ASKED = { reason: 'Why', strategy: 'Strategy', quantity: 'Units', price: 'Price in rupees', broker_order_id: 'The broker’s order number' };

/** What a person must fill in, as the API writes it. @param {unknown} value */
const isOpen = (value) => typeof value === 'string' && /^<.*>$/.test(value);

/** Logs an account in at its broker. @param {string} client_id @param {() => void} [after] */
export function login(client_id, after) {
  const link = h('div', null);
  ask({
    title: `Log ${client_id} in`,
    says: [h('p', null, 'If the broker wants a person, the way to its page appears here, and its answer comes back to ordergate.'), link],
    yes: 'Log in',
    act: async () => {
      const answer = await post('/dashboard/broker/login', { client_id });
      after?.();
      if (answer.is_logged_in || !answer.login_link) return answer.is_logged_in ? 'logged in' : 'not logged in yet';
      // A page that opens by itself after an answer is held back by browsers: it takes a person's own press.
      link.replaceChildren(h('p', null, h('a', { class: 'button', href: answer.login_link, target: '_blank', rel: 'noopener noreferrer' }, 'Open the broker’s page')));
      link.querySelector('a')?.focus();
      return STAYS;
    },
  });
}

/** Verdicts, and a word in a hurry, that one press gives where nothing is left to be filled in: none of them sends an order. */
const ONE_PRESS = new Set(['/dashboard/exit-rules/go-on', '/dashboard/differences/adopt', '/dashboard/differences/ignore']);

/**
 * The button for an action as the API offers it: it does it, or asks for what is missing first.
 * @param {any} action @param {string | null} client_id whose it is; `null`: the process's @param {string} about @param {string} focus @param {() => void} [after]
 */
export function actionButton(action, client_id, about, focus, after) {
  const words = `${action.label.charAt(0).toUpperCase()}${action.label.slice(1)}`;
  const isWhole = ONE_PRESS.has(action.path) && !Object.values(action.body ?? {}).some(isOpen);
  if (isWhole) return pressed(words, focus, async () => (await send(action.method ?? 'POST', action.path, action.body)).done, after);
  const open = action.path === '/dashboard/broker/login' ? () => login(action.body.client_id, after) : () => offered(action, client_id, about, after);
  return h('button', { type: 'button', class: 'small', data: { focus }, on: { click: open } }, `${words}…`);
}

/**
 * A button whose press does it at once, and tells what came of it. @param {string} words @param {string} focus
 * @param {() => Promise<string>} act @param {() => void} [after]
 */
export function pressed(words, focus, act, after) {
  const button = h('button', { type: 'button', class: 'small', data: { focus } }, words);
  button.addEventListener('click', async (event) => {
    // The second press of a double click may meet the button of another row.
    if (event.detail > 1) return;
    button.disabled = true;
    try {
      tell(await act());
    } catch (cause) {
      toast(troubleWords(cause), 'bad');
    } finally {
      button.disabled = false;
      after?.();
    }
  });
  return button;
}

/**
 * An action as the API offers it: its path and body, with what a person must fill in. A price that is known already is shown, to be seen
 * and changed. Of a change each part may be left as it is.
 * @param {any} action @param {string | null} client_id whose it is; `null`: the process's @param {string} about @param {() => void} [after]
 */
function offered(action, client_id, about, after) {
  const body = action.body ?? {};
  const fixed = Object.fromEntries(Object.entries(body).filter(([, value]) => !isOpen(value)));
  const asked = Object.keys(body).filter((name) => isOpen(body[name]) || (name === 'price' && typeof body.price === 'string'));
  const isChange = action.path.endsWith('/modify');
  const sending = oneAct();
  ask({
    title: `${action.label.charAt(0).toUpperCase()}${action.label.slice(1)}${client_id ? ` in ${client_id}` : ''}`,
    says: [h('p', null, about), isChange ? h('p', { class: 'hint' }, 'What is left empty stays as it is.') : null],
    fields: asked.map((name) => ({ name, label: ASKED[name] ?? name, value: isOpen(body[name]) ? '' : body[name], required: !isChange })),
    yes: 'Do it',
    act: async (values) => {
      const act = (/** @type {object} */ more) => send(action.method ?? 'POST', action.path, { ...fixed, ...values, ...more });
      if (action.path === '/dashboard/positions/exit') {
        const words = await sending((key) => act({ idempotency_key: key }));
        after?.();
        return words;
      }
      const answer = await act({}) ?? {};
      after?.();
      return answer.done ?? outcome(await followed(answer));
    },
  });
}
