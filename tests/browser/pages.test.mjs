// Every page, empty and full, dark and light, on a desk and on a phone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WIDE, makeDay } from './day.mjs';
import { Browser, PAGES, known, until } from './lib.mjs';

let engine;
/** @type {{ held: string, resting: string } | undefined} */
let day;

before(async () => {
  engine = await known(WIDE).start();
});
after(() => engine.close());

const files = () => [...PAGES.map((name) => `${name}.html`), ...(day ? [`order.html?id=${day.held}`] : []), 'login.html'];

/** Opens every page; what is wrong with any of them is told of all together. */
async function each(browser, act) {
  const wrong = [];
  for (const file of files()) {
    await browser.open(engine, file);
    await until(`${file} has read what it shows`, () => browser.page.evaluate(() => document.readyState === 'complete' && !document.querySelector('main .trouble')));
    wrong.push(...(await act(file)).map((words) => `${file}: ${words}`));
  }
  assert.deepEqual([...wrong, ...browser.troubles], []);
}

const tooWide = async (page, width) => {
  const wide = Math.max(...(await page.evaluate(() => [document.documentElement.scrollWidth, document.body.scrollWidth])));
  return wide > width ? [`${wide} wide on ${width}`] : [];
};

test('with nothing in them yet, every page says so, and axe finds nothing', async () => {
  const browser = await Browser.open();
  try {
    await each(browser, () => browser.axe());
  } finally {
    await browser.close();
  }
});

test('a day is made: five hundred orders, some long names, positions and rules', async () => {
  day = await makeDay(engine);
  const { system_orders: all } = await engine.get('/dashboard/orderbook?limit=1000');
  const filled = all.filter((order) => order.status === 'EXECUTED').length;
  const resting = all.filter((order) => order.status === 'SENT_TO_BROKER').length;
  assert.ok(all.length > 500 && filled >= 80 && resting >= 200, `${all.length} orders, ${filled} filled, ${resting} resting: a day has all of it`);
});

for (const dark of [true, false]) {
  test(`full, ${dark ? 'dark' : 'light'}, on a desk: axe finds nothing, nothing is too wide`, async () => {
    const browser = await Browser.open({ dark });
    try {
      await each(browser, async () => [...(await tooWide(browser.page, 1280)), ...(await browser.axe())]);
    } finally {
      await browser.close();
    }
  });
}

test('on a phone of 360 px nothing is too wide, axe finds nothing, and the kill control is under the thumb', async () => {
  const browser = await Browser.open({ width: 360, height: 740, touch: true });
  try {
    await each(browser, async (file) => {
      const wrong = [...(await tooWide(browser.page, 360)), ...(await browser.axe())];
      if (file === 'login.html') return wrong;
      const box = await browser.page.locator('#thumb .kill').boundingBox();
      const isUnderThumb = box && box.y > 740 / 2 && box.y + box.height <= 740 && box.height >= 44;
      return isUnderThumb ? wrong : [...wrong, `the kill control is at ${JSON.stringify(box)}`];
    });
    const chain = await browser.open(engine, 'option_chain.html');
    await chain.locator('.chain tr.near').getByRole('button', { name: /^Buy/ }).first().tap();
    await chain.locator('.chain tr.near').getByRole('button', { name: /^Sell/ }).last().tap();
    await chain.locator('.payoff svg').waitFor();
    await chain.locator('#basket .explained').nth(1).waitFor();
    assert.deepEqual([...(await tooWide(chain, 360)), ...(await browser.axe())], [], 'the basket');
    const page = await browser.open(engine, 'index.html');
    await page.locator('#thumb .kill').tap();
    const dialog = page.locator('dialog.kill-dialog');
    await dialog.getByRole('button', { name: /Hold/ }).waitFor();
    assert.deepEqual(await browser.axe(), [], 'the kill control');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Menu' }).tap();
    await page.locator('#nav').getByRole('link', { name: 'Audit' }).tap();
    await page.waitForURL('**/audit.html');
  } finally {
    await browser.close();
  }
});

