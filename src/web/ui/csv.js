// @ts-check
// What is shown, as a file for a spreadsheet.

import { h } from './dom.js';

/**
 * Rows as CSV. What a spreadsheet would run as a formula stays a text; a number with a minus stays a number.
 * @param {string[]} names @param {Record<string, unknown>[]} rows
 */
export function csv(names, rows) {
  const cell = (/** @type {unknown} */ value) => {
    const text = value === null || value === undefined ? '' : String(value);
    const isRun = /^[=+\-@\t\r]/.test(text) && !/^-\d+(\.\d+)?$/.test(text);
    const safe = isRun ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  };
  return [names.join(','), ...rows.map((row) => names.map((name) => cell(row[name])).join(','))].join('\r\n');
}

/** Hands a text to the reader as a file. @param {string} name @param {string} text */
export function download(name, text) {
  const link = h('a', { href: URL.createObjectURL(new Blob([text], { type: 'text/csv' })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}
