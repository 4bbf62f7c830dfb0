// @ts-check
// The option chain: calls on the left, puts on the right, strikes around the money; a price becomes a leg of the basket, whose
// outlook is drawn before anything is sent.

import { get } from './api.js';
import { calm, fresh, h, keyed } from './dom.js';
import { cmp, dec, number, price } from './money.js';
import { dayOf, wholeSeconds } from './time.js';
import { badge, empty, field, panel, trouble } from './parts.js';
import { aboutOf, basket } from './page_basket.js';
import { accountChoice } from './shell.js';

const REFRESH_MS = 2_000;
/** An age above this stands beside its price. */
const OLD_MS = 5_000;

/** @param {HTMLElement} root */
export async function page(root) {
  const query = new URLSearchParams(location.search);
  const problem = h('div', { class: 'problem' });
  const names = h('datalist', { id: 'underlyings' });
  const search = h('input', { type: 'search', id: 'underlying', value: (query.get('underlying') ?? 'NIFTY').toUpperCase(), list: 'underlyings', autocomplete: 'off', spellcheck: 'false', data: { search: '' } });
  const days = h('select', { id: 'expiry' });
  const labelled = (/** @type {string} */ words, /** @type {HTMLElement} */ input) => h('div', { class: 'field' }, h('label', { for: input.id }, words), input);
  const width = field({ name: 'strikes', label: 'Strikes each side', kind: 'select', value: '10', options: ['5', '10', '20', '40'] });
  const product = field({ name: 'product', label: 'Product', kind: 'select', value: 'NRML', options: ['NRML', 'MIS'] });
  const lots = field({ name: 'lots', label: 'Lots of a new leg', value: '1', mode: 'numeric', required: true });
  const strategy = field({ name: 'strategy', label: 'Strategy', value: query.get('strategy') ?? 'manual', required: true });
  const account = h('div', null);
  const body = h('tbody', null);
  const heads = ['Call', 'Sell · buy', 'Strike', 'Sell · buy', 'Put'];
  const grid = h('div', { class: 'scroll chain-grid', tabindex: '0', role: 'group', 'aria-label': 'Strikes' },
    h('table', { class: 'rows chain' },
      h('thead', null, h('tr', null, ...heads.map((head, index) => h('th', { scope: 'col', class: index === 2 ? 'strike' : 'num' }, head)))),
      body));
  const none = h('div', null);
  const note = h('span', null);
  const tools = h('div', { class: 'tools' });
  const sent = h('div', { 'aria-live': 'polite' });
  const legs = basket({ sent, policy: 'HEDGE_FIRST', empty: 'A price puts a leg in here: ▲ buys at what is asked, ▼ sells at what is bid. Nothing is sent before you send the basket.' });
  root.append(
    h('h1', null, 'Option chain'),
    problem,
    h('div', { class: 'columns chain-columns' },
      h('div', null,
        panel('Which', [h('div', { class: 'three' }, labelled('Underlying', search), labelled('Ends on', days), width, lots, product, strategy, account), names]),
        panel('Chain', [tools, grid, none], { note })),
      h('div', null, legs.node, sent)));
  const valueOf = (/** @type {HTMLElement} */ of) => /** @type {HTMLInputElement} */ (of.querySelector('input, select')).value.trim();
  const lotsOf = () => (/^[1-9]\d{0,4}$/.test(valueOf(lots)) ? Number(valueOf(lots)) : 1);

  /** The underlying that the days stand for. */
  let shown = '';
  let asking = 0;
  /** The day that the address asks for. */
  let expiry = query.get('expiry');
  /** @type {any} */
  let chain = null;

  accountChoice(account, () => null);

  const add = (/** @type {any} */ row, /** @type {'call' | 'put'} */ right, /** @type {'BUY' | 'SELL'} */ side) => {
    const option = row[right];
    const client_id = account.querySelector('select')?.value;
    const contract = { underlying: chain.underlying, expiry: chain.expiry, strike: row.strike, lot: option.lot, rupees_per_point: option.rupees_per_point, kind: 'OPTION', right };
    legs.add({
      ...(client_id ? { client_id } : {}),
      execution_type: 'ENTRY', strategy: valueOf(strategy) || 'manual', exchange: option.exchange, symbol: option.symbol, side,
      quantity: String(Number(option.lot) * lotsOf()), product: valueOf(product), order_type: 'MARKET',
      about: aboutOf(contract, option.quote, side),
    });
    showTools();
  };
  const showTools = () => fresh(tools, [legs.count(), chain?.atm, chain?.underlying], () => [
    chain?.atm ? badge({ word: `at the money ${number(chain.atm)}`, kind: 'work' }) : chain ? badge({ word: 'no price of the underlying: nothing is called at the money', kind: 'off' }) : null,
    legs.count() ? h('a', { href: '#basket', class: 'to-basket' }, `${legs.count()} in the basket ↓`) : null,
  ]);
  const read = async () => {
    const mine = ++asking;
    const wanted = search.value.trim().toUpperCase();
    if (!wanted) return;
    const isOther = wanted !== shown;
    try {
      const answer = await get('/dashboard/option-chain', { underlying: wanted, expiry: isOther ? expiry : days.value, strikes: valueOf(width), client_id: account.querySelector('select')?.value });
      if (mine !== asking) return;
      problem.replaceChildren();
      const isNew = isOther || chain?.expiry !== answer.expiry;
      [chain, shown, expiry] = [answer, wanted, null];
      show(isNew);
    } catch (cause) {
      if (mine !== asking) return;
      problem.replaceChildren(trouble(cause));
      // What is shown of another underlying must not be taken for this one's.
      if (isOther) {
        [chain, shown] = [null, ''];
        show(false);
      }
    }
  };
  const show = (/** @type {boolean} */ isNew) => {
    const rows = chain?.rows ?? [];
    fresh(days, [chain?.underlying, chain?.expiries], () => (chain?.expiries ?? []).map((/** @type {string} */ day) => h('option', { value: day }, dayOf(day))));
    if (chain) days.value = chain.expiry;
    keyed(body, rows.map((/** @type {any} */ row) => ({ ...still(row), atm: chain.atm })), (row) => row.strike, (row) => line(row, (right, side) => add(rows.find((/** @type {any} */ one) => one.strike === row.strike) ?? row, right, side)));
    grid.hidden = rows.length === 0;
    fresh(none, [rows.length === 0, chain === null], () => (rows.length ? null : empty('There is no chain to show.')));
    const ages = rows.flatMap((/** @type {any} */ row) => [row.call?.quote?.age_ms, row.put?.quote?.age_ms]).filter((/** @type {any} */ age) => typeof age === 'number');
    note.textContent = chain === null ? '' : ages.length === 0 ? 'no prices yet' : `prices ${wholeSeconds(Math.max(...ages))} old at most`;
    showTools();
    const quotes = new Map(rows.flatMap((/** @type {any} */ row) => [row.call, row.put].filter(Boolean).map((option) => [`${option.exchange}:${option.symbol}`, option.quote])));
    legs.prices((symbol, exchange) => quotes.get(`${exchange}:${symbol}`), chain?.atm ?? null);
    const near = /** @type {HTMLElement | null} */ (body.querySelector('.near'));
    if (isNew && near) grid.scrollTop = near.offsetTop - grid.clientHeight / 2;
  };
  const suggest = calm(200, async () => {
    const words = search.value.trim();
    const found = await get('/dashboard/symbols/search', { q: words, limit: 100 }).catch(() => null);
    if (!found) return;
    const known = [...new Set(found.instruments.filter((/** @type {any} */ one) => one.kind === 'OPTION').map((/** @type {any} */ one) => one.underlying))].slice(0, 12);
    fresh(names, known, () => known.map((name) => h('option', { value: name })));
  });
  search.addEventListener('input', suggest);
  search.addEventListener('change', read);
  days.addEventListener('change', read);
  width.addEventListener('change', read);
  account.addEventListener('change', read);
  suggest();
  await read();
  setInterval(() => !document.hidden && read(), REFRESH_MS);
}