test('five hundred rows are shown and filtered, and a change makes only its own row anew', async () => {
  const browser = await Browser.open();
  try {
    const page = await browser.open(engine, 'order_book.html');
    const older = page.getByRole('button', { name: 'Older orders' });
    await older.click();
    await until('five hundred rows', async () => (await page.locator('.ours tbody tr').count()) === 500);
    await older.click();
    const shows = (words, count) => until(words, async () => (await page.locator('.ours tbody tr').count()) === (await count()));
    // A stop may fire meanwhile: its order is one more.
    const all = async () => (await engine.get('/dashboard/orderbook?limit=1000')).system_orders.length;
    await shows('all of them', all);
    await page.getByRole('searchbox').fill('rests');
    await shows('one row fits', async () => 1);
    await page.getByRole('searchbox').fill('');
    await shows('all of them again', all);
    const marked = Date.now();
    await page.evaluate(() => { for (const row of document.querySelectorAll('.ours tbody tr')) row.wasThere = true; });
    await engine.post(`/dashboard/orders/${day.resting}/cancel`, { reason: 'seen' });
    await page.locator(`.ours tr[data-key="${day.resting}"]`, { hasText: 'cancelled by you' }).waitFor();
    const anew = await page.evaluate(() => [...document.querySelectorAll('.ours tbody tr')].filter((row) => !row.wasThere).map((row) => row.dataset.key));
    // A stop may fire meanwhile: whatever else was made anew has changed since.
    const { system_orders: now } = await engine.get('/dashboard/orderbook?limit=1000');
    const changed = new Set(now.filter((order) => Date.parse(order.updated_at) >= marked).map((order) => order.command_id));
    assert.ok(anew.includes(day.resting));
    assert.deepEqual(anew.filter((id) => !changed.has(id)), []);
  } finally {
    await browser.close();
  }
});

test('the API page shows every call, finds one, opens it by its link, tries it, and fits a phone', async () => {
  const browser = await Browser.open({ width: 360, height: 740, touch: true });
  try {
    const described = await engine.get('/dashboard/openapi.json');
    const calls = Object.values(described.paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0);
    const page = await browser.open(engine, 'api.html');
    await until('every call has its line', async () => (await page.locator('details.operation').count()) === calls);
    const seen = () => page.locator('details.operation:visible').count();
    await page.getByRole('searchbox', { name: 'Search the calls' }).fill('kill_not_confirmed');
    await until('one call answers with that code', async () => (await seen()) === 1);
    await page.locator('#post_dashboard_kill > summary').tap();
    await page.locator('#post_dashboard_kill .copied pre', { hasText: 'the feed is wrong' }).first().waitFor();
    assert.ok(page.url().endsWith('#post_dashboard_kill'), page.url());
    assert.equal(await page.locator('#post_dashboard_kill form').count(), 0, 'what changes something is not sent from here');
    await page.getByRole('searchbox', { name: 'Search the calls' }).fill('qqzz');
    await page.getByText('No call fits the search.').waitFor();

    await page.goto('about:blank');
    await page.goto(`${engine.base}/dashboard/web/api.html#get_dashboard_orderbook`);
    const book = page.locator('#get_dashboard_orderbook');
    await until('it has the focus', () => page.evaluate(() => document.activeElement?.parentElement?.id === 'get_dashboard_orderbook'));
    await book.locator('td', { hasText: 'bad_limit' }).waitFor();
    await book.getByLabel('limit', { exact: true }).fill('2');
    await book.getByRole('button', { name: 'Send' }).tap();
    await book.locator('.tried strong', { hasText: '200' }).waitFor();
    const answer = JSON.parse(await book.locator('.tried pre').innerText());
    assert.equal(answer.system_orders.length, 2);
    assert.deepEqual([...(await tooWide(page, 360)), ...(await browser.axe()), ...browser.troubles], []);
    await page.evaluate(() => { for (const one of document.querySelectorAll('details.operation')) one.open = true; });
    await until('all are made', async () => (await page.locator('.operation-body').count()) === calls);
    assert.deepEqual([...(await tooWide(page, 360)), ...(await browser.axe()), ...browser.troubles], [], 'with all of them open');
  } finally {
    await browser.close();
  }
});
