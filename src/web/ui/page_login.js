// @ts-check
// The way in: the link that the first start printed, a key, or a password.

import { send } from './api.js';
import { h } from './dom.js';
import { field, trouble, valuesOf } from './parts.js';

/** Where to go afterwards: a page of ours, never an address that somebody put there. */
function next() {
  const wanted = new URLSearchParams(location.search).get('next') ?? '';
  return /^[a-z_]+\.html(\?[\w=&%.~-]*)?$/.test(wanted) && !wanted.startsWith('login') ? wanted : 'index.html';
}

/** What is said of an act that the end of the session cut off. @type {Record<string, string>} */
const CUT_OFF = {
  no: 'Your session had ended: what you pressed last was NOT done.',
  unknown: 'Your session had ended while a window was open: look whether what you asked for in it was done. What you had not confirmed was not.',
};

/** @param {HTMLElement} root */
export async function page(root) {
  const cutOff = CUT_OFF[new URLSearchParams(location.search).get('done') ?? ''];
  const problem = h('div', { class: 'problem' }, cutOff ? trouble(new Error(cutOff)) : null);
  const enter = async (/** @type {Record<string, string>} */ proof) => {
    problem.replaceChildren();
    try {
      await send('POST', '/dashboard/session', proof, { anonymous: true });
      location.replace(next());
    } catch (cause) {
      problem.replaceChildren(trouble(cause));
    }
  };
  const form = (/** @type {import('./parts.js').FieldOf[]} */ fields, /** @type {string} */ yes) => {
    const node = h('form', {
      on: {
        submit: (/** @type {Event} */ event) => {
          event.preventDefault();
          enter(valuesOf(node));
        },
      },
    }, ...fields.map(field), h('div', { class: 'buttons' }, h('button', { class: 'primary' }, yes)));
    for (const name of ['key', 'password']) {
      const input = /** @type {HTMLInputElement | null} */ (node.querySelector(`[name="${name}"]`));
      if (!input) continue;
      input.type = 'password';
      input.autocomplete = 'current-password';
    }
    return node;
  };
  root.append(
    h('div', { class: 'login' },
      h('h1', null, 'ordergate'),
      h('p', { class: 'lead' }, 'Between your signals and your broker. Log in to see what is true.'),
      problem,
      h('section', { class: 'panel' },
        h('header', null, h('h2', null, 'With a key')),
        form([{ name: 'key', label: 'API key', required: true, hint: 'The first start kept it in secrets.toml in the data directory.' }], 'Log in with the key')),
      h('section', { class: 'panel' },
        h('header', null, h('h2', null, 'With a password')),
        form([
          { name: 'password', label: 'Password', required: true },
          { name: 'totp', label: 'Code of the authenticator', mode: 'numeric', hint: 'Only if one was set up.' },
        ], 'Log in with the password')),
      h('p', { class: 'hint' }, 'A link that opens this once: ', h('code', null, 'ordergate link'), '. A password: ', h('code', null, 'ordergate password'), '.')));
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token) {
    // Out of the address and the history before anything else.
    history.replaceState(null, '', location.pathname + location.search);
    await enter({ token });
  }
}
