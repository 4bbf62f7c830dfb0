// What a person does, from the first start to the kill control and back, with the paper broker.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Browser, Engine, KEY, SECRET, Simulator, known, until } from './lib.mjs';

let engine;
let browser;

before(async () => {
  engine = await known().start();
  browser = await Browser.open();
});
after(async () => {
  await browser.close();
  await engine.close();
});

const choose = async (page, symbol) => {
  await page.getByRole('searchbox', { name: 'Instrument' }).fill(symbol);
  await page.locator('#found button', { hasText: symbol }).first().click();
};
const confirm = (page, name) => page.locator('dialog[open]').getByRole('button', { name, exact: true }).click();
const state = (page) => page.locator('.order-head .badge').innerText();

test('from the first start to the first filled order, by mouse alone', async () => {
  const first = await new Engine().start();
  const fresh = await Browser.open();
  try {
    const link = await until('the first start prints the link', () => /http:\/\/\S+\/dashboard\/web\/login\.html#token=\S+/.exec(first.said)?.[0]);
    await fresh.page.goto(link);
    await fresh.page.waitForURL('**/index.html');
    assert.ok(!fresh.page.url().includes('token'), 'the token stays in no address');
    await fresh.page.getByRole('link', { name: 'Place the first one' }).click();
    await fresh.page.locator('#found button').first().click();
    await fresh.page.locator('.explained .badge.ok', { hasText: 'would be sent' }).waitFor();
    await fresh.page.locator('form.place button[type=submit]').click();
    await fresh.page.locator('.followed .badge.ok', { hasText: 'filled 1 of 1' }).waitFor();
    await fresh.page.locator('.followed a').click();
    await fresh.page.locator('.order-head .badge.ok').waitFor();
    assert.match(await fresh.page.locator('.rows', { hasText: 'Verdict' }).innerText(), /passed/);
    await fresh.page.getByRole('link', { name: 'Home' }).first().click();
    await fresh.page.locator('main tr', { hasText: 'Exit' }).first().waitFor();
    assert.deepEqual(fresh.troubles, []);
  } finally {
    await fresh.close();
    await first.close();
  }
});

test('an order is placed, changed and cancelled', async () => {
  const page = await browser.open(engine, 'place_order.html');
  await choose(page, 'SBIN-EQ');
  await page.getByLabel('How', { exact: true }).selectOption('LIMIT');
  await page.getByLabel('Limit price', { exact: true }).fill('800');
  await page.getByLabel('Units', { exact: true }).fill('10');
  await page.locator('.explained', { hasText: 'BUY 10 SBIN-EQ MIS LIMIT at 800.00: ₹8,000.00' }).waitFor();
  await page.locator('form.place button[type=submit]').click();
  await page.locator('.followed .badge', { hasText: 'at broker' }).waitFor();
  await page.locator('.followed a').click();
  await page.getByRole('button', { name: /^Change/ }).click();
  await page.locator('dialog[open]').getByLabel('Limit price').fill('801');
  await page.locator('dialog[open]').getByLabel('Units', { exact: true }).fill('12');
  await confirm(page, 'Change the order');
  await until('the change is at the broker', async () => /Price asked\s+801\.00/.test(await page.locator('.pairs').innerText()));
  assert.match(await page.locator('h1').innerText(), /BUY 12 SBIN-EQ/);
  await page.getByRole('button', { name: /^Cancel/ }).click();
  await confirm(page, 'Cancel the order');
  await until('it is cancelled', async () => (await state(page)).includes('cancelled by you'));
  assert.equal(await page.locator('.badge', { hasText: 'FAILED' }).count(), 0, 'never a bare FAILED');
  assert.match(await page.locator('.waterfall').innerText(), /written down[\s\S]* ms/);
});

test('what is written over a picked instrument is not sent as that one', async () => {
  const page = await browser.open(engine, 'place_order.html');
  await choose(page, 'SBIN-EQ');
  await page.getByLabel('Units', { exact: true }).fill('10');
  await page.locator('.explained', { hasText: 'SBIN-EQ' }).waitFor();
  const before = (await engine.get('/dashboard/orderbook')).system_total;
  const search = page.getByRole('searchbox', { name: 'Instrument' });
  await search.fill('INFY');
  await until('neither the button nor the verdicts name the one before', async () => !/SBIN/.test(await page.locator('form.place button[type=submit]').innerText()) && !/SBIN/.test(await page.locator('.explained').first().innerText().catch(() => '')));
  await page.locator('form.place button[type=submit]').click();
  await page.getByText('Choose an instrument first.').waitFor();
  assert.equal((await engine.get('/dashboard/orderbook')).system_total, before, 'nothing was sent');
});

test('what was sent is followed by the news of it, for as long as it takes', async () => {
  const page = await browser.open(engine, 'place_order.html');
  // Whoever asks for it anew is told what was so at first.
  let first;
  await page.route('**/dashboard/orders/*', async (route) => {
    first ??= await (await route.fetch()).text();
    await route.fulfill({ contentType: 'application/json', body: first });
  });
  await choose(page, 'SBIN-EQ');
  await page.getByLabel('How', { exact: true }).selectOption('LIMIT');
  await page.getByLabel('Limit price', { exact: true }).fill('800');
  await page.getByLabel('Units', { exact: true }).fill('6');
  await page.getByLabel('Strategy').fill('patient');
  await page.locator('form.place button[type=submit]').click();
  await page.locator('.followed .badge', { hasText: 'at broker' }).waitFor();
  const { system_orders: orders } = await engine.get('/dashboard/orderbook?limit=200');
  const { command_id: id } = orders.find(({ strategy }) => strategy === 'patient');
  const asked = { execution_type: 'ENTRY', strategy_name: 'nobody-yet', legs: [{ exchange: 'NSE', tradingsymbol: 'SBIN-EQ', direction: 'BUY', qty: '6', product_type: 'MIS', order_type: 'MARKET' }] };
  const { body: explained } = await engine.post('/dashboard/explain', asked);
  const changed = await engine.post(`/dashboard/orders/${id}/modify`, { price: String(Math.ceil(Number(explained.legs[0].quote.ask) * 1.002)) });
  assert.ok(changed.status < 300, JSON.stringify(changed.body));
  await page.locator('.followed .badge.ok', { hasText: 'filled 6 of 6' }).waitFor();
  await page.unroute('**/dashboard/orders/*');
});

test('a double click is one order, and the next one takes another press', async () => {
  await engine.order({ symbol: 'INFY-EQ', quantity: '20', strategy: 'twice' });
  const page = await browser.open(engine, 'place_order.html?strategy=twice');
  await choose(page, 'INFY-EQ');
  await page.getByText('Exit', { exact: true }).click();
  await page.getByText('Sell', { exact: true }).click();
  await page.getByLabel('Units', { exact: true }).fill('5');
  const send = page.locator('form.place button[type=submit]');
  await page.locator('.explained .badge.ok', { hasText: 'would be sent' }).waitFor();
  // Both in the page: the second comes at its time however busy this process is.
  await send.evaluate((button) => { button.click(); setTimeout(() => button.click(), 150); });
  await page.locator('.followed .badge.ok', { hasText: 'filled 5 of 5' }).waitFor();
  const exits = async () => (await engine.get('/dashboard/orderbook?limit=200')).system_orders.filter((order) => order.strategy === 'twice' && order.side === 'SELL').length;
  await until('the button can be pressed again', () => send.isEnabled());
  assert.equal(await exits(), 1);
  await send.click();
  await until('that is another order', async () => (await exits()) === 2);
});

test('a basket whose answer was lost is the same basket after the page was loaded anew', async () => {
  const page = await browser.open(engine, 'place_order.html?strategy=once');
  await choose(page, 'SBIN-EQ');
  await page.getByLabel('Units', { exact: true }).fill('4');
  await page.getByRole('button', { name: 'Add to the basket' }).click();
  await page.getByLabel('How they go together').selectOption('WAIT_FOR_FILL');
  await page.route('**/dashboard/intent/basket', async (route) => {
    await route.fetch();
    await route.abort();
  }, { times: 1 });
  await browser.inTrouble(async () => {
    await page.getByRole('button', { name: 'Send the basket' }).click();
    await page.locator('#basket .trouble', { hasText: 'it may have arrived' }).waitFor();
  });
  await page.reload();
  await page.locator('#basket tbody tr', { hasText: 'once' }).waitFor();
  assert.equal(await page.getByLabel('How they go together').inputValue(), 'WAIT_FOR_FILL');
  await page.getByRole('button', { name: 'Send the basket' }).click();
  await page.locator('.followed .badge.ok', { hasText: 'filled 4 of 4' }).waitFor();
  const { system_orders: orders } = await engine.get('/dashboard/orderbook?limit=200');
  assert.equal(orders.filter(({ strategy }) => strategy === 'once').length, 1);
});

test('rows with the same key are each there once, and gone when they are gone', async () => {
  const page = await browser.open(engine, 'needs_you.html');
  const drawn = await page.evaluate(async () => {
    const { keyed } = await import('/dashboard/web/dom.js');
    const list = document.createElement('ul');
    document.body.append(list);
    const draw = (...texts) => {
      keyed(list, texts, () => 'same', (text) => Object.assign(document.createElement('li'), { textContent: text, tabIndex: 0 }));
      return [...list.children].map((node) => node.textContent);
    };
    const all = [draw('a', 'b'), draw('a', 'c'), draw('d', 'c', 'e')];
    list.lastElementChild.focus();
    all.push(draw('d', 'c', 'f'), [document.activeElement.textContent], draw('f'), draw());
    list.remove();
    return all;
  });
  assert.deepEqual(drawn, [['a', 'b'], ['a', 'c'], ['d', 'c', 'e'], ['d', 'c', 'f'], ['f'], ['f'], []]);
});

test('what a gate refuses is told with its number before and after it is sent', async () => {
  const page = await browser.open(engine, 'place_order.html');
  await choose(page, 'RELIANCE-EQ');
  await page.getByLabel('Units', { exact: true }).fill('100000');
  await page.locator('.explained .badge.bad', { hasText: 'would be refused' }).waitFor();
  await page.locator('form.place button[type=submit]').click();
  await page.locator('.followed', { hasText: 'refused by ordergate: a risk limit' }).waitFor();
  await page.locator('.followed a').click();
  await page.locator('.why').waitFor();
  assert.match(await page.locator('.why').innerText(), /Why .*100000[\s\S]*What you can do/);
  assert.equal(await page.locator('.rows .badge.bad', { hasText: 'refused' }).count() > 0, true);
});

test('a rejection by the broker is shown with the broker’s own words', async () => {
  const simulator = await new Simulator().start();
  const there = await known(simulator.env).start();
  const own = await Browser.open();
  try {
    await simulator.fault({ route: 'PlaceOrder', fault: 'reject', text: 'Rejected : RED:Margin Shortfall:INR 12.00 Available:INR 0.00' });
    const order = await there.order({ symbol: 'SBIN-EQ', strategy: 'poor' });
    const page = await own.open(there, `order.html?id=${order.command_id}`);
    await until('it has ended', async () => (await state(page)).includes('rejected by the broker'));
    assert.match(await page.locator('.why').innerText(), /Margin Shortfall:INR 12\.00/);
    await page.locator('.journal', { hasText: 'Margin Shortfall' }).waitFor();
    await own.open(there, 'order_book.html');
    await page.getByRole('button', { name: /rejected by the broker/ }).click();
    await page.locator('.ours tbody tr', { hasText: 'Margin Shortfall' }).waitFor();
    assert.deepEqual(own.troubles, []);
  } finally {
    await own.close();
    await there.close();
    simulator.close();
  }
});

test('a basket is judged and sent together', async () => {
  const page = await browser.open(engine, 'place_order.html');
  for (const symbol of ['INFY-EQ', 'M&M-EQ']) {
    await choose(page, symbol);
    await page.getByLabel('Units', { exact: true }).fill('5');
    await page.getByLabel('Strategy', { exact: true }).fill('pair');
    await page.getByRole('button', { name: 'Add to the basket' }).click();
  }
  const basket = page.locator('section', { has: page.getByRole('heading', { name: 'Basket' }) });
  assert.equal(await basket.locator('tbody tr').count(), 2);
  await basket.getByLabel('How they go together').selectOption('ALL_OR_UNWIND');
  await basket.getByRole('button', { name: 'Send the basket' }).click();
  await until('both are filled', async () => (await page.locator('.followed .badge.ok').count()) === 2);
});

test('a basket of several strategies is not judged as one of them', async () => {
  const page = await browser.open(engine, 'place_order.html');
  for (const strategy of ['one', 'other']) {
    await choose(page, 'INFY-EQ');
    await page.getByLabel('Units', { exact: true }).fill('5');
    await page.getByLabel('Strategy', { exact: true }).fill(strategy);
    await page.getByRole('button', { name: 'Add to the basket' }).click();
  }
  const basket = page.locator('section', { has: page.getByRole('heading', { name: 'Basket' }) });
  await basket.getByText('These are of several strategies').waitFor();
  assert.equal(await basket.locator('.explained').count(), 0);
  await basket.getByRole('button', { name: 'Take out order 2' }).click();
  await basket.locator('.explained').waitFor();
  await page.getByRole('button', { name: 'Empty it' }).click();
});

test('an option is found by what it is, sized in lots, and filled', async () => {
  const page = await browser.open(engine, 'place_order.html');
  await page.getByText('NRML', { exact: true }).click();
  await page.getByLabel('Strategy', { exact: true }).fill('options');
  await page.getByRole('searchbox', { name: 'Instrument' }).fill('NIFTY weekly ATM CE');
  await page.locator('#found button', { hasText: 'read by' }).click();
  await page.getByLabel('Lots', { exact: true }).fill('2');
  assert.equal(await page.getByLabel('Units', { exact: true }).inputValue(), '130');
  await page.locator('.explained .badge.ok', { hasText: 'would be sent' }).waitFor();
  await page.locator('form.place button[type=submit]').click();
  await page.locator('.followed .badge.ok', { hasText: 'filled 130 of 130' }).waitFor();
});

test('option legs show what they come to at their end before anything is sent', async () => {
  const page = await browser.open(engine, 'place_order.html');
  await page.getByText('NRML', { exact: true }).click();
  await page.getByLabel('How', { exact: true }).selectOption('LIMIT');
  for (const [side, premium] of [['C', '10'], ['P', '12']]) {
    await page.getByRole('searchbox', { name: 'Instrument' }).fill('NIFTY 25700');
    await page.locator('#found button', { hasText: `${side}25700` }).first().click();
    await page.getByLabel('Limit price', { exact: true }).fill(premium);
    await page.getByRole('button', { name: 'Add to the basket' }).click();
  }
  const drawn = page.getByRole('img', { name: /At their end/ });
  // 65 units of each, 22 rupees of premium: 1,430 are lost at the strike, and won back 22 points away from it.
  assert.equal(await drawn.getAttribute('aria-label'), 'At their end: most without limit, least −₹1,430.00, even at 25,678.00 and 25,722.00.');
  await page.getByRole('button', { name: 'Empty it' }).click();
});

test('a spread is built in the option chain by key and by mouse, its outlook drawn, judged, sent and filled', async () => {
  const page = await browser.open(engine, 'option_chain.html?strategy=spread');
  const near = page.locator('.chain tr.near');
  await near.waitFor();
  const strike = (await near.locator('th').innerText()).split('\n')[0];
  await near.getByRole('button', { name: /^Buy NIFTY.* at / }).first().focus();
  await page.keyboard.press('Enter');
  await page.locator('#basket tbody tr').waitFor();
  assert.match(await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? ''), /^Buy NIFTY/, 'the focus stays where the hand is');
  await near.locator('xpath=following-sibling::tr[2]').getByRole('button', { name: /^Sell NIFTY/ }).first().click();
  await until('two legs', async () => (await page.locator('#basket tbody tr').count()) === 2);
  const facts = page.locator('.payoff .facts');
  await facts.waitFor();
  // A bought call and a sold one above it: bounded on both sides, even at one price above the strike.
  const [won, lost, even] = await Promise.all([0, 1, 2].map((at) => facts.locator('.fact .num').nth(at).innerText()));
  assert.match(won, /^\+₹/);
  assert.match(lost, /^−₹/);
  const value = (text) => Number(text.replace(/[^\d.]/g, ''));
  assert.ok(value(even) > value(strike), `${even} is above ${strike}`);
  await page.getByLabel('Lots of order 1').fill('2');
  await page.getByLabel('Lots of order 1').press('Enter');
  await until('an uneven spread wins without limit', async () => (await facts.locator('.fact .num').first().innerText()) === 'without limit');
  await page.getByLabel('Lots of order 1').fill('1');
  await page.getByLabel('Lots of order 1').press('Enter');
  await page.locator('#basket .explained .badge.ok', { hasText: 'would be sent' }).nth(1).waitFor();
  assert.match(await page.locator('#basket .pairs.sum').innerText(), /All legs take[\s\S]*Available[\s\S]*the paper account’s figure[\s\S]*Charges/);
  assert.deepEqual(await browser.axe(), []);
  await page.getByRole('button', { name: 'Send the basket' }).click();
  await until('both are filled', async () => (await page.locator('.followed .badge.ok', { hasText: 'filled 65 of 65' }).count()) === 2);
  await page.locator('#basket', { hasText: 'A price puts a leg in here' }).waitFor();
});

