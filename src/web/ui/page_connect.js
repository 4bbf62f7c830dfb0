// @ts-check
// Connect: from a chart to an order. What to copy where, what a sample would become, and a test that ends before the broker.

import { get, post, send } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { ask, badge, copier, empty, field, holding, panel, reason, table, trouble, valuesOf } from './parts.js';
import { outcomeOf } from './outcomes.js';
import { accountsKnown } from './shell.js';
import { fate, gate, orderState, told } from './words.js';

/** @type {Record<string, string>} */
const SENDERS = {
  tradingview: 'TradingView strategy',
  tradingview_plain: 'TradingView alert of an indicator',
  openalgo: 'A tool that speaks OpenAlgo',
  chartink: 'ChartInk scan',
  amibroker: 'AmiBroker',
  python: 'Python, or any program',
};

/** @param {HTMLElement} root */
export async function page(root) {
  const problem = h('div', { class: 'problem' });
  const routes = routeTable({ change: (route) => edit(route, read), remove: (route) => remove(route, read) });
  const noRoutes = h('div', null);
  const pick = h('div', null);
  const recipe = h('div', null);
  const sample = h('textarea', { rows: '9', 'aria-label': 'A message as the sender sends it', spellcheck: 'false', placeholder: '{"ticker": "SBIN", "exchange": "NSE", "action": "buy", "contracts": "1"}' });
  const became = h('div', { 'aria-live': 'polite' });
  const tested = h('div', { 'aria-live': 'polite' });
  const act = (/** @type {HTMLButtonElement} */ button, /** @type {HTMLElement} */ place, /** @type {() => Promise<any>} */ what, /** @type {(answer: any) => import('./dom.js').Child[]} */ show) => async () => {
    button.disabled = true;
    try {
      place.replaceChildren(...show(await what()).filter((/** @type {any} */ one) => one instanceof Node));
    } catch (cause) {
      place.replaceChildren(trouble(cause));
    } finally {
      button.disabled = false;
    }
  };
  /** The account of the route that is picked: a sample without one would be of any. @returns {string | undefined} */
  const account = () => /** @type {HTMLSelectElement | null} */ (pick.querySelector('select[name=route]'))?.value.split('|')[0];
  const explain = h('button', { type: 'button', class: 'primary' }, 'What would become of it');
  explain.addEventListener('click', act(explain, became, () => post(`/dashboard/explain${account() ? `?client_id=${encodeURIComponent(account() ?? '')}` : ''}`, parsed(sample.value)), becomes));
  const test = h('button', { type: 'button' }, 'Send a test');
  test.addEventListener('click', act(test, tested, () => post('/dashboard/connect/test', { ...(account() ? { client_id: account() } : {}), sample: sample.value }), (answer) => [
    h('p', null, `${answer.client_id}: ${outcomeOf(answer).words}`),
    ...(answer.orders ?? []).map((/** @type {any} */ order) => h('p', null, h('a', { href: `order.html?id=${order.command_id}` }, `${order.side ?? ''} ${order.quantity ?? ''} ${order.symbol}`), ' ', badge(orderState(order)))),
    ...(answer.notes ?? []).map((/** @type {string} */ note) => h('p', { class: 'hint' }, note)),
  ]));
  root.append(
    h('h1', null, 'Connect a chart'),
    problem,
    panel('1 · Routes: what an alert becomes', [routes.node, noRoutes, h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'primary', on: { click: () => edit(null, read) } }, 'A new route'))]),
    panel('2 · What to copy where', [pick, recipe]),
    panel('3 · Try it', [h('p', { class: 'hint' }, 'Paste a message as the sender sends it. A secret in it is not read.'), sample, h('div', { class: 'buttons' }, test, explain), became, tested], { note: 'a test ends before the broker' }));
  /** @type {any} */
  let overview = null;
  const showRecipe = async (/** @type {HTMLFormElement} */ form) => {
    const asked = valuesOf(form);
    if (!asked.route) return;
    const [client_id, route] = asked.route.split('|');
    try {
      const answer = await get('/dashboard/connect/message', { client_id, route, sender: asked.sender, symbol: asked.symbol });
      const { url, message, steps } = answer.recipe;
      recipe.replaceChildren(
        h('h3', null, 'The address'), h('div', { class: 'copied' }, h('pre', null, url), copier(() => url)),
        h('p', { class: 'hint' }, '{secret} stands for your secret: the first start kept it in secrets.toml in the data directory. It is shown nowhere.'),
        h('h3', null, 'The message'), h('div', { class: 'copied' }, h('pre', null, message), copier(() => message)),
        h('ol', null, ...steps.map((/** @type {string} */ step) => h('li', null, step))));
      if (!sample.value.trim() || sample.dataset.own === '') {
        sample.value = answer.recipe.sample;
        sample.dataset.own = '';
      }
    } catch (cause) {
      recipe.replaceChildren(trouble(cause));
    }
  };
  sample.addEventListener('input', () => delete sample.dataset.own);
  async function read() {
    try {
      overview = await get('/dashboard/connect');
      problem.replaceChildren();
      keyed(routes.body, withRivals(overview.routes), (route) => `${route.client_id}|${route.name}`, (route) => routes.row(route));
      routes.node.hidden = overview.routes.length === 0;
      fresh(noRoutes, overview.routes.length === 0, () => (overview.routes.length ? null : empty('No route yet. A route says what an alert does not: product, type, size, direction. Alerts that name their orders whole need none.')));
      const hasAccounts = new Set(overview.routes.map((/** @type {any} */ route) => route.client_id)).size > 1;
      fresh(pick, overview.routes.map((/** @type {any} */ route) => [route.client_id, route.name]), () => {
        if (overview.routes.length === 0) return empty('A route first.');
        const form = h('form', { on: { submit: (/** @type {Event} */ event) => event.preventDefault(), input: () => showRecipe(form) } },
          h('div', { class: 'three' },
            field({ name: 'route', label: 'Route', kind: 'select', options: overview.routes.map((/** @type {any} */ route) => [`${route.client_id}|${route.name}`, hasAccounts ? `${route.name} in ${route.client_id}` : route.name]) }),
            field({ name: 'sender', label: 'Who sends', kind: 'select', options: overview.senders.map((/** @type {string} */ name) => [name, SENDERS[name] ?? name]) }),
            field({ name: 'symbol', label: 'Instrument on the chart', placeholder: 'NSE:SBIN' })));
        queueMicrotask(() => showRecipe(form));
        return form;
      });
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  }
  await read();
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('This is no JSON. A placeholder that stands for a text needs quotes around it.');
  }
}

