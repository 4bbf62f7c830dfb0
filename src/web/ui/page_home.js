// @ts-check
// Home: is it real, is it ready, what does the day stand at, what is open, what needs somebody.

import { get, ifMay } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { often, on, single } from './live.js';
import { gauge, part, pnlLine } from './charts.js';
import { add, dec, direction, number, price, rupees, text } from './money.js';
import { date, exact, moment, wholeSeconds } from './time.js';
import { badge, empty, panel, table, trouble } from './parts.js';
import { instrument, orderTable, ownerOf } from './orders.js';
import { exit } from './acts.js';
import { aged, ago } from './page_needs_you.js';
import { marketWords, onOverview } from './shell.js';
import { LEVELS, attention, count, limit, modeOf, told, urgency, verdict } from './words.js';
import { killDialog } from './kill.js';

/** So many points are kept of the line that this screen draws. */
const POINTS = 720;
/** So many rows of a table stand here; the rest is on the table's own page. */
const ROWS = 20;
/** So many positions that are not ours are named here. */
const BESIDE = 4;

/** @param {HTMLElement} root */
export async function page(root) {
  const strip = h('ul', { class: 'strip', 'aria-label': 'Readiness' });
  const result = h('div', { class: 'result' });
  const chart = h('div', { class: 'chart' });
  const gauges = h('div', { class: 'gauges' });
  const orders = orderTable();
  const noOrders = h('div', null);
  const positions = positionTable();
  const noPositions = h('div', null);
  const needs = h('ul', { class: 'needs' });
  const noNeeds = h('div', null);
  const problem = h('div', { class: 'problem' });
  root.append(
    h('h1', { class: 'unseen' }, 'Home'),
    problem,
    strip,
    h('div', { class: 'columns' },
      h('div', { class: 'main-column' },
        panel('Result of the day', [result, chart], { note: h('a', { href: 'positions.html' }, 'Positions') }),
        panel('Positions', [positions.node, noPositions], { note: h('a', { href: 'positions.html' }, 'All of them') }),
        panel('Open orders', [orders.node, noOrders], { note: h('a', { href: 'order_book.html' }, 'Order book') })),
      h('div', { class: 'side-column' },
        panel('Needs you', [needs, noNeeds], { note: h('a', { href: 'needs_you.html' }, 'All of it'), class: 'first-on-phone' }),
        panel('Limits used', [gauges], { note: h('a', { href: 'risk.html' }, 'Risk') }),
        panel('Stop', [h('ul', { class: 'kill-levels' }, ...LEVELS.map(({ level, name, says }) => h('li', null, h('button', { type: 'button', class: 'kill-level', on: { click: () => killDialog({ level }) } }, h('strong', null, `${level} · ${name}`), h('span', null, says)))))], { note: 'held to confirm' }))));

  /** @type {any} */
  let overview = null;
  /** @type {any} */
  let readiness = null;
  const showStrip = () => overview && fresh(strip, stripOf(overview, readiness), () => stripOf(overview, readiness).map((item) => h('li', null, h('span', { class: 'label' }, item.label), badge(item.said, item.title))));
  /** Whose a row is stands in it where there are several accounts. */
  const hasAccounts = () => (overview?.accounts.length ?? 0) > 1;
  setInterval(showStrip, 1_000);

  const readMoney = single(async () => {
    try {
      // The result and the limits are of whole accounts: a key for some of them sees what is held, and leaves it.
      const [pnl, risk, held] = await Promise.all([ifMay('/dashboard/pnl'), ifMay('/dashboard/risk'), get('/dashboard/positions')]);
      problem.replaceChildren();
      if (pnl && risk) {
        const day = dayOf(pnl, risk);
        remember(day);
        fresh(result, day, () => resultOf(day));
        const points = remembered(day);
        fresh(chart, points, () => (points.length > 1 ? pnlLine(points, { floor: day.floor, high: day.high, since: points[0].at, name: day.net === null ? 'result before charges' : 'net result' }) : empty('The line begins to be drawn with the next change.')));
        const used = usedOf(risk);
        fresh(gauges, used, () => (used.length ? used.map((one) => gauge(one.label, one.part, one.words)) : empty('Nothing of any limit is used.')));
      } else {
        fresh(result, null, () => empty('The result of an account is not shown to a key for some accounts or strategies.'));
        fresh(gauges, null, () => empty('Nor are its limits.'));
      }
      const open = held.accounts.flatMap((/** @type {any} */ account) => account.positions.flatMap((/** @type {any} */ position) => position.strategies.filter((/** @type {any} */ own) => own.net !== 0).map((/** @type {any} */ own) => shownPosition(account, position, own))));
      keyed(positions.body, open.slice(0, ROWS).map((/** @type {any} */ row) => ({ ...row, whose: held.accounts.length > 1 ? row.client_id : null })), rowKey, (row) => positions.row(row, { tabindex: '0' }));
      positions.node.hidden = open.length === 0;
      const besides = held.accounts.flatMap(besideUs);
      fresh(noPositions, [open.length, besides], () => [
        open.length === 0 ? empty('No strategy holds anything.') : rest(open.length, 'positions.html'),
        ...besides.map((/** @type {string} */ words) => h('p', { class: 'hint' }, words)),
      ]);
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  const readOrders = single(async () => {
    try {
      const [standing, last] = await Promise.all([get('/dashboard/orderbook', { open: 'true', limit: ROWS }), get('/dashboard/orderbook', { limit: 1 })]);
      const open = standing.system_orders.map((order) => ({ ...order, whose: ownerOf(order, hasAccounts()) }));
      keyed(orders.body, open, (order) => order.command_id, (order) => orders.row(order, { tabindex: '0' }));
      orders.node.hidden = open.length === 0;
      const newest = last.system_orders[0];
      fresh(noOrders, [standing.system_total, newest?.command_id, newest?.updated_at], () => {
        if (open.length) return rest(standing.system_total, 'order_book.html');
        if (!newest) return empty('No order yet. ', h('a', { href: 'place_order.html' }, 'Place the first one'), ', or ', h('a', { href: 'connect.html' }, 'connect a chart'), '.');
        return empty('Nothing is open. The newest: ', h('a', { href: `order.html?id=${newest.command_id}` }, `${newest.side ?? ''} ${number(newest.quantity)} ${newest.symbol}`), `, ${moment(newest.updated_at)}.`);
      });
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  const readNeeds = single(async () => {
    try {
      const list = await ifMay('/dashboard/attention');
      if (!list) {
        fresh(noNeeds, null, () => empty('What waits for a person is shown to a key for every account and strategy.'));
        return;
      }
      const first = list.items.slice(0, 6).map((item) => ({ ...aged(item), whose: hasAccounts() ? item.client_id : null }));
      keyed(needs, first, (item) => [item.kind, item.client_id, item.command_id, item.text].join('|'), needOf);
      fresh(noNeeds, [list.count], () => {
        if (list.count === 0) return empty('Nothing waits for a person.');
        return list.count > first.length ? h('p', { class: 'hint' }, h('a', { href: 'needs_you.html' }, `and ${count(list.count - first.length, 'more', 'more')}`)) : null;
      });
    } catch {
      // The same read of the frame says it.
    }
  });
  const readReadiness = single(async () => {
    try {
      readiness = await ifMay('/dashboard/readiness');
      showStrip();
    } catch {
      readiness = null;
    }
  });
  onOverview((next) => {
    const had = hasAccounts();
    overview = next;
    showStrip();
    if (hasAccounts() === had) return;
    readOrders();
    readNeeds();
  });
  on(['pnl', 'positions', 'risk'], readMoney);
  often(readMoney);
  on(['orders'], () => {
    readOrders();
    readMoney();
  });
  on(['alarms', 'risk', 'session', 'orders'], readNeeds);
  on(['session', 'health'], readReadiness);
  // It may ask the broker, whose calls are counted: seldom.
  setInterval(readReadiness, 60_000);
  await Promise.all([readMoney(), readOrders(), readNeeds(), readReadiness()]);
}

/** What needs somebody, in short: what, in which account, since when, of which order, and whether its cause is over. @param {any} item */
function needOf(item) {
  const age = ago(item);
  return h('li', null,
    h('div', { class: 'task-head' }, badge({ word: attention(item.kind), kind: urgency(item) }),
      item.whose ? h('span', { class: 'quiet' }, item.whose) : null,
      age ? h('time', { class: 'quiet', datetime: item.since, title: exact(item.since) }, age) : null,
      item.command_id ? h('a', { href: `order.html?id=${item.command_id}` }, 'The order') : null),
    h('span', null, told(item.text)),
    item.more?.over ? h('small', null, `${item.more.over}: acknowledge it`) : null);
}

/** How many more there are than stand here. @param {number} all @param {string} where */
function rest(all, where) {
  return all > ROWS ? h('p', { class: 'hint' }, h('a', { href: where }, `and ${count(all - ROWS, 'more', 'more')}`)) : null;
}

/**
 * What must be so before somebody trades.
 * @param {any} overview @param {any} readiness
 * @returns {{ label: string, said: import('./words.js').Said, title?: string }[]}
 */
function stripOf(overview, readiness) {
  /** @type {{ label: string, said: import('./words.js').Said, title?: string }[]} */
  const items = [];
  const many = overview.accounts.length > 1;
  for (const account of overview.accounts) {
    const label = many ? account.client_id : 'Mode';
    const isPaper = account.standing.mode === 'PAPER';
    items.push({ label, said: { word: modeOf(account), kind: (isPaper || account.standing.mode === 'LIVE' ? 'ok' : 'wait') }, title: told(account.standing.why) });
  }
  for (const market of overview.markets) {
    items.push({ label: market.exchange, said: { word: marketWords(market).slice(market.exchange.length + 1), kind: (market.phase === 'OPEN' ? 'ok' : 'off') }, title: market.words });
  }
  for (const account of overview.accounts) {
    const who = many ? `${account.client_id}: ` : '';
    const isOpen = account.phase === 'Open' || account.phase === 'OPEN';
    if (account.session !== 'READY' || !isOpen) {
      items.push({ label: 'Broker', said: { word: `${who}${account.session === 'READY' ? 'the books are being read' : account.session_words ?? 'not logged in'}`, kind: (account.session === 'RESTING' ? 'off' : 'bad') } });
    } else {
      items.push({ label: 'Broker', said: { word: `${who}books ${account.positions_age_ms === null ? 'not read' : `${wholeSeconds(account.positions_age_ms)} old`}`, kind: (account.trouble ? 'bad' : 'ok') }, title: account.trouble ?? undefined });
    }
    if (account.held > 0) {
      items.push({
        label: 'Prices',
        said: account.without_a_quote
          ? { word: `${who}no price for something that is held`, kind: ('bad') }
          : { word: `${who}${wholeSeconds(account.oldest_quote_age_ms)} old${account.prices === 'SYNTHETIC' ? ', synthetic' : ''}`, kind: (account.oldest_quote_age_ms > 10_000 ? 'wait' : 'ok') },
      });
    }
  }
  items.push({ label: 'Journal', said: overview.journal_open ? { word: 'open', kind: 'ok' } : { word: 'closed', kind: 'bad' } });
  /** What every account says alike is said once; what one says has its name. @type {Map<string, { name: string, said: import('./words.js').Said, of: string[] }>} */
  const checks = new Map();
  for (const account of readiness?.accounts ?? []) {
    for (const check of account.report.checks) {
      if (!['clock', 'master', 'funds', 'calendar', 'alerts', 'disk', 'journal'].includes(check.name)) continue;
      if (check.verdict === 'OK' && check.name !== 'clock') continue;
      if (check.verdict === 'UNKNOWN' && account.standing.mode === 'PAPER') continue;
      const said = { word: told(check.text), kind: verdict(check.verdict).kind };
      const known = checks.get(`${check.name}|${said.word}|${said.kind}`) ?? { name: check.name.charAt(0).toUpperCase() + check.name.slice(1), said, of: /** @type {string[]} */ ([]) };
      known.of.push(account.client_id);
      checks.set(`${check.name}|${said.word}|${said.kind}`, known);
    }
  }
  for (const { name, said, of } of checks.values()) {
    items.push({ label: of.length < (readiness?.accounts.length ?? 0) ? `${name}: ${of.join(', ')}` : name, said, title: said.word });
  }
  return items;
}

/**
 * In which accounts the day is over, and in which it goes on. @param {{ accounts: any[] }} risk @returns {{ over: string[], on: string[] }}
 */
export function daysOf({ accounts }) {
  const named = (/** @type {boolean} */ isOver) => accounts.filter((account) => Boolean(account.day?.is_over) === isOver).map(({ client_id }) => client_id);
  return { over: named(true), on: named(false) };
}

/** What is said of the end of the day: of one account's nobody may read that it is all of them. @param {{ over: string[], on: string[] }} days @param {string} left @returns {[string, string]} */
export function endOf({ over, on }, left) {
  if (over.length === 0) return ['Left until the day ends', left];
  return on.length === 0 ? ['The day is over', left] : [`The day is over in ${over.join(', ')}`, `not in ${on.join(', ')}`];
}

/** The day of all accounts together. @param {any} pnl @param {any} risk */
function dayOf(pnl, risk) {
  /** @type {(pick: (account: any) => unknown) => string | null} */
  const sum = (pick) => {
    const all = pnl.accounts.map((/** @type {any} */ account) => dec(pick(account)));
    if (all.length === 0 || all.some((/** @type {any} */ one) => one === null)) return null;
    return text(all.reduce(add));
  };
  const one = risk.accounts.length === 1 ? risk.accounts[0] : null;
  const net = sum((account) => account.result.net);
  return {
    date: pnl.accounts[0]?.date ?? '',
    at: pnl.as_of,
    net,
    gross: sum((account) => account.result.gross),
    known: sum((account) => account.result.gross_as_far_as_known),
    charges: sum((account) => account.result.charges),
    realised: sum((account) => account.result.realised),
    unrealised: sum((account) => account.result.unrealised),
    trades: pnl.accounts.reduce((/** @type {number} */ n, /** @type {any} */ account) => n + account.statistics.trades, 0),
    high: one ? pnl.accounts[0].statistics.realised_high_water : null,
    floor: one?.day?.floor ?? null,
    left: one?.day?.left ?? null,
    days: daysOf(risk),
    without: pnl.accounts.flatMap((/** @type {any} */ account) => account.result.without_a_price),
  };
}

/** @param {any} day */
function resultOf(day) {
  const shown = day.net ?? day.gross ?? day.known;
  const name = day.net !== null ? 'net' : day.gross !== null ? 'gross' : 'gross, as far as it is known';
  const way = direction(shown);
  const fact = (/** @type {string} */ label, /** @type {string} */ words, title = '') => h('div', { class: 'fact', title }, h('span', { class: 'label' }, label), h('span', { class: 'num' }, words));
  return [
    h('div', { class: `headline ${way === 1 ? 'gain' : way === -1 ? 'loss' : ''}` }, h('span', { class: 'num' }, rupees(shown, { signed: true })), h('span', { class: 'label' }, name)),
    h('div', { class: 'facts' },
      fact('Realised', rupees(day.realised, { signed: true })),
      fact('Unrealised', rupees(day.unrealised, { signed: true }), day.unrealised === null ? `no price: ${day.without.join(', ')}` : ''),
      fact('Charges', day.charges === null ? 'no plan set' : rupees(day.charges), day.charges === null ? 'charges_plan of the account says what its broker takes' : ''),
      fact('Trades closed', number(day.trades)),
      fact(...endOf(day.days, rupees(day.left)))),
  ];
}

/** @returns {any[]} @param {any} risk */
function usedOf(risk) {
  const rows = risk.accounts.flatMap((/** @type {any} */ account) => account.limits.map((/** @type {any} */ row) => ({ row, account })));
  return rows
    .filter((/** @type {any} */ { row }) => row.used !== null && row.limit !== 'capital_reserve')
    .map((/** @type {any} */ { row, account }) => {
      const used = typeof row.used === 'object' ? row.used.units : row.used;
      const words = limit(row.limit);
      const shown = (/** @type {unknown} */ value) => (words.unit === 'rupees' ? rupees(value, { whole: true }) : number(value));
      return { label: risk.accounts.length > 1 ? `${account.client_id}: ${words.word}` : words.word, part: part(used, row.in_force), words: `${shown(used)} of ${shown(row.in_force)}` };
    });
}

/** @param {any} account @param {any} position @param {any} own */
function shownPosition(account, position, own) {
  const { exchange, symbol, product } = position;
  const rule = position.exit_rules.find((/** @type {any} */ one) => one.strategy === own.strategy) ?? null;
  return {
    client_id: account.client_id, exchange, symbol, product, strategy: own.strategy, net: own.net,
    average_price: own.average_price, last_price: own.last_price, unrealised: own.unrealised, gross: own.gross,
    stop: rule?.is_on ? rule.stop?.price ?? null : null, target: rule?.is_on ? rule.target?.price ?? null : null,
    resting: rule?.is_on ? rule.resting ?? null : null, lives_because: rule?.lives_because ?? null, isStale: account.is_stale,
  };
}

/** The stop of a row, and where it lives: it makes a difference when this machine does not run. @param {any} row */
function stopCell(row) {
  if (row.stop === null) return price(null);
  const { resting } = row;
  const part = resting && resting.covers < Math.abs(row.net) ? `, for ${number(resting.covers)}` : '';
  const since = row.isStale ? ' when it was last read' : '';
  const where = resting ? `at the broker${since}${part}${resting.is_being_cancelled ? ', being cancelled' : ''}` : 'by ordergate';
  return h('span', { class: 'level-words' }, price(row.stop), h('small', { title: row.lives_because ?? undefined }, where));
}

/**
 * What an account has, or may have, beside what our strategies hold: flat are we, not the account.
 * @param {Reads['/dashboard/positions']['accounts'][number]} account @returns {string[]}
 */
function besideUs(account) {
  const { client_id, differences } = account;
  if (differences === null) return [`What the broker of ${client_id} shows was not read yet.`];
  const isOfInterest = (/** @type {Api.Difference} */ one) => !one.settles_by_itself && one.parts.some((part) => part.cause !== 'HELD_FOR_DELIVERY');
  const found = differences.filter(isOfInterest);
  const words = found.slice(0, BESIDE).map((one) => `The broker of ${client_id} shows ${number(one.broker)} in ${one.exchange}:${one.symbol} ${one.product}; our strategies hold ${number(one.ours)}.`);
  return found.length > BESIDE ? [...words, `And ${count(found.length - BESIDE, 'more', 'more')}: see Positions.`] : words;
}

/** What a row is of: no two rows have it in common. @param {any} row */
function rowKey(row) {
  return [row.client_id, row.strategy, row.exchange, row.symbol, row.product].join('|');
}

function positionTable() {
  return table('Positions', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Instrument', cell: (row) => instrument(row, row.whose), class: 'what' },
    { head: 'Strategy', cell: (row) => row.strategy },
    { head: 'Net', cell: (row) => number(row.net), num: true },
    { head: 'Average', cell: (row) => price(row.average_price), num: true },
    { head: 'Last', cell: (row) => price(row.last_price), num: true },
    { head: 'Result', cell: (row) => h('span', { class: way(row.gross) }, rupees(row.gross, { signed: true })), num: true },
    { head: 'Stop', cell: stopCell, num: true },
    { head: 'Target', cell: (row) => price(row.target), num: true },
    { head: 'Exit', quiet: true, cell: (row) => h('button', { type: 'button', class: 'small danger', data: { exit: '', focus: `exit${rowKey(row)}` }, 'aria-label': `Exit ${row.symbol} of ${row.strategy} in ${row.client_id}`, on: { click: () => exit(row) } }, 'Exit'), class: 'acts' },
  ]));
}

/** @param {unknown} value */
function way(value) {
  const sign = direction(value);
  return sign === 1 ? 'gain' : sign === -1 ? 'loss' : '';
}

/** The points of the line, kept by this window over reloads, for the day. @param {any} day */
function remember(day) {
  // One line is of one thing: where the charges are not known, of the result without them.
  const of = day.net === null ? 'gross' : 'net';
  const value = day[of];
  if (value === null) return;
  const kept = remembered(day);
  const last = kept[kept.length - 1];
  if (last && last.net === value && kept.length > 1) last.at = day.at;
  else kept.push({ at: day.at, net: value });
  sessionStorage.setItem('og_line', JSON.stringify({ date: day.date, of, points: kept.slice(-POINTS) }));
}

/** @param {any} day @returns {{ at: string, net: string }[]} */
function remembered(day) {
  try {
    const kept = JSON.parse(sessionStorage.getItem('og_line') ?? 'null');
    return kept?.date === day.date && kept.of === (day.net === null ? 'gross' : 'net') && Array.isArray(kept.points) && date(day.at) === day.date ? kept.points : [];
  } catch {
    return [];
  }
}