test('what is no underlying shows no chain of another', async () => {
  const page = await browser.open(engine, 'option_chain.html');
  await page.locator('.chain tr.near').waitFor();
  await browser.inTrouble(async () => {
    await page.getByLabel('Underlying').fill('NOSUCH');
    await page.getByLabel('Underlying').press('Enter');
    await page.locator('.trouble', { hasText: 'NOSUCH' }).waitFor();
    assert.equal(await page.locator('.chain tbody tr').count(), 0);
    await page.getByLabel('Underlying').fill('NIFTY');
    await page.getByLabel('Underlying').press('Enter');
    await page.locator('.chain tr.near').waitFor();
  });
  assert.equal(await page.locator('.trouble').count(), 0);
});

test('an order shows what it takes and is charged before it is sent, and whose figure that is', async () => {
  const page = await browser.open(engine, 'place_order.html');
  await choose(page, 'SBIN-EQ');
  await page.getByLabel('Units', { exact: true }).fill('10');
  const money = page.locator('.explained .pairs.money');
  await money.waitFor();
  assert.match(await money.innerText(), /Price now[\s\S]*asked[\s\S]*Takes[\s\S]*by estimate, 25 % of its value; the broker decides[\s\S]*Available[\s\S]*the paper account’s figure[\s\S]*Charges[\s\S]*₹[\s\S]*if it fills at/);
  await page.getByText('CNC', { exact: true }).click();
  await until('a delivery is paid in full', async () => /Takes[\s\S]*in full/.test(await money.innerText()));
});