/** @param {any} answer @returns {import('./dom.js').Child[]} */
function becomes(answer) {
  const legs = answer.legs ?? answer.alerts?.map((/** @type {any} */ one) => ({ ...(one.becomes.explained ?? {}), becomes: one.becomes })) ?? [];
  return legs.map((/** @type {any} */ leg) => {
    const { becomes: routed } = leg;
    if (routed && !leg.fate) return trouble(new Error(`${routed.detail ?? 'no route takes it'}${routed.remedy ? ` What to do: ${routed.remedy}` : ''}`));
    return h('div', { class: 'explained' },
      h('div', { class: 'big' }, badge(fate(leg.fate))),
      routed ? h('p', null, `Route ${routed.route}${routed.instrument ? `, ${routed.instrument}` : ''}${routed.chain ? `; ${routed.chain}` : ''}`) : null,
      leg.reason ? h('p', null, told(leg.reason)) : null,
      leg.request ? h('pre', null, leg.request) : null,
      h('details', null, h('summary', null, `${leg.gates.length} gates`), h('ul', { class: 'gates' }, ...leg.gates.map((/** @type {any} */ one) => h('li', null, badge({ word: gate(one.gate), kind: one.passed ? 'ok' : 'bad' }), h('small', null, told(`${one.input} (limit: ${one.limit})`)))))));
  });
}

/** Each route with those of its account that take the same alerts as closely: these are refused. @param {any[]} routes */
function withRivals(routes) {
  const takes = (/** @type {any} */ { client_id, source, alert_strategy, ticker }) => JSON.stringify([client_id, source ?? null, alert_strategy?.trim().toLowerCase() ?? null, ticker?.trim().toUpperCase() ?? null]);
  return routes.map((route) => ({ ...route, rivals: routes.filter((other) => other !== route && takes(other) === takes(route)).map(({ name }) => name) }));
}

/** @param {{ change: (route: any) => void, remove: (route: any) => void }} acts */
function routeTable(acts) {
  return table('Routes', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Name', cell: (route) => h('span', { class: 'symbol' }, h('strong', null, route.name), h('small', null, route.client_id)), class: 'what' },
    { head: 'Takes', cell: (route) => h('span', { class: 'state' }, [route.source, route.alert_strategy, route.ticker].filter(Boolean).join(', ') || 'every alert', route.rivals.length ? badge({ word: `as ${route.rivals.join(', ')} does: neither gets them`, kind: 'bad' }, 'Give one of them a condition more.') : null) },
    { head: 'Becomes', cell: (route) => [route.instrument, route.product, route.order_type, sizeWords(route)].filter(Boolean).join(' · ') || 'as the alert says' },
    { head: 'Direction', cell: (route) => route.direction },
    { head: 'Strategy', cell: (route) => route.strategy },
    { head: 'Exits', cell: (route) => [route.stop_loss ? `stop ${route.stop_loss}` : null, route.target ? `target ${route.target}` : null, route.trailing ? `trails ${route.trailing}` : null].filter(Boolean).join(', ') || '–' },
    { head: 'Asks you', cell: (route) => (route.approval ? 'each entry' : 'no') },
    { head: 'What can be done', quiet: true, cell: (route) => (route.origin === 'config' || route.origin === 'CONFIG' ? h('span', { class: 'quiet' }, 'in the settings') : h('span', { class: 'row-buttons' }, h('button', { type: 'button', class: 'small', 'aria-label': `Change ${route.name} in ${route.client_id}`, on: { click: () => acts.change(route) } }, 'Change'), h('button', { type: 'button', class: 'small', 'aria-label': `Remove ${route.name} in ${route.client_id}`, on: { click: () => acts.remove(route) } }, 'Remove'))), class: 'acts' },
  ]));
}

