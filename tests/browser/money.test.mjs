// Exact decimals: what is shown and sent never passes through a float.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clock, countdown, dayOf, exact, millis, ms, wholeSeconds } from '../../src/web/ui/time.js';
import { legsOf, outlookOf, worth } from '../../src/web/ui/page_payoff.js';
import { told as said } from '../../src/web/ui/words.js';
import { csv } from '../../src/web/ui/csv.js';
import { abs, add, cmp, dec, direction, mul, neg, number, price, round, rupees, share, short, sign, sub, text } from '../../src/web/ui/money.js';

const d = (value) => dec(value) ?? assert.fail(`${value} is no decimal`);

test('a decimal reads back as it was written', () => {
  for (const written of ['0', '0.1', '-0.05', '1408.90', '12345678901234567890.123456789', '-100']) assert.equal(text(d(written)), written);
  for (const wrong of ['', 'x', '1e5', '1.', '.5', '1,000', 'NaN', '0x1', ' ', null, undefined, {}, 1.5, Number.NaN, Infinity]) assert.equal(dec(wrong), null);
  assert.equal(text(d(' +7.50 ')), '7.50');
  assert.equal(text(d(7)), '7');
});

test('sums and products are exact where floats are not', () => {
  assert.equal(text(add(d('0.1'), d('0.2'))), '0.3');
  assert.equal(text(sub(d('1'), d('0.9999999999999999999'))), '0.0000000000000000001');
  assert.equal(text(mul(d('1408.9'), d('100000000000000001'))), '140890000000000001408.9');
  assert.equal(text(neg(d('-2.5'))), '2.5');
  assert.equal(text(abs(d('-2.5'))), '2.5');
});

test('many sums against whole paise', () => {
  let seed = 7;
  const next = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648);
  for (let round_ = 0; round_ < 2_000; round_ += 1) {
    const [a, b] = [next() - 1_000_000_000, next() - 1_000_000_000];
    const paise = (n) => `${n < 0 ? '-' : ''}${Math.floor(Math.abs(n) / 100)}.${String(Math.abs(n) % 100).padStart(2, '0')}`;
    assert.equal(text(add(d(paise(a)), d(paise(b)))), text(d(paise(a + b))));
    assert.equal(cmp(d(paise(a)), d(paise(b))), Math.sign(a - b));
    assert.equal(sign(d(paise(a))), Math.sign(a));
  }
});

test('halves go away from zero', () => {
  assert.equal(text(round(d('0.125'), 2)), '0.13');
  assert.equal(text(round(d('-0.125'), 2)), '-0.13');
  assert.equal(text(round(d('2.4'), 0)), '2');
  assert.equal(text(round(d('5'), 2)), '5.00');
});

test('rupees stand in lakh and crore', () => {
  assert.equal(rupees('1234567.5'), '₹12,34,567.50');
  assert.equal(rupees('-123456789012.005'), '−₹1,23,45,67,89,012.01');
  assert.equal(rupees('999.994'), '₹999.99');
  assert.equal(rupees('12.3', { signed: true }), '+₹12.30');
  assert.equal(rupees('-0.001', { signed: true }), '₹0.00');
  assert.equal(rupees('50000', { whole: true }), '₹50,000');
  assert.equal(rupees(null), '–');
  assert.equal(rupees('n/a'), '–');
});

test('numbers and prices keep the digits that were sent', () => {
  assert.equal(number(-1800), '−1,800');
  assert.equal(number('123456'), '1,23,456');
  assert.equal(price('1408.9'), '1,408.90');
  assert.equal(price('0.0525'), '0.0525');
  assert.equal(price(null), '–');
});

test('an axis is short', () => {
  assert.equal(short('12000000'), '₹1.2 Cr');
  assert.equal(short('5000000'), '₹50 L');
  assert.equal(short('-1250'), '−₹1.3 K');
  assert.equal(short('999.6'), '₹1,000');
  assert.equal(short('0'), '₹0');
});

test('parts and directions', () => {
  assert.equal(share(d('25'), d('100')), 0.25);
  assert.equal(share(d('1'), d('0')), 0);
  assert.deepEqual(['1', '-0.5', '0.00', null].map(direction), [1, -1, 0, null]);
});

test('a file for a spreadsheet runs nothing', () => {
  const text_ = csv(['a', 'b'], [{ a: '=1+1', b: -5 }, { a: 'x,"y"', b: null }, { a: '-12.50', b: '@now' }, { a: '-x', b: 'two\nlines' }]);
  assert.equal(text_, 'a,b\r\n\'=1+1,-5\r\n"x,""y""",\r\n-12.50,\'@now\r\n\'-x,"two\nlines"');
});

test('times are India’s, and ages do not flicker', () => {
  assert.equal(clock('2028-02-29T18:29:59.999Z'), '23:59:59');
  assert.equal(exact('2026-11-26T09:24:16.591932Z'), '26 Nov 14:54:16.591');
  assert.equal(ms('2026-11-26T09:24:16.591932Z') - ms('2026-11-26T09:24:16.590Z') > 1.931, true);
  assert.deepEqual([300, 1_400, 99_000, 200_000].map(wholeSeconds), ['1 s', '1 s', '99 s', '3 min']);
  assert.deepEqual([0, 65_000, 9_064_000, 400_000_000].map(countdown), ['0:00:00', '0:01:05', '2:31:04', '4 days']);
  assert.deepEqual([0.4, 12.34, 1_204.6].map(millis), ['0.40', '12.3', '1205']);
});