test('the settings say where each was said, and no secret', async () => {
  const page = await browser.open(engine, 'settings.html');
  await page.getByRole('searchbox').fill('watcher.poll_ms');
  const row = page.locator('main tbody tr');
  await until('one row fits', async () => (await row.count()) === 1);
  assert.match(await row.innerText(), /200[\s\S]*environment[\s\S]*ORDERGATE__WATCHER__POLL_MS/);
  await page.getByRole('searchbox').fill('');
  await page.getByLabel('only what differs from the default').check();
  await page.locator('main tbody tr', { hasText: 'set, not shown' }).first().waitFor();
  const told = JSON.stringify(await engine.get('/dashboard/config'));
  await page.getByLabel('only what differs from the default').uncheck();
  const shown = await page.locator('body').innerText();
  for (const secret of [KEY, SECRET]) {
    assert.ok(!told.includes(secret) && !shown.includes(secret), 'a secret is shown');
  }
});

test('a position gets a rule, and is left in part and whole', async () => {
  await engine.order({ symbol: 'INFY-EQ', quantity: '20', strategy: 'swing' });
  const page = await browser.open(engine, 'positions.html');
  const row = page.locator('main tr', { hasText: 'swing' });
  await row.getByRole('button', { name: /^Set a rule/ }).click();
  await page.locator('dialog[open]').getByLabel('Stop', { exact: true }).fill('5%');
  await page.locator('dialog[open]').getByLabel('Target', { exact: true }).fill('100 points');
  await confirm(page, 'Set the rule');
  await row.locator('.reach').waitFor();
  await row.getByRole('button', { name: /^Exit/ }).click();
  await page.locator('dialog[open]').getByLabel('Units', { exact: true }).fill('5');
  await confirm(page, 'Exit');
  await until('fifteen are left', async () => (await row.locator('td').nth(2).innerText()) === '15');
  await row.getByRole('button', { name: /^Exit/ }).click();
  await confirm(page, 'Exit');
  await until('it is flat', async () => (await page.locator('table[class=rows] tbody tr[tabindex]', { hasText: 'swing' }).count()) === 0);
});

test('a target of a standing rule is changed, and all the rest of the rule stays', async () => {
  const terms = { stop_loss: '2%', stop_at: 'broker', target: '100 points', trailing_type: 'ABSOLUTE', trailing_value: '20', trailing_after: '30 points', break_even: '40 points', exit_at: '1200 minutes' };
  await engine.order({ symbol: 'INFY-EQ', quantity: '3', strategy: 'ruled', ...terms });
  const asked = async () => (await engine.get('/dashboard/exit-rules')).accounts[0].rules.find(({ strategy }) => strategy === 'ruled')?.asked;
  const before = await until('the rule stands', asked);
  assert.deepEqual([before.exits.stop_at, before.exits.times, before.trailing.kind], ['broker', '1200 minutes', 'ABSOLUTE']);
  const page = await browser.open(engine, 'positions.html');
  const row = page.locator('main tr[tabindex]', { hasText: 'ruled' });
  await until('the row says all of it', async () => /the stop goes to the fill after a gain of 40 points[\s\S]*leaves at 1200 minutes/.test(await row.innerText()));
  await row.getByRole('button', { name: /^Rule/ }).click();
  const dialog = page.locator('dialog[open]');
  assert.equal(await dialog.getByLabel('The stop is kept').inputValue(), 'broker');
  await dialog.getByLabel('Target', { exact: true }).fill('95 points');
  await confirm(page, 'Set the rule');
  await until('the target is another', async () => (await asked()).target === '95 points');
  assert.deepEqual(await asked(), { ...before, target: '95 points' });
  await row.getByRole('button', { name: /^Rule/ }).click();
  await dialog.getByLabel('Leaves at, whatever the price').fill('');
  await confirm(page, 'Set the rule');
  await until('what was emptied is no part of it', async () => (await asked()).exits.times === undefined);
  assert.equal((await asked()).exits.break_even, '40 points');
});

test('of an order that was sent and has no number nothing is said that nobody knows', async () => {
  const order = await engine.order({ symbol: 'INFY-EQ', order_type: 'LIMIT', price: '1400', strategy: 'in-doubt' });
  const page = await browser.open(engine, 'index.html');
  let doubt = { tag: 'SEND_UNCONFIRMED', broker_order_id: null };
  await page.route(`**/dashboard/orders/${order.command_id}`, async (route) => {
    const answer = await (await route.fetch()).json();
    await route.fulfill({ json: { ...answer, order: { ...answer.order, ...doubt } } });
  });
  const dialog = page.locator('dialog[open]');
  for (const [shown, words] of [
    [{ tag: 'SEND_UNCONFIRMED', broker_order_id: null }, /^Whether the broker has it is not known/],
    [{ tag: null, broker_order_id: null }, /^Whether the broker has it is not known/],
    [{ tag: null, broker_order_id: null, status: 'CREATED', sent_at: null }, /^It is not at the broker yet/],
    [{}, /^It is at the broker under /],
  ]) {
    doubt = shown;
    await browser.open(engine, `order.html?id=${order.command_id}`);
    await page.getByRole('button', { name: /^Cancel/ }).click();
    assert.match(await dialog.locator('p').first().innerText(), words);
    await page.keyboard.press('Escape');
  }
  await page.unroute(`**/dashboard/orders/${order.command_id}`);
  await engine.post(`/dashboard/orders/${order.command_id}/cancel`, { reason: 'seen' });
});