/** @param {any} route */
function sizeWords(route) {
  return route.size ?? (route.qty_unit ? `the alert’s number in ${route.qty_unit}` : null);
}

/** @param {any | null} route @param {() => void} after */
function edit(route, after) {
  // What a route leaves out is the alert's. Only a new one begins with what is usual.
  const said = (/** @type {any} */ value, usual = '') => (route === null ? usual : value === null || value === undefined ? '' : String(value));
  const choice = (/** @type {string} */ name, /** @type {string} */ label, /** @type {(string | [string, string])[]} */ options, /** @type {string} */ usual) => {
    const value = said(route?.[name], usual);
    return { name, label, kind: /** @type {'select'} */ ('select'), value, options: holding(options, value) };
  };
  const accounts = accountsKnown();
  ask({
    title: route ? `Route ${route.name} in ${route.client_id}` : 'A new route',
    says: h('p', null, 'What is left empty is as the alert says it.'),
    fields: [
      ...(route ? [] : [{ name: 'name', label: 'Name', required: true }]),
      ...(route || accounts.length < 2 ? [] : [{ name: 'client_id', label: 'Account', kind: /** @type {'select'} */ ('select'), options: accounts }]),
      { name: 'strategy', label: 'Strategy that owns what it trades', value: said(route?.strategy), required: true },
      choice('direction', 'Direction', [['long', 'long only'], ['short', 'short only'], ['both', 'both: the alert says the position']], 'both'),
      { name: 'ticker', label: 'Only alerts of this instrument', value: said(route?.ticker), placeholder: 'NSE:NIFTY' },
      { name: 'instrument', label: 'Trades instead', value: said(route?.instrument), placeholder: 'NIFTY weekly ATM CE' },
      choice('product', 'Product', [['', 'the alert’s'], 'MIS', 'NRML', 'CNC'], 'MIS'),
      choice('order_type', 'Type', [['', 'the alert’s'], 'MARKET', 'LIMIT'], 'MARKET'),
      { name: 'size', label: 'Size', value: said(route?.size), placeholder: '2 lots, 130 units, 50000 rupees' },
      choice('qty_unit', 'The alert’s number counts', [['', 'not said'], 'units', 'lots'], 'units'),
      { name: 'stop_loss', label: 'Stop', value: said(route?.stop_loss), placeholder: '1.5% or 12 points' },
      { name: 'target', label: 'Target', value: said(route?.target), placeholder: '30 points' },
      { name: 'trailing', label: 'The stop trails by', value: said(route?.trailing), placeholder: '10 points' },
      { name: 'approval', label: 'Each entry', kind: 'select', value: route?.approval ? 'yes' : '', options: [['', 'goes by itself'], ['yes', 'waits for a person’s yes']] },
      reason(route ? undefined : 'first set up'),
    ],
    yes: 'Write it',
    act: async ({ reason: why, approval, client_id: chosen, ...values }) => {
      const { client_id = chosen, version, origin: _, rivals: __, ...own } = route ?? {};
      const kept = Object.fromEntries(Object.entries(own).filter(([name]) => !EDITED.has(name)));
      const answer = await send('PUT', '/dashboard/routes', { ...(client_id ? { client_id } : {}), ...(version === undefined ? {} : { version }), reason: why, route: { ...kept, ...values, approval: approval === 'yes' } });
      after();
      return answer.done;
    },
  });
}

/** What the form holds: what it leaves out, the route leaves out. */
const EDITED = new Set(['strategy', 'direction', 'ticker', 'instrument', 'product', 'order_type', 'size', 'qty_unit', 'stop_loss', 'target', 'trailing', 'approval']);

/** @param {any} route @param {() => void} after */
function remove(route, after) {
  ask({
    title: `Remove route ${route.name} in ${route.client_id}`,
    says: h('p', null, 'Its orders and positions stay. Its alerts find no route any more.'),
    fields: [reason()],
    yes: 'Remove it',
    danger: true,
    act: async (values) => {
      const answer = await send('DELETE', '/dashboard/routes', { client_id: route.client_id, name: route.name, reason: values.reason });
      after();
      return answer?.done ?? 'removed';
    },
  });
}
