// @ts-check
// Positions: our book and the broker's, what differs and why, what each strategy stands at, and how it is left.

import { get, ifMay, post } from './api.js';
import { fresh, h, keyed } from './dom.js';
import { often, on, single } from './live.js';
import { reach } from './charts.js';
import { direction, number, price, rupees } from './money.js';
import { span, wholeSeconds } from './time.js';
import { ask, badge, empty, panel, reason, table, trouble } from './parts.js';
import { editRule, exit, exitAll, pressed, ruleOff } from './acts.js';
import { instrument } from './orders.js';
import { cause } from './words.js';

/** More buttons than these are a wall. */
const WALL = 6;
/** A price that is older is shown with its age. */
const OLD_MS = 10_000;

/** @param {HTMLElement} root */
export async function page(root) {
  const problem = h('div', { class: 'problem' });
  const accounts = h('div', null);
  const tools = h('div', { class: 'tools' });
  root.append(
    h('h1', null, 'Positions'),
    problem,
    tools,
    accounts);
  /** @type {Map<string, ReturnType<typeof accountOf>>} */
  const made = new Map();
  const read = single(async () => {
    try {
      // The rules of whole strategies, and the untold prices, are for keys of every account and strategy.
      const [held, rules, told] = await Promise.all([get('/dashboard/positions'), ifMay('/dashboard/exit-rules'), ifMay('/dashboard/told-prices')]);
      problem.replaceChildren(rules && told ? '' : h('p', { class: 'hint' }, 'This key is for some accounts or strategies: the rules of whole strategies and what left without a price are not shown to it.'));
      fresh(tools, strategiesOf(held), () => [
        h('button', { type: 'button', class: 'danger', data: { focus: 'all' }, on: { click: () => exitAll(null) } }, 'Square off everything…'),
        ...eachStrategy(strategiesOf(held)),
      ]);
      for (const account of held.accounts) {
        let shown = made.get(account.client_id);
        if (!shown) {
          shown = accountOf(account.client_id);
          made.set(account.client_id, shown);
          accounts.append(shown.node);
        }
        const ofAccount = (/** @type {{ client_id: string }} */ one) => one.client_id === account.client_id;
        shown.show(account, rules?.accounts.find(ofAccount), told?.accounts.find(ofAccount)?.left ?? [], read);
      }
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  });
  on(['positions', 'pnl', 'orders'], read);
  often(read);
  await read();
}

/** A button for each; where they would be a wall, behind a word. @param {string[]} strategies */
function eachStrategy(strategies) {
  const buttons = strategies.map((strategy) => h('button', { type: 'button', data: { focus: strategy }, on: { click: () => exitAll(strategy) } }, `Square off ${strategy}…`));
  return buttons.length <= WALL ? buttons : [h('details', null, h('summary', null, `Square off one of ${strategies.length} strategies`), h('div', { class: 'tools' }, ...buttons))];
}

/** The strategies that hold more than one thing: those that have one are left by its row. @param {any} held @returns {string[]} */
function strategiesOf(held) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const account of held.accounts) {
    for (const position of account.positions) {
      for (const own of position.strategies) if (own.net !== 0) counts.set(own.strategy, (counts.get(own.strategy) ?? 0) + 1);
    }
  }
  return [...counts].filter(([, n]) => n > 1).map(([strategy]) => strategy).sort();
}

