// What a person does, from the first start to the kill control and back, with the paper broker.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser, Engine, KEY, known, until } from './lib.mjs';

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
  await page.getByLabel('Limit price').fill('800');
  await page.getByLabel('Units').fill('10');
  await page.locator('.explained', { hasText: 'BUY 10 SBIN-EQ MIS LIMIT at 800.00: ₹8,000.00' }).waitFor();
  await page.locator('form.place button[type=submit]').click();
  await page.locator('.followed .badge', { hasText: 'at broker' }).waitFor();
  await page.locator('.followed a').click();
  await page.getByRole('button', { name: /^Change/ }).click();
  await page.locator('dialog[open]').getByLabel('Limit price').fill('801');
  await page.locator('dialog[open]').getByLabel('Units').fill('12');
  await confirm(page, 'Change the order');
  await until('the change is at the broker', async () => /Price asked\s+801\.00/.test(await page.locator('.pairs').innerText()));
  assert.match(await page.locator('h1').innerText(), /BUY 12 SBIN-EQ/);
  await page.getByRole('button', { name: /^Cancel/ }).click();
  await confirm(page, 'Cancel the order');
  await until('it is cancelled', async () => (await state(page)).includes('cancelled by you'));
  assert.equal(await page.locator('.badge', { hasText: 'FAILED' }).count(), 0, 'never a bare FAILED');
  assert.match(await page.locator('.waterfall').innerText(), /written down[\s\S]* ms/);
});

test('what a gate refuses is told with its number before and after it is sent', async () => {
  const page = await browser.open(engine, 'place_order.html');
  await choose(page, 'RELIANCE-EQ');
  await page.getByLabel('Units').fill('100000');
  await page.locator('.explained .badge.bad', { hasText: 'would be refused' }).waitFor();
  await page.locator('form.place button[type=submit]').click();
  await page.locator('.followed', { hasText: 'refused by ordergate: a risk limit' }).waitFor();
  await page.locator('.followed a').click();
  await page.locator('.why').waitFor();
  assert.match(await page.locator('.why').innerText(), /Why .*100000[\s\S]*What you can do/);
  assert.equal(await page.locator('.rows .badge.bad', { hasText: 'refused' }).count() > 0, true);
});

test('a rejection by the broker is shown with the broker’s own words', async () => {
  const order = await engine.order({ symbol: 'SBIN-EQ', order_type: 'SL', validity: 'IOC', price: '890', trigger_price: '889', strategy: 'far' });
  const page = await browser.open(engine, `order.html?id=${order.command_id}`);
  await until('it has ended', async () => (await state(page)).includes('rejected by the broker'));
  assert.match(await page.locator('.why').innerText(), /a stop order cannot be IOC/);
  await page.locator('.journal', { hasText: 'a stop order cannot be IOC' }).waitFor();
  await browser.open(engine, 'order_book.html');
  await page.getByRole('button', { name: /rejected by the broker/ }).click();
  await page.locator('.ours tbody tr', { hasText: 'a stop order cannot be IOC' }).waitFor();
});

test('a basket is judged and sent together', async () => {
  const page = await browser.open(engine, 'place_order.html');
  for (const symbol of ['INFY-EQ', 'M&M-EQ']) {
    await choose(page, symbol);
    await page.getByLabel('Units').fill('5');
    await page.getByLabel('Strategy', { exact: true }).fill('pair');
    await page.getByRole('button', { name: 'Add to the basket' }).click();
  }
  const basket = page.locator('section', { has: page.getByRole('heading', { name: 'Basket' }) });
  assert.equal(await basket.locator('tbody tr').count(), 2);
  await basket.getByLabel('How they go together').selectOption('ALL_OR_UNWIND');
  await basket.getByRole('button', { name: 'Send the basket' }).click();
  await until('both are filled', async () => (await page.locator('.followed .badge.ok').count()) === 2);
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
  await page.locator('dialog[open]').getByLabel('Units').fill('5');
  await confirm(page, 'Exit');
  await until('fifteen are left', async () => (await row.locator('td').nth(2).innerText()) === '15');
  await row.getByRole('button', { name: /^Exit/ }).click();
  await confirm(page, 'Exit');
  await until('it is flat', async () => (await page.locator('table[class=rows] tbody tr[tabindex]', { hasText: 'swing' }).count()) === 0);
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
  await banner.getByRole('button', { name: /Arm again/ }).click();
  await page.locator('dialog[open]').getByLabel('Why').fill('the cause is gone');
  await confirm(page, 'Arm again');
  await banner.waitFor({ state: 'detached' });
  assert.equal((await engine.order({ symbol: 'SBIN-EQ', strategy: 'goes-again', quantity: '1' })).status, 'EXECUTED');
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

test('a limit is set otherwise for a time, and that is ended', async () => {
  const page = await browser.open(engine, 'risk.html');
  await page.getByRole('button', { name: 'Set Open orders otherwise' }).click();
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
      await stranger.page.waitForURL('**/login.html');
    });
  } finally {
    await stranger.close();
  }
});

test('no console complained of anything', () => {
  assert.deepEqual(browser.troubles, []);
});
