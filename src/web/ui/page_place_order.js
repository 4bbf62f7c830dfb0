// @ts-check
// Place an order, or a basket: what is typed is judged while it is typed, by the gates that will judge it then.

import { actKey, get, post } from './api.js';
import { calm, fresh, h } from './dom.js';
import { number } from './money.js';
import { field, onePress, panel, trouble, valuesOf } from './parts.js';
import { aboutOf, basket } from './page_basket.js';
import { judge, tell, verdicts } from './page_judge.js';
import { accountChoice } from './shell.js';
import { dayOf } from './time.js';
import { modeOf } from './words.js';

/** So long the button rests after an order went. */
const HOLD_MS = 1_000;

/** @param {HTMLElement} root */
export async function page(root) {
  const asked = new URLSearchParams(location.search);
  const problem = h('div', { class: 'problem' });
  const found = h('ul', { class: 'found', id: 'found', 'aria-label': 'Instruments' });
  const chosen = h('div', { class: 'chosen' });
  const judged = verdicts();
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
  const lasts = field({ name: 'validity', label: 'How long', kind: 'select', options: [['DAY', 'the day'], ['IOC', 'at once or not at all']] });
  const account = h('div', null);
  const more = h('details', null, h('summary', null, 'Stop, target, trail and the rest'),
    h('div', { class: 'two' },
      field({ name: 'stop_loss', label: 'Stop', hint: 'A price, 12 points, or 1.5%.' }),
      field({ name: 'target', label: 'Target', hint: 'The same.' }),
      field({ name: 'stop_at', label: 'The stop is kept', kind: 'select', options: [['', 'as the account is set'], ['engine', 'by ordergate'], ['broker', 'at the broker: it rests there']] }),
      field({ name: 'trailing_type', label: 'The stop trails by', kind: 'select', options: [['', 'it does not trail'], ['POINTS', 'points'], ['PERCENT', 'percent']] }),
      field({ name: 'trailing_value', label: 'Trails by how much', mode: 'decimal' }),
      lasts,
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
  const legs = basket({ sent });
  root.append(
    h('h1', null, 'Place an order'),
    h('div', { class: 'columns even' },
      h('div', null, panel('The order', [form]), legs.node),
      h('div', null, panel('What would become of it', [judged.node], { note: 'nothing is written, nothing is sent' }), sent)));

  /** @type {any} */
  let instrument = null;
  /** The newest quote of it, as the gates told it. @type {any} */
  let quote = null;
  let key = actKey();
  let asking = 0;
  onePress(form, send);

  accountChoice(account, (only) => h('div', { class: 'field' }, h('span', { class: 'label strong' }, 'Account'), h('span', null, only ? `${only.client_id}: ${only.standing.mode === 'PAPER' ? 'PAPER, no money moves' : modeOf(only)}` : '')), () => showFields());

  /** What is typed, as the API takes it. @returns {Record<string, string>} */
  const typed = () => {
    const { search: name, lots: _, ...all } = valuesOf(form);
    /** @type {Record<string, string>} */
    const values = Object.fromEntries(Object.entries(all).filter(([own]) => !own.startsWith('choice-')));
    const type = values.order_type ?? 'MARKET';
    if (type === 'MARKET' || type === 'SLM') delete values.price;
    if (type === 'MARKET' || type === 'LIMIT') delete values.trigger_price;
    // A stop waits for its trigger: it is for the day.
    if (values.validity === 'DAY' || type === 'SL' || type === 'SLM') delete values.validity;
    if (!values.trailing_type) delete values.trailing_value;
    if (!values.stop_loss) delete values.stop_at;
    return { ...values, side: buy.value(), execution_type: intent.value(), product: product.value(), ...(instrument ? { exchange: instrument.exchange, symbol: instrument.symbol } : name ? { symbol: name } : {}) };
  };
  const showFields = () => {
    const type = /** @type {HTMLSelectElement} */ (form.elements.namedItem('order_type')).value;
    limitPrice.hidden = type === 'MARKET' || type === 'SLM';
    trigger.hidden = type === 'MARKET' || type === 'LIMIT';
    lasts.hidden = !trigger.hidden;
    lots.hidden = !instrument || Number(instrument.lot) <= 1;
    const whose = account.querySelector('select')?.value;
    send.textContent = `${buy.value() === 'BUY' ? 'Buy' : 'Sell'}${instrument ? ` ${instrument.symbol}` : ''}${whose ? ` in ${whose}` : ''}`;
    send.className = `primary ${buy.value() === 'BUY' ? 'buys' : 'sells'}`;
  };
  const look = async () => {
    const mine = ++asking;
    const order = typed();
    if (!instrument || !order.quantity) {
      judged.none('Choose an instrument and a size: every gate says what it would make of it.');
      return;
    }
    try {
      const answer = await judge([order]);
      if (mine !== asking) return;
      quote = answer.legs[0]?.quote ?? null;
      judged.show(answer);
    } catch (cause) {
      if (mine === asking) judged.fail(cause);
    }
  };
  const lookSoon = calm(250, look);
  const pick = (/** @type {any} */ one) => {
    instrument = one;
    search.value = one.symbol;
    found.replaceChildren();
    const quantity = /** @type {HTMLInputElement} */ (form.elements.namedItem('quantity'));
    const lot = Number(one.lot);
    if (lot > 1 && Number(quantity.value) % lot !== 0) quantity.value = String(lot);
    fresh(chosen, one, () => h('p', { class: 'hint' }, [one.exchange, plainKind(one), one.expiry ? `ends ${dayOf(one.expiry)}` : null, `lot ${number(one.lot)}`, `tick ${one.tick}`, one.freeze ? `at most ${number(one.freeze)} in one order` : null].filter(Boolean).join(' · ')));
    byLots();
    showFields();
    quote = null;
    key = actKey();
    look();
  };
  const byLots = () => {
    const quantity = /** @type {HTMLInputElement} */ (form.elements.namedItem('quantity'));
    const lot = Number(instrument?.lot ?? 1);
    const whole = Number(quantity.value) / lot;
    /** @type {HTMLInputElement} */ (form.elements.namedItem('lots')).value = lot > 1 && Number.isInteger(whole) ? String(whole) : '';
  };
  const find = calm(150, async () => {
    const words = search.value.trim();
    try {
      const answer = await get('/dashboard/symbols/search', { q: words, limit: words ? 12 : 6 });
      if (search.value.trim() !== words) return;
      const tradable = answer.instruments.filter((/** @type {any} */ one) => one.is_tradable);
      found.replaceChildren(...tradable.map((/** @type {any} */ one) => h('li', null, h('button', { type: 'button', on: { click: () => pick(one) } }, h('span', null, one.symbol), h('small', null, [one.exchange, plainKind(one), one.expiry ? dayOf(one.expiry) : null, Number(one.lot) > 1 ? `lot ${one.lot}` : null].filter(Boolean).join(' · '))))));
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
    // What was picked is meant no more: neither its name on the button nor its verdicts, and it is another act.
    instrument = null;
    key = actKey();
    chosen.replaceChildren();
    showFields();
    lookSoon();
    find();
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
    lookSoon();
  });
  showFields();
  look();
  setInterval(() => !document.hidden && instrument && look(), 3_000);
  const wanted = asked.get('symbol');
  if (!wanted) find();
  else {
    search.value = wanted;
    const read = await get('/dashboard/symbols/resolve', { symbol: wanted, exchange: asked.get('exchange') }).catch(() => null);
    if (read) pick(read.instrument);
  }

  async function sendOne() {
    problem.replaceChildren();
    const order = typed();
    if (!instrument) {
      problem.replaceChildren(trouble(new Error('Choose an instrument first.')));
      return;
    }
    send.disabled = true;
    try {
      const answer = await post('/dashboard/intent/generic', { ...order, idempotency_key: key });
      key = actKey();
      tell(sent, answer);
      // The next one is another order: it takes another press, not the rest of this one.
      setTimeout(() => { send.disabled = false; }, HOLD_MS);
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
      send.disabled = false;
    }
  }

  function add() {
    const order = typed();
    problem.replaceChildren();
    if (!instrument || !order.quantity) {
      problem.replaceChildren(trouble(new Error('Choose an instrument and a size first.')));
      return;
    }
    legs.add({ ...order, ...(instrument ? { about: aboutOf(instrument, quote, order.side) } : {}) });
  }
}

/** @param {any} one */
function plainKind(one) {
  return one.kind === 'EQUITY' ? 'share' : one.kind.toLowerCase();
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