/** @param {string} client_id */
function accountOf(client_id) {
  const head = h('div', { class: 'facts' });
  const rows = positionTable();
  const none = h('div', null);
  const flat = h('details', null, h('summary', null, 'Closed today'), h('div', null));
  const closed = closedTable();
  flat.lastElementChild?.append(closed.node);
  const differences = h('ul', { class: 'differences' });
  const agree = h('div', null);
  const note = h('span', null);
  const left = leftTable(client_id);
  const unpriced = panel('Left without a price', [left.node], { note: 'closed elsewhere, or ended: what it realised counts once its price is told' });
  const node = h('div', null,
    panel(client_id, [head, rows.node, none, flat], { note }),
    unpriced,
    panel('Where the two books differ', [differences, agree], { note: 'ours against the broker’s' }));
  return {
    node,
    /**
     * @param {Reads['/dashboard/positions']['accounts'][number]} account
     * @param {Reads['/dashboard/exit-rules']['accounts'][number] | undefined} rules
     * @param {Api.LeftUnpriced[]} gone @param {() => void} after
     */
    show(account, rules, gone, after) {
      const { result } = account;
      const age = account.age_ms === null ? null : wholeSeconds(account.age_ms);
      fresh(note, [account.broker, account.prices, age], () => `${account.broker}${account.prices === 'SYNTHETIC' ? ', synthetic prices' : ''}; ${age === null ? 'its positions were not read yet' : `read ${age} ago`}`);
      fresh(head, result, () => [
        fact('Net', rupees(result.net, { signed: true }), way(result.net), result.net === null ? 'charges or a price are not known' : ''),
        fact('Gross', rupees(result.gross, { signed: true }), way(result.gross)),
        fact('Realised', rupees(result.realised, { signed: true }), way(result.realised)),
        fact('Unrealised', rupees(result.unrealised, { signed: true }), way(result.unrealised), '', oldOf(result.oldest_quote_age_ms)),
        fact('Charges', result.charges === null ? 'no plan set' : rupees(result.charges), ''),
      ]);
      const all = account.positions.flatMap((position) => position.strategies.map((own) => lineOf(account, position, own)));
      const open = all.filter((row) => row.net !== 0);
      const over = all.filter((row) => row.net === 0);
      keyed(rows.body, open, rowKey, (row) => rows.row(row, { tabindex: '0' }));
      rows.node.hidden = open.length === 0;
      const combined = rules?.combined ?? [];
      fresh(none, [open.length === 0, combined], () => [
        open.length === 0 ? empty('Flat: no strategy holds anything.') : null,
        ...combined.map((one) => h('p', { class: 'hint' }, `${one.strategy} as a whole: leaves at a loss of ${rupees(one.stop)} or a gain of ${rupees(one.target)}.`)),
      ]);
      keyed(closed.body, over, rowKey, (row) => closed.row(row));
      flat.hidden = over.length === 0;
      keyed(left.body, gone, (one) => String(one.row), (one) => left.row({ ...one, after }));
      unpriced.hidden = gone.length === 0;
      const found = account.differences ?? [];
      keyed(differences, found.map((one) => ({ ...one, owner: ownerOf(account, one) })), (one) => `${one.exchange}|${one.symbol}|${one.product}`, (one) => differenceOf(client_id, one, after));
      fresh(agree, [found.length, account.differences === null, account.is_stale && age], () => {
        if (account.differences === null) return empty('The broker’s positions were not read yet.');
        if (account.is_stale) return h('p', null, badge({ word: `${found.length ? 'what differs is' : 'the two books agreed'} as of ${age} ago: the broker was not read since`, kind: 'wait' }));
        return found.length ? null : h('p', null, badge({ word: 'the two books agree', kind: 'ok' }));
      });
    },
  };
}

/** @param {string} label @param {string} words @param {string} [kind] @param {string} [title] @param {string | null} [old] how old the price is that it stands at */
function fact(label, words, kind = '', title = '', old = null) {
  return h('div', { class: 'fact', title }, h('span', { class: 'label' }, label), h('span', { class: `num ${kind}` }, words), old ? h('small', { class: 'old' }, `at prices ${old}`) : null);
}

/**
 * How old a price is, where it is no price of now; in steps, so that a row is not made anew with each look at it.
 * @param {number | null} age_ms @returns {string | null}
 */
export function oldOf(age_ms) {
  if (age_ms === null || age_ms <= OLD_MS) return null;
  return age_ms < 60_000 ? `over ${span(OLD_MS)} old` : `${span(Math.floor(age_ms / 60_000) * 60_000)} old`;
}