const leg = (side, kind, strike, premium, quantity = '65', more = {}) => ({ execution_type: 'ENTRY', side, quantity, about: { kind, strike, premium, underlying: 'NIFTY', expiry: '2026-12-01', rupees_per_point: '1' }, ...more });
const told = (legs) => {
  const of = outlookOf(legsOf(legs));
  return [of.most && text(of.most), of.least && text(of.least), of.evens.map(text), text(of.paid)];
};

test('what options come to at their end is exact', () => {
  assert.deepEqual(told([leg('BUY', 'call', '25700', '10.05')]), [null, '-653.25', ['25710.05'], '653.25'], 'a bought call');
  assert.deepEqual(told([leg('SELL', 'call', '25700', '10.05')]), ['653.25', null, ['25710.05'], '-653.25'], 'a sold call: no limit to its loss');
  assert.deepEqual(told([leg('BUY', 'put', '25700', '12')]), ['1669720', '-780', ['25688.00'], '780'], 'a bought put wins most at nought');
  assert.deepEqual(told([leg('BUY', 'call', '25700', '10'), leg('BUY', 'put', '25700', '12')]), [null, '-1430', ['25678.00', '25722.00'], '1430'], 'a straddle');
  assert.deepEqual(told([leg('BUY', 'call', '25700', '100'), leg('SELL', 'call', '25800', '60.5')]), ['3932.5', '-2567.5', ['25739.50'], '2567.5'], 'a spread is bounded on both sides');
  const condor = [leg('BUY', 'put', '25500', '20'), leg('SELL', 'put', '25600', '45'), leg('SELL', 'call', '25800', '40'), leg('BUY', 'call', '25900', '18')];
  assert.deepEqual(told(condor), ['3055', '-3445', ['25553.00', '25847.00'], '-3055'], 'an iron condor');
  // Three sold against one: from 110 on, 15 less 3 a point; a third of a point is rounded, not cut.
  assert.deepEqual(told([leg('BUY', 'call', '100', '3', '1'), leg('SELL', 'call', '110', '2', '4')]), ['15', null, ['115.00'], '-5']);
  assert.deepEqual(told([leg('SELL', 'call', '110', '2', '1'), leg('SELL', 'call', '100', '4', '2')])[2], ['105.00']);
  assert.deepEqual(told([leg('SELL', 'call', '100', '5', '3'), leg('BUY', 'put', '90', '1', '1')])[2], ['104.67']);
});

test('a future and a sold call together are bounded above only', () => {
  const covered = [leg('BUY', 'future', undefined, '25710'), leg('SELL', 'call', '25800', '60')];
  assert.deepEqual(told(covered), ['9750', '-1667250', ['25650.00'], '-3900']);
  assert.equal(text(worth(legsOf(covered), d('26000'))), '9750');
});

test('a point of a contract counts for what it is worth', () => {
  const gold = (/** @type {string} */ point) => ({ ...leg('BUY', 'call', '75000', '200.5', '100'), about: { ...leg('BUY', 'call', '75000', '200.5').about, rupees_per_point: point } });
  assert.deepEqual(told([gold('0.1')]), [null, '-2005.00', ['75200.50'], '2005.00'], 'quoted by ten grams, traded by the gram');
  assert.deepEqual(told([gold('1000')]), [null, '-20050000.0', ['75200.50'], '20050000.0']);
  assert.match(legsOf([gold(undefined)]), /known what a point of each is worth/);
});

test('an outlook that cannot be worked out says why', () => {
  assert.equal(legsOf([{ execution_type: 'ENTRY', side: 'BUY', quantity: '5', about: { lot: '1' } }]), '', 'shares have no end');
  assert.match(legsOf([leg('BUY', 'call', '25700', '10'), leg('SELL', 'call', '25800', null)]), /has a price/);
  assert.match(legsOf([leg('BUY', 'call', '25700', '10'), { ...leg('SELL', 'call', '25800', '5'), about: { kind: 'call', strike: '25800', premium: '5', underlying: 'NIFTY', expiry: '2026-12-08', rupees_per_point: '1' } }]), /end on one day/);
  assert.match(legsOf([leg('SELL', 'call', '25700', '10', '65', { execution_type: 'EXIT' })]), /entries/);
  assert.deepEqual(legsOf([leg('BUY', 'call', '25700', '10', '65', { price: '9.95' })])[0].paid, d('9.95'), 'a limit stands before the quote');
});

test('a day reads as people write it', () => {
  assert.equal(dayOf('2026-12-01'), 'Tue, 1 Dec 2026');
});

test('the engine’s sentences are told in times of India and in lakh', () => {
  assert.equal(said('api set max_open_orders to 1500 until 2025-11-26 13:44:40.799052 UTC: busy'), 'api set max_open_orders to 1500 until 26 Nov 19:14:40 IST: busy');
  assert.equal(said('daily loss ₹50000, order ₹1000000 and 10000 units'), 'daily loss ₹50,000, order ₹10,00,000 and 10000 units');
  assert.equal(said('996524.50 rupees available at the broker'), '₹9,96,524.50 available at the broker');
  assert.match(said('wait for a yes until 12:54:41 UTC'), /until 18:24:41 IST$/);
  assert.equal(said(null), '');
});