test('an age moves on, an old price is shown with its age, and what is shown is what is saved', async () => {
  await engine.order({ symbol: 'RELIANCE-EQ', quantity: '3', strategy: 'aging' });
  const page = await browser.open(engine, 'index.html');
  let age_ms = 1_000;
  const item = { client_id: 'PAPER1', kind: 'in_doubt', text: 'whether it is at the broker is not known', command_id: null, since: '2026-01-05T05:00:00Z', actions: [], more: null };
  await page.route('**/dashboard/attention*', (route) => route.fulfill({ json: { count: 1, items: [{ ...item, age_ms }], as_of: item.since } }));
  await browser.open(engine, 'needs_you.html');
  await page.locator('main li.task time', { hasText: 'just now' }).waitFor();
  age_ms = 600_000;
  await engine.order({ symbol: 'RELIANCE-EQ', quantity: '1', strategy: 'aging' });
  await page.locator('main li.task time', { hasText: '10 min ago' }).waitFor();
  await page.unroute('**/dashboard/attention*');

  await page.route('**/dashboard/positions', async (route) => {
    const answer = await (await route.fetch()).json();
    for (const account of answer.accounts) {
      account.result.oldest_quote_age_ms = 1_800_000;
      for (const own of account.positions.flatMap((position) => position.strategies)) own.quote_age_ms = 1_800_000;
    }
    await route.fulfill({ json: answer });
  });
  await browser.open(engine, 'positions.html');
  const row = page.locator('main tr[tabindex]', { hasText: 'aging' });
  await row.locator('.old', { hasText: '30 min old' }).waitFor();
  await page.locator('.fact', { hasText: 'Unrealised' }).locator('.old', { hasText: 'at prices 30 min old' }).waitFor();
  await page.unroute('**/dashboard/positions');
  await row.getByRole('button', { name: /^Exit/ }).click();
  await page.locator('dialog[open]').getByLabel('Units').fill('');
  await confirm(page, 'Exit');
  assert.equal(await page.locator('dialog[open] input:invalid').count(), 1, 'an empty size is not all of it');
  await page.keyboard.press('Escape');

  await browser.open(engine, 'order_book.html');
  const search = page.getByRole('searchbox', { name: 'Filter the orders' });
  await search.fill('aging');
  await until('the filter has been taken', async () => (await page.locator('.panel.ours tbody tr').count()) === 2);
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save what is shown (CSV)' }).click()]);
  const lines = readFileSync(await file.path(), 'utf8').split('\r\n');
  assert.deepEqual([lines.length, lines.slice(1).every((line) => line.includes('aging'))], [3, true]);
});

test('what needs a person is changed in fields of its own, and an exit is asked for anew after each answer', async () => {
  const order = await engine.order({ symbol: 'INFY-EQ', order_type: 'LIMIT', price: '1400', quantity: '8', strategy: 'stuck' });
  const { next_actions: actions } = await engine.get(`/dashboard/orders/${order.command_id}`);
  const change = actions.find(({ label }) => label === 'change');
  assert.deepEqual(change.body, { quantity: '<units>', price: '<rupees>' }, 'no figure of when the list was read');
  const again = { label: 'exit it again', method: 'POST', path: '/dashboard/positions/exit', body: { client_id: 'PAPER1', strategy: 'stuck', exchange: 'NSE', symbol: 'INFY-EQ', product: 'MIS' } };
  const item = { client_id: 'PAPER1', kind: 'not_flat', text: 'stuck INFY-EQ: 8 of 8 units rest at 1400', command_id: order.command_id, since: order.created_at, age_ms: 1, actions: [change, again], more: null };
  const page = await browser.open(engine, 'index.html');
  await page.route('**/dashboard/attention*', (route) => route.fulfill({ json: { count: 1, items: [item], as_of: order.created_at } }));
  await browser.open(engine, 'needs_you.html');
  const dialog = page.locator('dialog[open]');
  await page.getByRole('button', { name: 'Change…' }).click();
  assert.deepEqual(await dialog.locator('input').evaluateAll((inputs) => inputs.map(({ name, value }) => [name, value])), [['price', ''], ['quantity', '']]);
  await dialog.getByLabel('Price in rupees').fill('1398');
  await confirm(page, 'Do it');
  await until('the price is another, and nothing else', async () => {
    const { order: now } = await engine.get(`/dashboard/orders/${order.command_id}`);
    return now.price === '1398' && now.quantity === 8;
  });
  const keys = [];
  const refused = { status: 'BLOCKED', replayed: false, orders: [{ ...order, status: 'FAILED', tag: 'EXITS_FROZEN', words: 'exits are frozen', reason: 'by asha', remedy: 'thaw the exits' }] };
  await page.route('**/dashboard/positions/exit', (route) => {
    keys.push(route.request().postDataJSON().idempotency_key);
    return keys.length === 1 ? route.abort() : route.fulfill({ status: 202, json: refused });
  });
  await page.getByRole('button', { name: 'Exit it again…' }).click();
  await browser.inTrouble(async () => {
    for (let sent = 1; sent <= 3; sent += 1) {
      await confirm(page, 'Do it');
      await until('it is told', async () => keys.length === sent && (await dialog.locator('.trouble').count()) === 1);
    }
  });
  assert.ok(keys[0] && keys[0] === keys[1], 'what was not answered is asked for under the same key');
  assert.notEqual(keys[1], keys[2], 'what was answered is not told again for ever');
  await page.keyboard.press('Escape');
  await page.unroute('**/dashboard/attention*');
  await page.unroute('**/dashboard/positions/exit');
  await engine.post(`/dashboard/orders/${order.command_id}/cancel`, { reason: 'seen' });
});

test('a stop that rests at the broker is shown as one', async () => {
  await engine.order({ symbol: 'RELIANCE-EQ', quantity: '4', strategy: 'guarded', stop_loss: '2%', stop_at: 'broker' });
  const page = await browser.open(engine, 'positions.html');
  const row = page.locator('main tr[tabindex]', { hasText: 'guarded' });
  await until('it rests', async () => /the stop rests at the broker: trigger [\d,.]+.*, for 4/.test(await row.innerText()));
  await engine.order({ symbol: 'RELIANCE-EQ', quantity: '3', strategy: 'watched', stop_loss: '2%' });
  const home = await browser.open(engine, 'index.html');
  const words = (strategy) => home.locator('main tr:has(button[data-exit])', { hasText: strategy }).innerText();
  await until('the first page says so too', async () => /[\d,.]+\s+at the broker/.test(await words('guarded')));
  await until('and of the other whose it is', async () => /[\d,.]+\s+by ordergate/.test(await words('watched')));
});

test('kill of one strategy names it, is proven by what it holds, and says what stays', async () => {
  for (const strategy of ['to-stop', 'bystander']) await engine.order({ symbol: 'INFY-EQ', quantity: '2', strategy });
  const page = await browser.open(engine, 'index.html');
  await page.locator('main tr', { hasText: 'to-stop' }).waitFor();
  await page.keyboard.press('k');
  const dialog = page.locator('dialog.kill-dialog');
  await dialog.getByText('Also square off').click();
  const hold = dialog.getByRole('button', { name: /Hold/ });
  assert.match(await hold.innerText(), /level 3 for everything/);
  await dialog.locator('optgroup option', { hasText: 'to-stop' }).waitFor({ state: 'attached' });
  await dialog.getByLabel('For whom').selectOption({ label: 'to-stop' });
  assert.match(await hold.innerText(), /level 3 for to-stop in PAPER1 alone/);
  const box = await hold.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await dialog.locator('.proof').waitFor();
  await page.mouse.up();
  await dialog.getByRole('heading', { name: /to-stop in PAPER1 alone/ }).waitFor();
  await dialog.locator('.proof-state .badge.ok', { hasText: 'to-stop is flat' }).waitFor();
  assert.match(await dialog.innerText(), /still holds, of other strategies: .*2 INFY-EQ \(bystander\)/);
  const [account] = (await engine.get('/dashboard/positions')).accounts;
  const held = account.positions.flatMap((position) => position.strategies).filter(({ net }) => net !== 0).map(({ strategy }) => strategy);
  assert.ok(held.includes('bystander') && !held.includes('to-stop'), JSON.stringify(held));
  await dialog.getByRole('button', { name: 'Close' }).click();
  await engine.post('/dashboard/kill', { level: 0, strategy: 'to-stop', reason: 'seen' });
});