/** @param {unknown} value */
function way(value) {
  const sign = direction(value);
  return sign === 1 ? 'gain' : sign === -1 ? 'loss' : '';
}

/** A price alone makes no row anew. @param {Api.ExitRule} rule @returns {Omit<Api.ExitRule, 'quote'>} */
function withoutQuote(rule) {
  const { quote: _, ...still } = rule;
  return still;
}

/** @typedef {ReturnType<typeof lineOf>} Row */

/** @param {Reads['/dashboard/positions']['accounts'][number]} account @param {Api.Position} position @param {Api.StrategyHolding} own */
function lineOf({ client_id, is_stale }, position, own) {
  const { exchange, symbol, product } = position;
  const rule = position.exit_rules.find((one) => one.strategy === own.strategy) ?? null;
  return {
    client_id, exchange, symbol, product, strategy: own.strategy, net: own.net, ours: position.ours, broker: position.broker,
    average_price: own.average_price, last_price: own.last_price, old: oldOf(own.quote_age_ms), gross: own.gross, net_result: own.net_result,
    charges: own.charges?.total ?? null, realised: own.realised, rule: rule ? withoutQuote(rule) : null, isStale: is_stale,
  };
}

/** What a row is of: no two rows have it in common. @param {Row} row */
function rowKey(row) {
  return [row.client_id, row.strategy, row.exchange, row.symbol, row.product].join('|');
}

function positionTable() {
  return table('Positions', /** @type {import('./parts.js').Column<Row>[]} */ ([
    { head: 'Instrument', cell: instrument, class: 'what' },
    { head: 'Strategy', cell: (row) => row.strategy },
    { head: 'Net', cell: (row) => number(row.net), num: true },
    { head: 'Broker', cell: (row) => h('span', { class: row.broker === row.ours ? '' : 'loss', title: 'All strategies together' }, row.broker === null ? '–' : `${row.broker === row.ours ? '' : '≠ '}${number(row.broker)}`), num: true },
    { head: 'Average', cell: (row) => price(row.average_price), num: true },
    { head: 'Last', cell: (row) => [price(row.last_price), row.old ? h('small', { class: 'old' }, row.old) : null], num: true },
    { head: 'Gross', cell: (row) => h('span', { class: way(row.gross) }, rupees(row.gross, { signed: true })), num: true },
    { head: 'Net of charges', cell: (row) => h('span', { class: way(row.net_result) }, rupees(row.net_result, { signed: true })), num: true },
    { head: 'Stop and target', cell: ruleOf, class: 'wide rule' },
    { head: 'What can be done', quiet: true, cell: buttonsOf, class: 'acts' },
  ]));
}

function closedTable() {
  return table('Closed today', /** @type {import('./parts.js').Column<Row>[]} */ ([
    { head: 'Instrument', cell: instrument, class: 'what' },
    { head: 'Strategy', cell: (row) => row.strategy },
    { head: 'Realised', cell: (row) => h('span', { class: way(row.realised) }, rupees(row.realised, { signed: true })), num: true },
    { head: 'Net of charges', cell: (row) => h('span', { class: way(row.net_result) }, rupees(row.net_result, { signed: true })), num: true },
  ]));
}

/** @typedef {Api.LeftUnpriced & { after: () => void }} Left */

/** @param {string} client_id */
function leftTable(client_id) {
  return table('Left without a price', /** @type {import('./parts.js').Column<Left>[]} */ ([
    { head: 'Day', cell: (one) => one.day },
    { head: 'Instrument', cell: instrument, class: 'what' },
    { head: 'Strategy', cell: (one) => one.strategy },
    { head: 'Units', cell: (one) => number(one.units), num: true },
    { head: 'Average', cell: (one) => price(one.average_price), num: true },
    { head: 'Left at', cell: (one) => (one.price === null ? badge({ word: 'not told', kind: 'doubt' }) : price(one.price)), num: true },
    { head: 'Realised', cell: (one) => h('span', { class: way(one.realised) }, rupees(one.realised, { signed: true })), num: true },
    { head: 'What can be done', quiet: true, cell: (one) => tellButton(client_id, one), class: 'acts' },
  ]));
}

