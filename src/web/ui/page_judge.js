// @ts-check
// What would become of orders, and what became of them: for the pages that send some.

import { get, post } from './api.js';
import { fresh, h } from './dom.js';
import { add, dec, number, price, rupees, text } from './money.js';
import { wholeSeconds } from './time.js';
import { badge, empty, panel, trouble } from './parts.js';
import { on, single } from './live.js';
import { side } from './orders.js';
import { whose } from './shell.js';
import { charge, count, fate, gate, isOver, orderState, told } from './words.js';

/** Asks every gate what it would make of these orders. @param {any[]} orders @param {Record<string, string>} [more] */
export function judge(orders, more = {}) {
  const client_id = orders[0]?.client_id;
  return post(`/dashboard/explain${client_id ? `?client_id=${encodeURIComponent(client_id)}` : ''}`, { ...asAlert(orders), ...more });
}

/**
 * Whether they are of several strategies, or tests beside real orders: an alert says both once, for all of its legs, so that these are
 * judged only when they are sent. @param {any[]} orders
 */
export function isMixed(orders) {
  return new Set(orders.map(({ strategy, test_mode }) => JSON.stringify([strategy, test_mode ?? ''])).values()).size > 1;
}

/** Orders as an alert, which `explain` reads. @param {any[]} orders */
function asAlert(orders) {
  const first = orders[0] ?? {};
  return {
    strategy_name: first.strategy,
    execution_type: first.execution_type,
    ...(first.test_mode ? { test_mode: first.test_mode } : {}),
    legs: orders.map(({ symbol, side, quantity, product, strategy: _, client_id: __, test_mode: ___, about: ____, ...rest }) => ({ ...rest, tradingsymbol: symbol, direction: side, qty: quantity, product_type: product })),
  };
}

/**
 * The place where the gates' answers are shown. What a reader has opened stays open while the prices in it move, and only a
 * verdict that has changed is read out.
 */
export function verdicts() {
  const heard = h('p', { class: 'unseen', 'aria-live': 'polite' });
  const place = h('div', null);
  const hear = (/** @type {string} */ words) => { if (heard.textContent !== words) heard.textContent = words; };
  return {
    node: h('div', { class: 'judged' }, heard, place),
    /** @param {any} answer */
    show(answer) {
      const { legs, funds } = answer;
      const opened = [...place.querySelectorAll('details')].map((one) => one.open);
      fresh(place, [legs.map((/** @type {any} */ leg) => ({ ...leg, quote: leg.quote && { ...leg.quote, at: null, age_ms: coarse(leg.quote.age_ms) } })), funds && { ...funds, read_at: null, age_ms: coarse(funds.age_ms) }], () => [
        legs.length > 1 ? together(answer) : null,
        ...legs.map((/** @type {any} */ leg) => explained(leg, answer)),
      ]);
      place.querySelectorAll('details').forEach((one, index) => { one.open = opened[index] ?? false; });
      hear(legs.map((/** @type {any} */ leg) => `${leg.ask?.symbol ?? ''} ${fate(leg.fate).word}${leg.reason ? `: ${leg.reason}` : ''}`).join('. '));
    },
    /** @param {unknown} cause */
    fail(cause) {
      fresh(place, String(cause), () => trouble(cause));
    },
    /** What stands here while nothing is asked. @param {string} words */
    none(words) {
      fresh(place, words, () => (words ? empty(words) : null));
      hear('');
    },
  };
}

/** An age in steps of five seconds: one that counts up makes nothing anew by itself. @param {number} age_ms */
function coarse(age_ms) {
  return Math.floor(age_ms / 5_000);
}

/** @param {any} leg @param {any} answer */
function explained(leg, answer) {
  const said = fate(leg.fate);
  const { terms } = leg;
  const refused = leg.gates.filter((/** @type {any} */ one) => !one.passed);
  const passed = leg.gates.filter((/** @type {any} */ one) => one.passed);
  return h('div', { class: 'explained' },
    h('div', { class: 'big' }, badge(said)),
    leg.reason ? h('p', null, told(leg.reason)) : null,
    terms ? h('p', null, h('strong', null, `${terms.side} ${number(terms.quantity)} ${leg.ask?.symbol ?? ''} ${terms.product} ${terms.order_type}`), terms.price ? ` at ${price(terms.price)}` : '', terms.trigger_price ? `, trigger ${price(terms.trigger_price)}` : '', leg.value === null ? '' : `: ${rupees(leg.value)}`) : null,
    moneyOf(leg, answer),
    leg.request ? h('details', null, h('summary', { data: { focus: `request${leg.leg}` } }, 'The exact request to the broker'), h('pre', null, leg.request)) : null,
    refused.length ? gateList(refused) : null,
    h('details', null, h('summary', { data: { focus: `gates${leg.leg}` } }, refused.length ? `${count(passed.length, 'gate')} would let it through` : `All ${passed.length} gates would let it through`), gateList(passed)),
    leg.unknown?.length ? h('details', null, h('summary', { data: { focus: `unknown${leg.leg}` } }, 'What cannot be known before'), h('ul', null, ...leg.unknown.map((/** @type {string} */ words) => h('li', null, words)))) : null);
}

/** @param {any[]} gates */
function gateList(gates) {
  return h('ul', { class: 'gates' }, ...gates.map((one) => h('li', null, badge({ word: gate(one.gate), kind: one.passed ? 'ok' : 'bad' }), h('small', null, told(`${one.input} (limit: ${one.limit})`)))));
}