test('kill squares off with its proof, refuses entries, and is armed again', async () => {
  await engine.order({ symbol: 'SBIN-EQ', quantity: '3', strategy: 'to-kill' });
  await engine.order({ symbol: 'SBIN-EQ', order_type: 'LIMIT', price: '800', strategy: 'waits' });
  const page = await browser.open(engine, 'index.html');
  await page.locator('main tr', { hasText: 'to-kill' }).waitFor();
  await page.keyboard.press('k');
  const dialog = page.locator('dialog.kill-dialog');
  await dialog.getByText('Also square off').click();
  // A click is not enough: it wants to be held.
  await dialog.getByRole('button', { name: /Hold/ }).click();
  assert.equal((await engine.get('/dashboard/overview')).accounts[0].kill_level, 0);
  const box = await dialog.getByRole('button', { name: /Hold/ }).boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await dialog.locator('.proof').waitFor();
  await page.mouse.up();
  await dialog.locator('.proof-state .badge.ok', { hasText: 'Flat' }).waitFor();
  assert.match(await dialog.innerText(), /Proven by the broker’s books read at \d\d:\d\d:\d\d IST/);
  const positions = await engine.get('/dashboard/positions');
  assert.ok(positions.accounts[0].positions.every((position) => position.ours === 0 && position.broker === 0), JSON.stringify(positions));
  await dialog.getByRole('button', { name: 'Close' }).click();
  const banner = page.locator('.banner', { hasText: 'also square off' });
  await banner.waitFor();
  const refused = await engine.order({ symbol: 'SBIN-EQ', strategy: 'too-late' });
  assert.equal(refused.tag, 'KILL_SWITCH');
  // A lower level, held by mistake, takes nothing down, and the dialog says what stands.
  await page.keyboard.press('k');
  await dialog.getByText(/Stands already: level 3 in/).waitFor();
  const again = await dialog.getByRole('button', { name: /level 1/ }).boundingBox();
  await page.mouse.move(again.x + again.width / 2, again.y + again.height / 2);
  await page.mouse.down();
  await dialog.getByText(/level 3 stood already, and stays/).waitFor();
  await page.mouse.up();
  assert.equal((await engine.get('/dashboard/overview')).accounts[0].kill_level, 3);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await banner.getByRole('button', { name: /Arm again/ }).click();
  await page.locator('dialog[open]').getByLabel('Why').fill('the cause is gone');
  await confirm(page, 'Arm again');
  await banner.waitFor({ state: 'detached' });
  assert.equal((await engine.order({ symbol: 'SBIN-EQ', strategy: 'goes-again', quantity: '1' })).status, 'EXECUTED');
});

test('what came of a press is told also to who has left its window', async () => {
  await engine.order({ symbol: 'SBIN-EQ', quantity: '2', strategy: 'left-early' });
  const page = await browser.open(engine, 'positions.html');
  const refused = { status: 503, contentType: 'application/json', body: JSON.stringify({ code: 'not_confirmed', detail: 'the disk does not answer', remedy: 'look at the disk' }) };
  let answer;
  const asked = async (path) => {
    const came = new Promise((done) => { answer = done; });
    await page.route(path, async (route) => {
      await came;
      await route.fulfill(refused);
    });
  };
  const toast = page.locator('.toast.bad');
  await asked('**/dashboard/positions/exit');
  await page.locator('main tr', { hasText: 'left-early' }).getByRole('button', { name: /^Exit/ }).click();
  await confirm(page, 'Exit');
  await page.locator('dialog[open]').getByRole('button', { name: 'Close: it is on its way' }).click();
  await browser.inTrouble(async () => {
    answer();
    await toast.filter({ hasText: 'Exit SBIN-EQ in PAPER1: the disk does not answer. What to do: look at the disk' }).waitFor();
  });
  await page.unroute('**/dashboard/positions/exit');

  await asked('**/dashboard/kill');
  await page.keyboard.press('k');
  const box = await page.locator('dialog.kill-dialog').getByRole('button', { name: /Hold/ }).boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.locator('dialog.kill-dialog').getByText('Asked: level 1 for everything: no answer yet').waitFor();
  await page.mouse.up();
  await page.keyboard.press('Escape');
  await browser.inTrouble(async () => {
    answer();
    await toast.filter({ hasText: 'Kill, level 1 for everything: the disk does not answer. What to do: look at the disk' }).waitFor();
  });
  await page.unroute('**/dashboard/kill');
});

test('a key that is held on kills once, and the window with the proof stops nothing', async () => {
  const page = await browser.open(engine, 'index.html');
  const asked = [];
  page.on('request', (request) => request.method() === 'POST' && request.url().endsWith('/dashboard/kill') && asked.push(request.postDataJSON().level));
  const holdOn = async (times) => {
    for (let n = 0; n < times; n += 1) {
      await page.keyboard.down('k');
      await page.waitForTimeout(100);
    }
  };
  const dialog = page.locator('dialog.kill-dialog');
  await page.route('**/dashboard/kill', (route) => route.fulfill({ status: 503, contentType: 'application/json', body: JSON.stringify({ detail: 'the disk does not answer' }) }));
  await browser.inTrouble(async () => {
    await holdOn(45);
    await dialog.locator('.trouble').waitFor();
  });
  assert.deepEqual(asked, [1], 'what was refused is asked for anew by another press alone');
  await page.unroute('**/dashboard/kill');
  await page.keyboard.up('k');
  await holdOn(25);
  await dialog.locator('.proof-state .badge.ok').waitFor();
  await holdOn(25);
  await page.keyboard.up('k');
  await page.keyboard.press('3');
  await holdOn(15);
  await page.keyboard.up('k');
  assert.deepEqual(asked, [1, 1]);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await engine.post('/dashboard/kill', { level: 0, reason: 'seen' });
});

test('keys reach what a hand needs', async () => {
  const page = await browser.open(engine, 'positions.html');
  await page.locator('main tr[tabindex]').first().waitFor();
  await page.keyboard.press('?');
  await page.locator('dialog[open]', { hasText: 'the kill control' }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.locator('dialog[open] h2', { hasText: 'Exit' }).waitFor();
  await page.keyboard.press('Escape');
  await browser.open(engine, 'order_book.html');
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('type')), 'search');
});

test('a route is written, its message copied, a sample explained and tested', async () => {
  const page = await browser.open(engine, 'connect.html');
  await page.getByRole('button', { name: 'A new route' }).click();
  const dialog = page.locator('dialog[open]');
  await dialog.getByLabel('Name').fill('trend');
  await dialog.getByLabel('Strategy that owns').fill('charts');
  await confirm(page, 'Write it');
  await page.locator('main tr', { hasText: 'trend' }).waitFor();
  await page.getByLabel('Instrument on the chart').fill('NSE:INFY');
  await page.locator('.copied pre', { hasText: '/webhook/PAPER1/{secret}' }).waitFor();
  await until('the sample is there', async () => (await page.getByLabel('A message as the sender sends it').inputValue()).includes('INFY'));
  await page.getByRole('button', { name: 'What would become of it' }).click();
  await page.locator('.explained .badge.ok', { hasText: 'would be sent' }).waitFor();
  await page.getByRole('button', { name: 'Send a test' }).click();
  await page.locator('main', { hasText: 'a test' }).locator('a', { hasText: 'INFY-EQ' }).waitFor();
});