/** @param {string} client_id @param {Left} one */
function tellButton(client_id, one) {
  const words = one.price === null ? 'Tell its price' : 'Tell another price';
  return h('button', { type: 'button', class: 'small', 'aria-label': `${words}: ${one.symbol} of ${one.strategy}`, data: { focus: `tell${one.row}` }, on: { click: () => tellPrice(client_id, one) } }, `${words}…`);
}

/** @param {string} client_id @param {Left} one */
function tellPrice(client_id, one) {
  ask({
    title: `At which price ${number(one.units)} ${one.symbol} left`,
    says: h('p', null, `${one.strategy} held them at ${price(one.average_price)}; they ${one.ended ? 'ended' : 'were closed elsewhere'} on ${one.day}. The result of that day counts what you tell here. No quantity is changed, and nothing is sent to the broker.`),
    fields: [
      { name: 'price', label: 'Rupees per unit', value: one.price ?? '', required: true, mode: 'decimal', hint: 'From the contract note. 0 for what ended worthless.' },
      { ...reason(), label: 'How you know' },
    ],
    yes: 'Tell this price',
    act: async (values) => {
      const answer = await post('/dashboard/told-prices', { client_id, row: one.row, price: values.price ?? '', reason: values.reason ?? '' });
      one.after();
      return answer.is_news ? answer.done : 'it was told before';
    },
  });
}

/** @param {Row} row */
function ruleOf(row) {
  const { rule } = row;
  if (!rule) return badge({ word: 'no rule: nothing watches it', kind: 'off' });
  if (!rule.is_on) return badge({ word: 'switched off', kind: 'wait' });
  const far = (/** @type {string} */ name, /** @type {Api.ExitLevel | null} */ level) => (level ? h('span', { class: 'level-words' }, `${name} ${price(level.price)}`, h('small', null, [level.points_away === null ? null : `${number(level.points_away)} away`, level.rupees_then === null ? null : `then ${rupees(level.rupees_then, { signed: true })}`].filter(Boolean).join(', '))) : null);
  const trail = rule.asked?.trailing;
  const { break_even: even, times } = rule.asked?.exits ?? {};
  return h('span', { class: 'rule-cell' },
    reach({ stop: rule.stop?.price ?? null, target: rule.target?.price ?? null, last: row.last_price, entry: rule.fill }),
    h('span', { class: 'rule-words' }, far('stop', rule.stop), far('target', rule.target)),
    rule.stop ? h('small', { title: rule.lives_because ?? undefined }, restsWords(rule.resting, row.isStale)) : null,
    trail ? h('small', null, `trails by ${trail.value} ${String(trail.kind).toLowerCase()}; began at ${price(rule.first_stop)}, best ${price(rule.best_price)}`) : null,
    even ? h('small', null, `the stop goes to the fill after a gain of ${even}`) : null,
    times ? h('small', null, `leaves at ${times}, whatever the price`) : null,
    rule.fired ? badge({ word: 'its exit is under way', kind: 'work' }) : null);
}

/**
 * Where a stop lives: it makes a difference when this machine does not run.
 * @param {Api.ExitRule['resting']} resting @param {boolean} isStale the broker was not read for too long to say that it does
 */
function restsWords(resting, isStale) {
  if (!resting) return 'the stop is kept by ordergate: it acts while ordergate runs';
  const levels = [`trigger ${price(resting.trigger)}`, resting.limit ? `limit ${price(resting.limit)}` : null].filter(Boolean).join(', ');
  return `${isStale ? 'the stop rested at the broker when it was last read' : 'the stop rests at the broker'}: ${levels}, for ${number(resting.covers)}${resting.is_being_cancelled ? '; it is being cancelled' : ''}`;
}

