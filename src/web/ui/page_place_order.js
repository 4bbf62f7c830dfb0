// @ts-check
// Place an order, or a basket: what is typed is judged while it is typed, by the gates that will judge it then.

import { actKey, get, post } from './api.js';
import { payoff } from './charts.js';
import { calm, fresh, h, keyed } from './dom.js';
import { dec, mul, number, price, rupees, text } from './money.js';
import { badge, empty, field, panel, table, toast, trouble, valuesOf } from './parts.js';
import { side } from './orders.js';
import { onOverview } from './shell.js';
import { count, fate, gate, orderState } from './words.js';

const POLICIES = /** @type {[string, string][]} */ ([
  ['BEST_EFFORT', 'each by itself'],
  ['ALL_OR_UNWIND', 'all of them, or what filled is taken back'],
  ['HEDGE_FIRST', 'what is bought fills before anything is sold'],
  ['WAIT_FOR_FILL', 'each fills before the next goes'],
  ['EXIT_THEN_ENTER', 'exits fill before anything is entered'],
]);
const KEPT = 'og_basket';

/** @param {HTMLElement} root */
export async function page(root) {
  const asked = new URLSearchParams(location.search);
  const problem = h('div', { class: 'problem' });
  const found = h('ul', { class: 'found', id: 'found', 'aria-label': 'Instruments' });
  const chosen = h('div', { class: 'chosen' });
  const judged = h('div', { 'aria-live': 'polite' });
  const sent = h('div', { 'aria-live': 'polite' });
  const buy = choice('side', [['BUY', 'Buy'], ['SELL', 'Sell']], asked.get('side') ?? 'BUY');
  const intent = choice('execution_type', [['ENTRY', 'Entry'], ['EXIT', 'Exit']], 'ENTRY');
  const product = choice('product', [['MIS', 'MIS'], ['NRML', 'NRML'], ['CNC', 'CNC']], 'MIS');
  const search = h('input', { type: 'search', name: 'search', 'aria-label': 'Instrument', placeholder: 'RELIANCE, NIFTY 25700 CE, NIFTY weekly ATM CE…', autocomplete: 'off', spellcheck: 'false', data: { search: '' }, 'aria-controls': 'found' });
  const lots = field({ name: 'lots', label: 'Lots', mode: 'numeric' });
  const units = field({ name: 'quantity', label: 'Units', mode: 'numeric', value: '1', required: true });
  const kind = field({ name: 'order_type', label: 'How', kind: 'select', value: 'MARKET', options: [['MARKET', 'Market, protected'], ['LIMIT', 'Limit'], ['SL', 'Stop, then limit'], ['SLM', 'Stop, then market']] });
  const limitPrice = field({ name: 'price', label: 'Limit price', mode: 'decimal' });
  const trigger = field({ name: 'trigger_price', label: 'Trigger price', mode: 'decimal' });
  const account = h('div', null);
  const more = h('details', null, h('summary', null, 'Stop, target, trail and the rest'),
    h('div', { class: 'two' },
      field({ name: 'stop_loss', label: 'Stop', hint: 'A price, 12 points, or 1.5%.' }),
      field({ name: 'target', label: 'Target', hint: 'The same.' }),
      field({ name: 'trailing_type', label: 'The stop trails by', kind: 'select', options: [['', 'it does not trail'], ['POINTS', 'points'], ['PERCENT', 'percent']] }),
      field({ name: 'trailing_value', label: 'Trails by how much', mode: 'decimal' }),
      field({ name: 'validity', label: 'How long', kind: 'select', options: [['DAY', 'the day'], ['IOC', 'at once or not at all']] }),
      field({ name: 'cancel_after_s', label: 'Cancel if not filled after seconds', mode: 'numeric' }),
      field({ name: 'test_mode', label: 'A test', kind: 'select', options: [['', 'no: a real order'], ['SUCCESS', 'a test that fills'], ['FAILURE', 'a test that the broker refuses']], hint: 'A test walks the whole line and ends before the broker.' })));
  const send = h('button', { type: 'submit', class: 'primary' }, 'Send the order');
  const toBasket = h('button', { type: 'button', on: { click: () => add() } }, 'Add to the basket');
  const form = h('form', { class: 'place', on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); sendOne(); } } },
    h('div', { class: 'row' }, intent.node, buy.node, product.node),
    h('div', { class: 'field' }, h('span', { class: 'label strong' }, 'Instrument'), search, found, chosen),
    h('div', { class: 'three' }, units, lots, kind),
    h('div', { class: 'two' }, limitPrice, trigger),
    h('div', { class: 'two' }, field({ name: 'strategy', label: 'Strategy', value: asked.get('strategy') ?? 'manual', required: true, hint: 'Who owns it: entry and exit meet under this name.' }), account),
    more,
    problem,
    h('div', { class: 'buttons' }, toBasket, send));
  const basket = basketTable((index) => { legs.splice(index, 1); keep(); });
  const outlook = h('div', null);
  const basketPanel = panel('Basket', [basket.node, outlook, basketTools()], { note: 'judged together' });
  basketPanel.hidden = true;
  root.append(
    h('h1', null, 'Place an order'),
    h('div', { class: 'columns even' },
      h('div', null, panel('The order', [form]), basketPanel),
      h('div', null, panel('What would become of it', [judged], { note: 'nothing is written, nothing is sent' }), sent)));

  /** @type {any} */
  let instrument = null;
  /** @type {any[]} */
  let legs = JSON.parse(sessionStorage.getItem(KEPT) ?? '[]');
  let key = actKey();
  let asking = 0;

  onOverview((overview) => fresh(account, overview.accounts.map((/** @type {any} */ one) => [one.client_id, one.standing.mode]), () => (overview.accounts.length > 1
    ? field({ name: 'client_id', label: 'Account', kind: 'select', options: overview.accounts.map((/** @type {any} */ one) => [one.client_id, `${one.client_id} (${one.standing.mode})`]) })
    : h('div', { class: 'field' }, h('span', { class: 'label strong' }, 'Account'), h('span', null, `${overview.accounts[0]?.client_id ?? ''}: ${overview.accounts[0]?.standing.mode === 'PAPER' ? 'PAPER, no money moves' : overview.accounts[0]?.standing.mode ?? ''}`)))));

  /** What is typed, as the API takes it. @returns {Record<string, string>} */
  const typed = () => {
    const { search: name, lots: _, ...all } = valuesOf(form);
    /** @type {Record<string, string>} */
    const values = Object.fromEntries(Object.entries(all).filter(([own]) => !own.startsWith('choice-')));
    const type = values.order_type ?? 'MARKET';
    if (type === 'MARKET' || type === 'SLM') delete values.price;
    if (type === 'MARKET' || type === 'LIMIT') delete values.trigger_price;
    if (values.validity === 'DAY') delete values.validity;
    if (!values.trailing_type) delete values.trailing_value;
    return { ...values, side: buy.value(), execution_type: intent.value(), product: product.value(), ...(instrument ? { exchange: instrument.exchange, symbol: instrument.symbol } : name ? { symbol: name } : {}) };
  };
  const showFields = () => {
    const type = /** @type {HTMLSelectElement} */ (form.elements.namedItem('order_type')).value;
    limitPrice.hidden = type === 'MARKET' || type === 'SLM';
    trigger.hidden = type === 'MARKET' || type === 'LIMIT';
    lots.hidden = !instrument || Number(instrument.lot) <= 1;
    send.textContent = `${buy.value() === 'BUY' ? 'Buy' : 'Sell'}${instrument ? ` ${instrument.symbol}` : ''}`;
    send.className = `primary ${buy.value() === 'BUY' ? 'buys' : 'sells'}`;
  };
  const judge = async () => {
    const mine = ++asking;
    const order = typed();
    if (!order.symbol || !order.quantity) {
      fresh(judged, 'none', () => empty('Choose an instrument and a size: every gate says what it would make of it.'));
      return;
    }
    try {
      const answer = await post(`/dashboard/explain${order.client_id ? `?client_id=${encodeURIComponent(order.client_id)}` : ''}`, asAlert([order]));
      if (mine === asking) fresh(judged, answer.legs, () => answer.legs.map(explained));
    } catch (cause) {
      if (mine === asking) fresh(judged, String(cause), () => trouble(cause));
    }
  };
  const judgeSoon = calm(250, judge);
  const pick = (/** @type {any} */ one) => {
    instrument = one;
    search.value = one.symbol;
    found.replaceChildren();
    const quantity = /** @type {HTMLInputElement} */ (form.elements.namedItem('quantity'));
    const lot = Number(one.lot);
    if (lot > 1 && Number(quantity.value) % lot !== 0) quantity.value = String(lot);
    fresh(chosen, one, () => h('p', { class: 'hint' }, [one.exchange, plainKind(one), one.expiry ? `ends ${one.expiry}` : null, `lot ${number(one.lot)}`, `tick ${one.tick}`, one.freeze ? `at most ${number(one.freeze)} in one order` : null].filter(Boolean).join(' · ')));
    byLots();
    showFields();
    judge();
  };
  const byLots = () => {
    const quantity = /** @type {HTMLInputElement} */ (form.elements.namedItem('quantity'));
    const lot = Number(instrument?.lot ?? 1);
    const whole = Number(quantity.value) / lot;
    /** @type {HTMLInputElement} */ (form.elements.namedItem('lots')).value = lot > 1 && Number.isInteger(whole) ? String(whole) : '';
  };
  const look = calm(150, async () => {
    const words = search.value.trim();
    try {
      const answer = await get('/dashboard/symbols/search', { q: words, limit: words ? 12 : 6 });
      if (search.value.trim() !== words) return;
      const tradable = answer.instruments.filter((/** @type {any} */ one) => one.is_tradable);
      found.replaceChildren(...tradable.map((/** @type {any} */ one) => h('li', null, h('button', { type: 'button', on: { click: () => pick(one) } }, h('span', null, one.symbol), h('small', null, [one.exchange, plainKind(one), one.expiry, Number(one.lot) > 1 ? `lot ${one.lot}` : null].filter(Boolean).join(' · '))))));
      if (tradable.length === 0 && words) {
        // A selector (NIFTY weekly ATM CE) is no name in the list, and means one.
        const read = await get('/dashboard/symbols/resolve', { symbol: words }).catch(() => null);
        if (search.value.trim() !== words) return;
        found.replaceChildren(read ? h('li', null, h('button', { type: 'button', on: { click: () => pick(read.instrument) } }, h('span', null, read.instrument.symbol), h('small', null, `read by: ${read.by}`))) : h('li', { class: 'empty' }, 'Nothing of today is called so.'));
      }
    } catch (cause) {
      found.replaceChildren(h('li', null, trouble(cause)));
    }
  });
  search.addEventListener('input', () => {
    instrument = null;
    chosen.replaceChildren();
    look();
  });
  search.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown') /** @type {HTMLElement | null} */ (found.querySelector('button'))?.focus();
    if (event.key === 'Enter' && !instrument) {
      event.preventDefault();
      /** @type {HTMLElement | null} */ (found.querySelector('button'))?.click();
    }
  });
  form.addEventListener('input', (event) => {
    const target = /** @type {HTMLInputElement} */ (event.target);
    if (target === search) return;
    if (target.name === 'lots' && instrument && /^\d+$/.test(target.value)) {
      /** @type {HTMLInputElement} */ (form.elements.namedItem('quantity')).value = String(Number(target.value) * Number(instrument.lot));
    }
    if (target.name === 'quantity') byLots();
    // Something else is asked for: it is another act.
    key = actKey();
    showFields();
    judgeSoon();
  });
  showFields();
  judge();
  showBasket();
  setInterval(() => !document.hidden && instrument && judge(), 3_000);
  const wanted = asked.get('symbol');
  if (!wanted) look();
  else {
    search.value = wanted;
    const read = await get('/dashboard/symbols/resolve', { symbol: wanted, exchange: asked.get('exchange') }).catch(() => null);
    if (read) pick(read.instrument);
  }

  async function sendOne() {
    problem.replaceChildren();
    const order = typed();
    if (!order.symbol) {
      problem.replaceChildren(trouble(new Error('Choose an instrument first.')));
      return;
    }
    send.disabled = true;
    try {
      const answer = await post('/dashboard/intent/generic', { ...order, idempotency_key: key });
      key = actKey();
      told(answer);
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    } finally {
      send.disabled = false;
    }
  }

  /** @param {any} answer */
  function told(answer) {
    const orders = answer.orders ?? [];
    sent.prepend(panel('Sent', orders.map((/** @type {any} */ order) => follow(order))));
    while (sent.children.length > 4) sent.lastElementChild?.remove();
  }

  function add() {
    const order = typed();
    problem.replaceChildren();
    if (!order.symbol || !order.quantity) {
      problem.replaceChildren(trouble(new Error('Choose an instrument and a size first.')));
      return;
    }
    legs.push(order);
    keep();
    toast(`in the basket: ${count(legs.length, 'order')}`);
  }

  function keep() {
    sessionStorage.setItem(KEPT, JSON.stringify(legs));
    showBasket();
  }

  function showBasket() {
    basketPanel.hidden = legs.length === 0;
    fresh(outlook, legs, () => outlookOf(legs));
    keyed(basket.body, legs.map((leg, index) => ({ leg, index })), ({ index }) => String(index), (row) => basket.row(row));
  }

  function basketTools() {
    const note = h('div', { class: 'problem' });
    const policy = field({ name: 'policy', label: 'How they go together', kind: 'select', options: POLICIES });
    const chosenPolicy = () => /** @type {HTMLSelectElement} */ (policy.querySelector('select')).value;
    let basketKey = actKey();
    const all = h('button', {
      type: 'button', class: 'primary', on: {
        click: async () => {
          all.disabled = true;
          note.replaceChildren();
          try {
            const { client_id } = legs[0] ?? {};
            const orders = legs.map(({ client_id: _, about: __, ...leg }) => leg);
            told(await post('/dashboard/intent/basket', { ...(client_id ? { client_id } : {}), policy: chosenPolicy(), orders, idempotency_key: basketKey }));
            basketKey = actKey();
            legs = [];
            keep();
          } catch (cause) {
            note.replaceChildren(trouble(cause));
          } finally {
            all.disabled = false;
          }
        },
      },
    }, 'Send the basket');
    const check = h('button', {
      type: 'button', on: {
        click: async () => {
          try {
            const answer = await post('/dashboard/explain', { ...asAlert(legs), policy: chosenPolicy() });
            judged.replaceChildren(...answer.legs.map(explained));
          } catch (cause) {
            note.replaceChildren(trouble(cause));
          }
        },
      },
    }, 'What would become of it');
    return h('div', null, policy, note, h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'quiet', on: { click: () => { legs = []; keep(); } } }, 'Empty it'), check, all));
  }
}