test('a route whose stop is changed keeps all that it was', async () => {
  const written = { name: 'lean', strategy: 'lean', direction: 'long', action: 'BUY', adds: 2, stop_loss: '1%', product: 'NRML' };
  const answer = await engine.send('PUT', '/dashboard/routes', { client_id: 'PAPER1', reason: 'as the alert says', route: written });
  assert.ok(answer.status < 300, JSON.stringify(answer.body));
  const route = async () => {
    const { version, ...own } = (await engine.get('/dashboard/routes')).routes.find(({ name }) => name === 'lean');
    return { version, own };
  };
  const before = await route();
  const page = await browser.open(engine, 'connect.html');
  await page.getByRole('button', { name: 'Change lean in PAPER1' }).click();
  const dialog = page.locator('dialog[open]');
  await dialog.getByRole('heading', { name: 'Route lean in PAPER1' }).waitFor();
  await dialog.getByLabel('Stop', { exact: true }).fill('2%');
  await dialog.getByLabel('Why').fill('wider');
  await confirm(page, 'Write it');
  await until('the stop is changed', async () => (await route()).own.stop_loss === '2%');
  const after = await route();
  assert.deepEqual(after.own, { ...before.own, stop_loss: '2%' });
  assert.ok(after.version > before.version);
});

test('a limit is set otherwise for a time, and that is ended', async () => {
  const page = await browser.open(engine, 'risk.html');
  await page.getByRole('button', { name: 'Override…: Open orders' }).click();
  const dialog = page.locator('dialog[open]');
  await dialog.getByLabel('What shall hold').fill('7');
  await dialog.getByLabel('Why').fill('a quiet day');
  await confirm(page, 'Set it');
  const line = page.locator('.lines li', { hasText: 'Open orders: 7' });
  await line.waitFor();
  await line.getByRole('button', { name: /End it/ }).click();
  await dialog.getByLabel('Why').fill('enough');
  await confirm(page, 'End it');
  await line.waitFor({ state: 'detached' });
});

test('after the engine was killed and started again the page shows every row, without being loaded again', async () => {
  const page = await browser.open(engine, 'order_book.html');
  await engine.order({ symbol: 'INFY-EQ', order_type: 'LIMIT', price: '1400', strategy: 'before-the-crash' });
  await page.locator('.ours tbody tr', { hasText: 'before-the-crash' }).waitFor();
  await page.evaluate(() => { window.notLoadedAgain = true; });
  await browser.inTrouble(async () => {
    await engine.kill();
    await page.locator('#feed .badge', { hasText: 'no connection' }).waitFor();
    await engine.start();
    await engine.order({ symbol: 'INFY-EQ', order_type: 'LIMIT', price: '1401', strategy: 'after-the-crash' });
    await page.locator('.ours tbody tr', { hasText: 'after-the-crash' }).waitFor();
    await page.locator('#feed .badge', { hasText: /live|every 2 s/ }).waitFor();
  });
  const { system_orders: orders } = await engine.get('/dashboard/orderbook?limit=200');
  await until('every row is there', async () => (await page.locator('.ours tbody tr').count()) === orders.length);
  for (const order of orders) assert.equal(await page.locator(`.ours tr[data-key="${order.command_id}"]`).count(), 1, order.command_id);
  assert.equal(await page.evaluate(() => window.notLoadedAgain), true);
});

test('an account is armed by its typed name, and an entry waits for a yes', async () => {
  const drilled = await known({ ORDERGATE__ACCOUNT__ARMING: 'required', ORDERGATE__ACCOUNT__APPROVAL_LIMIT_S: '600', ORDERGATE__ENGINE__ENTRY_TTL_MS: '600000' }).start();
  const own = await Browser.open();
  try {
    const page = await own.open(drilled, 'accounts.html');
    await page.locator('.mode.paper', { hasText: 'PAPER, a drill: disarmed' }).waitFor();
    await page.getByRole('button', { name: 'Arm…', exact: true }).click();
    const dialog = page.locator('dialog[open]');
    await dialog.getByLabel('Why').fill('the open');
    await dialog.getByLabel('Type PAPER1').fill('PAPER2');
    await own.inTrouble(() => dialog.getByRole('button', { name: 'Arm', exact: true }).click());
    await own.inTrouble(() => dialog.locator('.trouble', { hasText: 'look at the report' }).waitFor());
    await dialog.getByLabel('Type PAPER1').fill('PAPER1');
    await dialog.getByRole('button', { name: 'Arm', exact: true }).click();
    await page.locator('.mode.paper', { hasText: 'PAPER, a drill: each entry asks you' }).waitFor();
    const { body } = await drilled.post('/dashboard/intent/generic', { strategy: 'asks', execution_type: 'ENTRY', exchange: 'NSE', symbol: 'SBIN-EQ', side: 'BUY', quantity: '5', product: 'MIS', order_type: 'MARKET' });
    await own.open(drilled, 'approvals.html');
    const waiting = page.locator('main li.task', { hasText: 'SBIN-EQ' });
    await waiting.locator('strong', { hasText: 'left' }).waitFor();
    await drilled.post('/dashboard/intent/generic', { strategy: 'other', execution_type: 'ENTRY', exchange: 'NSE', symbol: 'RELIANCE-EQ', side: 'BUY', quantity: '2', product: 'MIS', order_type: 'LIMIT', price: '1390' });
    await page.locator('main li.task', { hasText: 'RELIANCE-EQ' }).waitFor();
    await waiting.getByRole('button', { name: /^Yes…/ }).click();
    // Two baskets wait: the window says which of them, of whose, what it comes to, and how old the price is by which it does.
    await until('the window says what a yes is to', async () => /^Say yes to 1 order of asks in PAPER1\n[\s\S]*BUY 5 SBIN-EQ MIS at market\s+about ₹[\d,.]+, at the last price of [\d,.]+, \d+ s old[\s\S]*\d+:\d\d left/.test(await dialog.innerText()));
    assert.doesNotMatch(await dialog.innerText(), /RELIANCE/);
    assert.equal(await dialog.getByLabel('Why').inputValue(), '', 'the reason is the person’s own');
    assert.deepEqual(await own.axe(), []);
    await dialog.getByLabel('Why').fill('looked at it');
    await confirm(page, 'Say yes');
    await until('it is filled', async () => (await drilled.get(`/dashboard/orders/${body.orders[0].command_id}`)).order.status === 'EXECUTED');
    await waiting.waitFor({ state: 'detached' });
    await own.open(drilled, 'needs_you.html');
    const need = page.locator('main li.task', { hasText: 'BUY 2 RELIANCE-EQ MIS at 1390: ₹2,780' });
    await need.getByRole('button', { name: 'Approve…' }).click();
    await until('the same is said where it needs somebody', async () => /^Approve in PAPER1\n[\s\S]*other: BUY 2 RELIANCE-EQ MIS at 1390: ₹2,780/.test(await dialog.innerText()));
    await dialog.getByLabel('Why').fill('looked at it too');
    await confirm(page, 'Do it');
    await need.waitFor({ state: 'detached' });
    await own.open(drilled, 'approvals.html');
    await page.locator('main', { hasText: 'Nothing waits for your yes' }).waitFor();
    const { body: other } = await drilled.post('/dashboard/intent/generic', { strategy: 'asks', execution_type: 'ENTRY', exchange: 'NSE', symbol: 'INFY-EQ', side: 'BUY', quantity: '5', product: 'MIS', order_type: 'MARKET' });
    await page.locator('main li.task', { hasText: 'INFY-EQ' }).getByRole('button', { name: /^No…/ }).click();
    assert.deepEqual(await own.axe(), []);
    await confirm(page, 'Say no');
    await until('it is refused, and says by whom', async () => {
      const { order } = await drilled.get(`/dashboard/orders/${other.orders[0].command_id}`);
      return order.status === 'FAILED' && /not wanted/.test(order.reason) && order.broker_order_id === null;
    });
    assert.deepEqual(own.troubles, []);
  } finally {
    await own.close();
    await drilled.close();
  }
});