/** Prices and money of a leg: whose figure each is stands beside it. @param {any} leg @param {any} answer */
function moneyOf(leg, answer) {
  const { quote, goes_as: sent, takes, charges } = leg;
  const isBuy = (leg.terms?.side ?? leg.ask?.side) === 'BUY';
  /** @type {[string, import('./dom.js').Child[]][]} */
  const rows = [];
  if (quote) rows.push(['Price now', [h('strong', null, price(quote[isBuy ? 'ask' : 'bid'] ?? quote.last)), h('small', null, ` ${isBuy ? 'asked' : 'bid'}; last ${price(quote.last)}, ${wholeSeconds(quote.age_ms)} old`)]]);
  if (sent?.price && !leg.ask?.price) rows.push(['Protected at', [h('strong', null, price(sent.price)), h('small', null, ` it goes as ${sent.order_type}: it fills at no worse price`)]]);
  if (takes) rows.push(['Takes', [h('strong', null, rupees(takes.rupees)), h('small', null, ` ${takesWords(takes)}`)]]);
  if (takes) rows.push(['Available', fundsOf(answer.funds)]);
  if (charges) rows.push(['Charges', chargesOf(charges, answer.charges_plan)]);
  return rows.length ? h('dl', { class: 'pairs money' }, ...rows.flatMap(([name, what]) => [h('dt', null, name), h('dd', null, ...what)])) : null;
}

/** Whose figure it is. @param {any} takes */
function takesWords(takes) {
  if (takes.source === 'broker') return `${takes.how}; ${rupees(takes.used_with_it)} in use with it; our estimate was ${rupees(takes.estimate)}`;
  return `${takes.how}${takes.is_estimate ? '; the broker decides' : ''}`;
}

/** @param {any} funds @returns {import('./dom.js').Child[]} */
function fundsOf(funds) {
  if (!funds) return [h('span', { class: 'quiet' }, 'the broker has not told its figures')];
  const whose = funds.is_live ? `the broker’s figure (${funds.told_by})` : 'the paper account’s figure';
  return [h('strong', null, rupees(funds.available)), h('small', null, ` ${whose}, ${wholeSeconds(funds.age_ms)} old`)];
}

/** @param {any} charges @param {string | null} plan @returns {import('./dom.js').Child[]} */
function chargesOf(charges, plan) {
  const each = Object.entries(charges.each).filter(([, value]) => dec(value)?.n !== 0n).map(([name, value]) => `${charge(name)} ${rupees(value)}`);
  const lacking = charges.without_a_rate.map(charge);
  const words = [
    each.join(', '),
    lacking.length ? `without ${lacking.join(', ')}: ${plan ? `plan ${plan} has no rate of it` : 'no plan is set'}` : null,
    charges.not_in_the_master.length ? 'the instrument’s class is not known' : null,
    `if it fills at ${price(charges.at)}`,
  ].filter(Boolean);
  return [h('strong', null, charges.total === null ? `${rupees(charges.as_far_as_known)} at least` : rupees(charges.total)), h('small', null, ` ${words.join('; ')}`)];
}

/** What all legs take and are charged together. @param {any} answer */
function together({ legs, funds }) {
  const sum = (/** @type {(leg: any) => unknown} */ pick) => {
    const all = legs.map((/** @type {any} */ leg) => dec(pick(leg)));
    return all.some((/** @type {any} */ one) => one === null) ? null : text(all.reduce(add));
  };
  const takes = sum((leg) => leg.takes?.rupees);
  const charges = sum((leg) => leg.charges?.total);
  const isEstimate = legs.some((/** @type {any} */ leg) => leg.takes?.is_estimate);
  if (takes === null && charges === null) return null;
  return h('dl', { class: 'pairs money sum' },
    h('dt', null, 'All legs take'), h('dd', null, h('strong', null, rupees(takes)), h('small', null, isEstimate ? ' by our estimate, which takes no account of hedges: the broker may ask for less' : ' paid in full')),
    ...(takes === null ? [] : [h('dt', null, 'Available'), h('dd', null, ...fundsOf(funds))]),
    h('dt', null, 'Charges'), h('dd', null, h('strong', null, rupees(charges)), h('small', null, charges === null ? ' not all of them are known' : ' when all of them fill')));
}

/** Shows what was just sent on top of what was sent before, and follows it. @param {Element} place @param {any} answer */
export function tell(place, answer) {
  place.prepend(panel('Sent', (answer.orders ?? []).map(follow)));
  while (place.children.length > 4) place.lastElementChild?.remove();
}

/** An order that was just sent, followed until it has ended, for as long as it is shown. @param {any} first */
function follow(first) {
  const node = h('div', { class: 'followed' });
  let seen = first;
  const show = (/** @type {any} */ order) => {
    // An answer may come after news that are newer than it.
    if (Date.parse(order.updated_at) < Date.parse(seen.updated_at)) return;
    seen = order;
    draw(order);
    if (isOver(order)) leave();
  };
  const draw = (/** @type {any} */ order) => fresh(node, [order.status, order.tag, order.filled_quantity, order.quantity, order.broker_order_id, order.cancel_wanted, order.average_price], () => [
    h('a', { href: `order.html?id=${order.command_id}` }, side(order.side), ` ${number(order.quantity)} ${order.symbol}`),
    whose(order.client_id) ? h('span', { class: 'quiet' }, order.client_id) : null,
    badge(orderState(order)),
    order.reason && order.status === 'FAILED' ? h('small', null, told(order.reason)) : null,
    order.average_price ? h('small', null, `average ${price(order.average_price)}`) : null,
  ]);
  const read = single(async () => {
    const answer = await get(`/dashboard/orders/${first.command_id}`).catch(() => null);
    if (answer) show(answer.order);
  });
  const leave = on(['orders'], (changed) => {
    if (!node.isConnected) leave();
    else if (changed.length === 0) read();
    else changed.filter((row) => row.command_id === first.command_id).forEach(show);
  });
  draw(first);
  // What happened before it was listened for; without this read nothing more might come.
  read();
  return node;
}