/** What option legs of one underlying and one day come to at their end. @param {any[]} legs */
function outlookOf(legs) {
  const about = legs.map((leg) => leg.about);
  const isOne = about.every((one) => one && one.premium && one.underlying === about[0].underlying && one.expiry === about[0].expiry);
  if (legs.length === 0 || !isOne) return null;
  return payoff(legs.map((leg) => ({ ...leg.about, units: Number(leg.quantity) * (leg.side === 'BUY' ? 1 : -1) })));
}

/** @param {any} one */
function plainKind(one) {
  return one.kind === 'EQUITY' ? 'share' : one.kind.toLowerCase();
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
 * One of a few, as buttons.
 * @param {string} name @param {[string, string][]} options @param {string} value
 */
function choice(name, options, value) {
  const node = h('fieldset', { class: 'choice' }, h('legend', { class: 'unseen' }, name.replace(/_/g, ' ')),
    ...options.map(([own, words]) => h('label', { class: `option ${own.toLowerCase()}` }, h('input', { type: 'radio', name: `choice-${name}`, value: own, checked: own === value }), h('span', null, words))));
  return { node, value: () => /** @type {HTMLInputElement | null} */ (node.querySelector('input:checked'))?.value ?? value };
}

/** @param {any} leg */
function explained(leg) {
  const said = fate(leg.fate);
  const { terms } = leg;
  const refused = leg.gates.filter((/** @type {any} */ one) => !one.passed);
  const passed = leg.gates.filter((/** @type {any} */ one) => one.passed);
  const shown = terms?.price ?? null;
  const value = dec(shown) && terms ? text(mul(/** @type {any} */ (dec(shown)), { n: BigInt(terms.quantity), s: 0 })) : null;
  return h('div', { class: 'explained' },
    h('div', { class: 'big' }, badge(said)),
    leg.reason ? h('p', null, leg.reason) : null,
    terms ? h('p', null, h('strong', null, `${terms.side} ${number(terms.quantity)} ${leg.ask?.symbol ?? ''} ${terms.product} ${terms.order_type}`), terms.price ? ` at ${price(terms.price)}` : '', terms.trigger_price ? `, trigger ${price(terms.trigger_price)}` : '', value ? `: ${rupees(value)}` : '') : null,
    leg.request ? h('details', null, h('summary', null, 'The exact request to the broker'), h('pre', null, leg.request)) : null,
    refused.length ? gateList(refused) : null,
    h('details', null, h('summary', null, refused.length ? `${count(passed.length, 'gate')} would let it through` : `All ${passed.length} gates would let it through`), gateList(passed)),
    leg.unknown?.length ? h('details', null, h('summary', null, 'What cannot be known before'), h('ul', null, ...leg.unknown.map((/** @type {string} */ words) => h('li', null, words)))) : null);
}

/** @param {any[]} gates */
function gateList(gates) {
  return h('ul', { class: 'gates' }, ...gates.map((one) => h('li', null, badge({ word: gate(one.gate), kind: one.passed ? 'ok' : 'bad' }), h('small', null, `${one.input} (limit: ${one.limit})`))));
}

/** An order that was just sent, followed until it has ended. @param {any} first */
function follow(first) {
  const node = h('div', { class: 'followed' });
  const show = (/** @type {any} */ order) => fresh(node, [order.status, order.tag, order.filled_quantity, order.broker_order_id], () => [
    h('a', { href: `order.html?id=${order.command_id}` }, side(order.side), ` ${number(order.quantity)} ${order.symbol}`),
    badge(orderState(order)),
    order.reason && order.status === 'FAILED' ? h('small', null, order.reason) : null,
    order.average_price ? h('small', null, `average ${price(order.average_price)}`) : null,
  ]);
  show(first);
  let left = 40;
  const again = async () => {
    if (!node.isConnected || left-- === 0) return;
    const answer = await get(`/dashboard/orders/${first.command_id}`).catch(() => null);
    if (answer) show(answer.order);
    if (!answer || (answer.order.status !== 'EXECUTED' && answer.order.status !== 'FAILED')) setTimeout(again, 400);
  };
  setTimeout(again, 100);
  return node;
}

/** @param {(index: number) => void} drop */
function basketTable(drop) {
  return table('Basket', /** @type {import('./parts.js').Column<any>[]} */ ([
    { head: 'Instrument', cell: ({ leg }) => h('span', { class: 'symbol' }, leg.symbol, h('small', null, [leg.execution_type, leg.product, leg.strategy].join(' · '))), class: 'what' },
    { head: 'Side', cell: ({ leg }) => side(leg.side) },
    { head: 'Units', cell: ({ leg }) => number(leg.quantity), num: true },
    { head: 'Price', cell: ({ leg }) => (leg.price ? price(leg.price) : 'at market'), num: true },
    { head: 'Take out', quiet: true, cell: ({ index }) => h('button', { type: 'button', class: 'small', 'aria-label': `Take order ${index + 1} out of the basket`, on: { click: () => drop(index) } }, 'Take out'), class: 'acts' },
  ]));
}