test('several accounts stand side by side, and an order goes to the one that is chosen', async () => {
  const two = await known({ ORDERGATE__ACCOUNTS__1__NAME: 'SWING' }).start();
  const own = await Browser.open();
  try {
    const page = await own.open(two, 'place_order.html');
    await page.getByLabel('Account').selectOption('SWING');
    await choose(page, 'SBIN-EQ');
    // A mode changes by itself: the words of the options are others, and what was chosen is not.
    await page.route('**/dashboard/overview', async (route) => {
      const overview = await (await route.fetch()).json();
      overview.accounts[0].standing.mode = 'LIVE-DISARMED';
      await route.fulfill({ json: overview });
    });
    for (const level of [1, 0]) await two.post('/dashboard/kill', { client_id: 'PAPER1', level, reason: 'news' });
    const account = page.getByLabel('Account');
    await until('the options say the mode of now', async () => /PAPER1 \(.*disarmed/.test(await account.locator('option').first().innerText()));
    assert.equal(await account.inputValue(), 'SWING');
    assert.equal(await page.locator('form.place button[type=submit]').innerText(), 'Buy SBIN-EQ in SWING');
    await page.unroute('**/dashboard/overview');
    await page.getByLabel('Units', { exact: true }).fill('7');
    await page.locator('.explained .badge.ok', { hasText: 'would be sent' }).waitFor();
    await page.locator('form.place button[type=submit]').click();
    await page.locator('.followed .badge.ok', { hasText: 'filled 7 of 7' }).waitFor();
    await own.open(two, 'positions.html');
    await page.locator('section[aria-label="SWING"] tr', { hasText: 'SBIN-EQ' }).waitFor();
    assert.match(await page.locator('section[aria-label="PAPER1"]').innerText(), /Flat/);
    await own.open(two, 'option_chain.html?strategy=calls');
    await page.getByLabel('Account').selectOption('SWING');
    await page.locator('.chain tr.near').getByRole('button', { name: /^Buy/ }).first().click();
    await page.locator('#basket tbody tr', { hasText: 'SWING' }).waitFor();
    await page.getByLabel('Account').selectOption('PAPER1');
    await page.locator('.chain tr.near').getByRole('button', { name: /^Buy/ }).first().click();
    await page.locator('.toast', { hasText: 'The basket is of SWING' }).waitFor();
    await page.locator('#basket .trouble', { hasText: 'this one is not in it' }).waitFor();
    assert.equal(await page.locator('#basket tbody tr').count(), 1);
    await page.getByRole('button', { name: 'Send the basket' }).click();
    await page.locator('.followed .badge.ok', { hasText: 'filled' }).waitFor();
    const { system_orders: orders } = await two.get('/dashboard/orderbook?client_id=SWING');
    assert.deepEqual(orders.map((order) => order.client_id), ['SWING', 'SWING']);
    for (const file of ['index.html', 'risk.html', 'accounts.html', 'audit.html', 'order_book.html']) {
      await own.open(two, file);
      await page.locator('main', { hasText: 'SWING' }).waitFor();
    }
    assert.deepEqual(own.troubles, []);
  } finally {
    await own.close();
    await two.close();
  }
});

test('what two accounts hold alike is told apart, is left in the account that was named, and a refusal hides nothing', async () => {
  const two = await known({ ORDERGATE__ACCOUNTS__1__NAME: 'SWING' }).start();
  const own = await Browser.open();
  try {
    for (const client_id of ['PAPER1', 'SWING']) await two.order({ client_id, symbol: 'SBIN-EQ', quantity: '7', strategy: 'twin' });
    await two.order({ client_id: 'SWING', symbol: 'INFY-EQ', order_type: 'LIMIT', price: '1400', strategy: 'rests' });
    const page = await own.open(two, 'index.html');
    const exitIn = (client_id) => page.getByRole('button', { name: `Exit SBIN-EQ of twin in ${client_id}` });
    await page.locator('section[aria-label="Positions"] tbody tr', { hasText: 'SWING' }).waitFor();
    await page.locator('section[aria-label="Open orders"] tbody tr', { hasText: 'rests · SWING' }).waitFor();
    await exitIn('SWING').focus();
    await page.evaluate(() => { for (const row of document.querySelectorAll('main tbody tr')) row.wasThere = true; });
    for (const client_id of ['PAPER1', 'SWING']) await two.post('/dashboard/positions/exit', { client_id, strategy: 'twin', exchange: 'NSE', symbol: 'SBIN-EQ', quantity: 1 });
    await until('both rows were made anew', () => page.evaluate(() => [...document.querySelectorAll('section[aria-label="Positions"] tbody tr')].every((row) => !row.wasThere && /\b6\b/.test(row.innerText))));
    await page.keyboard.press('Enter');
    const dialog = page.locator('dialog[open]');
    await dialog.getByRole('heading', { name: 'Exit SBIN-EQ in SWING' }).waitFor();
    await dialog.getByText('twin in SWING holds 6 MIS.').waitFor();
    await confirm(page, 'Exit');
    const held = async (client_id) => (await two.get('/dashboard/positions')).accounts.find((one) => one.client_id === client_id).positions.reduce((sum, one) => sum + one.ours, 0);
    await until('it left SWING', async () => (await held('SWING')) === 0);
    assert.equal(await held('PAPER1'), 6);
    await page.locator('section[aria-label="Open orders"]').getByRole('button', { name: /^Cancel/ }).click();
    await dialog.getByRole('heading', { name: 'Cancel BUY 10 INFY-EQ in SWING' }).waitFor();
    await page.keyboard.press('Escape');

    await two.order({ client_id: 'SWING', symbol: 'SBIN-EQ', quantity: '3', strategy: 'twin' });
    // PAPER1 refuses: the key was used there for something else. SWING leaves what it holds, and what it is entering.
    const { body: before } = await two.post('/dashboard/positions/exit', { client_id: 'PAPER1', strategy: 'twin', exchange: 'NSE', symbol: 'SBIN-EQ', quantity: 1, idempotency_key: 'used' });
    assert.equal(before.status, 'ACCEPTED');
    await page.route('**/dashboard/positions/exit-all', (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), idempotency_key: 'used' }) }));
    await own.open(two, 'positions.html');
    await page.getByRole('button', { name: 'Square off everything…' }).click();
    await dialog.getByRole('heading', { name: 'Square off everything in PAPER1 and SWING' }).waitFor();
    await confirm(page, 'Square off');
    await until('the window stays open, and says who was not taken', async () => /1 order sent, 1 order found nothing left to exit, but not all of it: PAPER1: /.test(await dialog.locator('.trouble').innerText()));
    assert.equal(await page.locator('.toast').count(), 0, 'nothing says that it was done');
    await until('SWING was taken', async () => (await held('SWING')) === 0);
    assert.equal(await held('PAPER1'), 5);
    assert.deepEqual(await own.axe(), []);
    assert.deepEqual(own.troubles, []);
  } finally {
    await own.close();
    await two.close();
  }
});

test('with the broker gone an exit is told as waiting, and nothing is told as of now', async () => {
  const simulator = await new Simulator().start();
  const there = await known({ ...simulator.env, ORDERGATE__ACCOUNT__WAITS__BLIND_AFTER_MS: '3000' }).start();
  const own = await Browser.open();
  try {
    await there.order({ symbol: 'RELIANCE-EQ', strategy: 'demo' });
    const page = await own.open(there, 'positions.html');
    await page.locator('main tr [data-exit]').waitFor();
    await page.locator('.badge.ok', { hasText: 'the two books agree' }).waitFor();
    simulator.close();
    await page.locator('#banners .banner.bad', { hasText: /SIM1: (no broker session, nothing can be sent|the broker’s books are not read).*What is shown of the broker is of/ }).waitFor({ timeout: 60_000 });
    await page.locator('.badge.wait', { hasText: 'the two books agreed as of' }).waitFor({ timeout: 60_000 });
    assert.equal(await page.locator('.badge.ok', { hasText: 'agree' }).count(), 0);
    assert.deepEqual(await own.axe(), []);
    await until('there is no session', async () => (await there.get('/dashboard/overview')).accounts[0].session === 'NOT_READY', 60_000);
    await page.locator('main tr [data-exit]').first().click();
    await confirm(page, 'Exit');
    await page.locator('.toast.wait', { hasText: '1 order written down and NOT sent yet' }).waitFor();
    assert.equal(await page.locator('.toast.ok').count(), 0, 'nothing says that it was sent');
    const { system_orders: [newest] } = await there.get('/dashboard/orderbook?limit=1');
    assert.deepEqual([newest.status, newest.sent_at], ['CREATED', null]);
    await own.open(there, 'needs_you.html');
    await page.locator('main li.task', { hasText: 'no broker session' }).getByRole('button', { name: 'Log in…' }).click();
    await page.locator('dialog[open]').getByRole('heading', { name: 'Log SIM1 in' }).waitFor();
  } finally {
    await own.close();
    await there.close();
    simulator.close();
  }
});