/** Without the ages of its prices as they count up; an old one keeps its words. @param {any} row */
function still(row) {
  const side = (/** @type {any} */ option) => option && { ...option, quote: option.quote && { last: option.quote.last, bid: option.quote.bid, ask: option.quote.ask, old: option.quote.age_ms > OLD_MS ? wholeSeconds(option.quote.age_ms) : null } };
  return { ...row, call: side(row.call), put: side(row.put) };
}

/** @param {any} row @param {(right: 'call' | 'put', side: 'BUY' | 'SELL') => void} add */
function line(row, add) {
  const inside = (/** @type {'call' | 'put'} */ right) => {
    const [strike, atm] = [dec(row.strike), dec(row.atm)];
    return strike && atm && cmp(strike, atm) === (right === 'call' ? -1 : 1) ? ' inside' : '';
  };
  const last = (/** @type {'call' | 'put'} */ right) => {
    const quote = row[right]?.quote;
    return h('td', { class: `num${inside(right)}` }, quote ? price(quote.last) : '–', quote?.old ? h('small', { class: 'old' }, `${quote.old} old`) : null);
  };
  const buttons = (/** @type {'call' | 'put'} */ right) => {
    const option = row[right];
    if (!option) return h('td', { class: `num${inside(right)}` }, '–');
    const one = (/** @type {'BUY' | 'SELL'} */ side) => {
      const at = option.quote?.[side === 'BUY' ? 'ask' : 'bid'];
      const verb = side === 'BUY' ? 'Buy' : 'Sell';
      return h('button', { type: 'button', class: `small ${side === 'BUY' ? 'buy' : 'sell'}`, 'aria-label': `${verb} ${option.symbol}${at ? ` at ${price(at)}` : ''}`, data: { focus: `${right}${side}${row.strike}` }, on: { click: () => add(right, side) } },
        h('span', { 'aria-hidden': 'true' }, side === 'BUY' ? '▲' : '▼'), at ? price(at) : verb.toLowerCase());
    };
    return h('td', { class: `touch${inside(right)}` }, h('span', { class: 'pair' }, one('SELL'), one('BUY')));
  };
  return h('tr', { class: row.is_atm ? 'near' : null },
    last('call'),
    buttons('call'),
    h('th', { scope: 'row', class: 'strike' }, number(row.strike), row.is_atm ? h('small', { title: 'at the money' }, 'ATM') : null),
    buttons('put'),
    last('put'));
}