/** @param {Row} row */
function buttonsOf(row) {
  const button = (/** @type {string} */ words, /** @type {() => void} */ act, /** @type {import('./dom.js').Props} */ props = {}) =>
    h('button', { type: 'button', class: 'small', 'aria-label': `${words}: ${row.symbol} of ${row.strategy} in ${row.client_id}`, on: { click: act }, ...props, data: { focus: `${words}|${rowKey(row)}`, ...props.data } }, words);
  return h('span', { class: 'row-buttons' },
    button('Exit', () => exit(row), { class: 'small danger', data: { exit: '' } }),
    button(row.rule ? 'Rule' : 'Set a rule', () => editRule(row, row.rule)),
    row.rule?.is_on ? button('Off', () => ruleOff(row)) : null);
}

/**
 * The only strategy that holds what differs: whose it is, if it is anybody's here.
 * @param {Reads['/dashboard/positions']['accounts'][number]} account @param {Api.Difference} one @returns {string | null}
 */
function ownerOf(account, one) {
  const position = account.positions.find(({ exchange, symbol, product }) => exchange === one.exchange && symbol === one.symbol && product === one.product);
  const holders = (position?.strategies ?? []).filter((own) => own.net !== 0);
  return holders.length === 1 ? holders[0]?.strategy ?? null : null;
}

/** The reason of a verdict that is given by one press. */
const BY_ONE_PRESS = 'by one press';

/** @param {string} client_id @param {Api.Difference & { owner: string | null }} one @param {() => void} after */
function differenceOf(client_id, one, after) {
  const named = { client_id, exchange: one.exchange, symbol: one.symbol, product: one.product, difference: one.difference };
  const settles = one.settles_by_itself;
  const say = async (/** @type {string} */ verdict, /** @type {object} */ more) => (await post(`/dashboard/differences/${verdict}`, { ...named, ...more, reason: BY_ONE_PRESS })).done;
  const { owner, price: at } = one;
  const focus = `${client_id}|${one.exchange}|${one.symbol}|${one.product}`;
  return h('li', null,
    h('div', null,
      h('strong', null, `${one.exchange} ${one.symbol} ${one.product}`),
      h('span', null, `the broker shows ${number(one.broker)}, we hold ${number(one.ours)}`),
      badge(settles ? { word: 'settles by itself', kind: 'work' } : one.ignored ? { word: `left alone by ${one.ignored.who}`, kind: 'off' } : { word: `${number(one.difference)} not explained by us`, kind: 'doubt' })),
    h('ul', null, ...one.parts.map((part) => h('li', null, `${number(part.units)}: ${cause(part.cause)}`, part.evidence.length ? h('small', null, ` (${part.evidence.join('; ')})`) : null))),
    settles ? null : h('div', { class: 'row-buttons' },
      owner && at ? pressed(`Take it over for ${owner} at ${price(at)}`, `take|${focus}`, () => say('adopt', { strategy: owner, price: at }), after) : null,
      h('button', { type: 'button', class: 'small', data: { focus: `adopt|${focus}` }, on: { click: () => adopt(named, one) } }, 'A strategy takes it over…'),
      one.ignored ? null : pressed('Leave it alone', `ignore|${focus}`, () => say('ignore', {}), after)));
}

/** @param {any} named @param {Api.Difference} one */
function adopt(named, one) {
  ask({
    title: `Take over ${number(one.difference)} ${one.symbol} in ${named.client_id}`,
    says: h('p', null, 'Our record is changed, nothing is sent to the broker. From then on the strategy holds it: its exits close it.'),
    fields: [
      { name: 'strategy', label: 'Which strategy', required: true },
      { name: 'price', label: 'Price from which it counts', value: one.price ?? '', required: true, mode: 'decimal' },
      reason(),
    ],
    yes: 'Take it over',
    act: async (values) => (await post('/dashboard/differences/adopt', { ...named, ...values })).done,
  });
}