test('what is not ours is named where we are flat, and a verdict on it is one press', async () => {
  const simulator = await new Simulator().start();
  const there = await known(simulator.env).start();
  const own = await Browser.open();
  const somebodyBuys = async (tsym, qty) => {
    const order = { exch: 'NSE', tsym, qty: String(qty), prc: '0', prd: 'I', trantype: 'B', prctyp: 'MKT', ret: 'DAY' };
    const response = await fetch(`${simulator.base}/sim/orders`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(order) });
    assert.ok(response.ok, await response.text());
  };
  try {
    await somebodyBuys('SBIN-EQ', 50);
    const page = await own.open(there, 'index.html');
    const positions = page.locator('section[aria-label="Positions"]');
    await positions.getByText('No strategy holds anything.').waitFor();
    await positions.getByText('The broker of SIM1 shows 50 in NSE:SBIN-EQ MIS; our strategies hold 0.').waitFor();
    await own.open(there, 'positions.html');
    await page.getByRole('button', { name: 'Leave it alone', exact: true }).click();
    await page.locator('.toast.ok', { hasText: 'left alone until it changes' }).waitFor();
    assert.equal(await page.locator('dialog[open]').count(), 0, 'nothing is asked');
    await page.locator('.badge.off', { hasText: 'left alone by' }).waitFor();

    await there.order({ symbol: 'RELIANCE-EQ', quantity: '10', strategy: 'trend' });
    await somebodyBuys('RELIANCE-EQ', 5);
    const take = page.getByRole('button', { name: /^Take it over for trend at / });
    await take.waitFor();
    assert.deepEqual(await own.axe(), []);
    await take.click();
    await page.locator('.toast.ok', { hasText: 'taken over into our record' }).waitFor();
    await until('the strategy holds it', async () => {
      const [account] = (await there.get('/dashboard/positions')).accounts;
      return account.positions.find((one) => one.symbol === 'RELIANCE-EQ').strategies.find((one) => one.strategy === 'trend').net === 15;
    });
    await take.waitFor({ state: 'detached' });
    assert.deepEqual(own.troubles, []);
  } finally {
    await own.close();
    await there.close();
    simulator.close();
  }
});

test('an exit at its cap goes on by one press', async () => {
  const own = await Browser.open();
  try {
    const item = {
      client_id: 'PAPER1', kind: 'not_flat', text: 'trend SBIN-EQ: 7 of 10 units rest at 832.55 after 1 steps', command_id: null, since: new Date().toISOString(), age_ms: 1_000, more: null,
      actions: [{ label: 'go on', method: 'POST', path: '/dashboard/exit-rules/go-on', body: { command_id: 'the-exit' } }],
    };
    const said = [];
    await own.page.route('**/dashboard/attention', (route) => route.fulfill({ json: said.length ? { count: 0, items: [], as_of: item.since } : { count: 1, items: [item], as_of: item.since } }));
    await own.page.route('**/dashboard/exit-rules/go-on', async (route) => {
      said.push(route.request().postDataJSON());
      await route.fulfill({ status: 202, json: { done: 'the exit goes on, as far again beyond its cap', command_id: 'the-exit' } });
    });
    const page = await own.open(engine, 'needs_you.html');
    await page.getByRole('button', { name: 'Go on', exact: true }).dblclick();
    await page.locator('.toast.ok', { hasText: 'the exit goes on' }).waitFor();
    await page.getByText('Nothing waits for a person.').waitFor();
    assert.deepEqual(said, [{ command_id: 'the-exit' }], 'one word, however often the button is pressed');
    assert.deepEqual(own.troubles, []);
  } finally {
    await own.close();
  }
});

test('a key for one strategy sees what that holds, and leaves it', async () => {
  const limited = { NAME: 'mom', KEY: 'a-key-of-momentum', ACCOUNTS__0: 'PAPER1', STRATEGIES__0: 'momentum' };
  const env = Object.fromEntries(Object.entries(limited).map(([name, value]) => [`ORDERGATE__API__KEYS__0__${name}`, value]));
  const there = await known(env).start();
  const own = await Browser.open();
  try {
    await there.order({ symbol: 'RELIANCE-EQ', quantity: '10', strategy: 'momentum' });
    await own.inTrouble(async () => {
      const { page } = own;
      await page.goto(`${there.base}/dashboard/web/login.html`);
      await page.getByLabel('API key').fill(limited.KEY);
      await page.getByRole('button', { name: 'Log in with the key' }).click();
      await page.waitForURL('**/index.html');
      await page.locator('section[aria-label="Positions"] tbody tr', { hasText: 'RELIANCE-EQ' }).waitFor();
      await page.locator('section[aria-label="Result of the day"]', { hasText: 'is not shown to a key' }).waitFor();
      await page.locator('#modes .mode', { hasText: 'PAPER' }).waitFor();
      await page.goto(`${there.base}/dashboard/web/positions.html`);
      const row = page.locator('main tbody tr', { hasText: 'RELIANCE-EQ' });
      await row.getByRole('button', { name: /^Exit/ }).click();
      await confirm(page, 'Exit');
      await page.locator('.toast.ok', { hasText: 'sent' }).waitFor();
      await row.locator('[data-exit]').waitFor({ state: 'detached' });
      assert.equal(await page.locator('main .trouble').count(), 0);
    });
  } finally {
    await own.close();
    await there.close();
  }
});

test('whom the end of a session cut off is told so at the login', async () => {
  const page = await browser.open(engine, 'index.html');
  await page.route('**/dashboard/kill', (route) => route.fulfill({ status: 401, contentType: 'application/json', body: '{}' }));
  await page.keyboard.press('k');
  const box = await page.locator('dialog.kill-dialog').getByRole('button', { name: /Hold/ }).boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await browser.inTrouble(async () => {
    await page.mouse.down();
    await page.locator('.trouble', { hasText: 'what you pressed last was NOT done' }).waitFor();
  });
  await page.mouse.up();
  await page.unroute('**/dashboard/kill');
});

test('nobody sees anything without credentials', async () => {
  const stranger = await Browser.open();
  try {
    await stranger.inTrouble(async () => {
      await stranger.page.goto(`${engine.base}/dashboard/web/positions.html`);
      await stranger.page.waitForURL('**/login.html?next=positions.html');
      await stranger.page.getByLabel('API key').fill('wrong');
      await stranger.page.getByRole('button', { name: 'Log in with the key' }).click();
      await stranger.page.locator('.trouble').waitFor();
      await stranger.page.getByLabel('API key').fill(KEY);
      await stranger.page.getByRole('button', { name: 'Log in with the key' }).click();
      await stranger.page.waitForURL('**/positions.html');
      await stranger.page.goto(`${engine.base}/dashboard/web/login.html?next=//elsewhere.example/`);
      await stranger.page.getByLabel('API key').fill(KEY);
      await stranger.page.getByRole('button', { name: 'Log in with the key' }).click();
      await stranger.page.waitForURL('**/index.html');
      await stranger.page.getByRole('button', { name: 'Log out' }).click();
      // With or without the page to come back to: whichever request of the page is refused first leads there.
      await stranger.page.waitForURL(/\/login\.html(\?next=index\.html)?$/);
    });
  } finally {
    await stranger.close();
  }
});

test('no console complained of anything', () => {
  assert.deepEqual(browser.troubles, []);
});
