// @ts-check
// Elements without HTML in texts: whatever comes from outside becomes a text node or an attribute's value, never markup.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {{ on?: Record<string, (event: any) => void>, data?: Record<string, string>, [name: string]: any }} Props
 */

/**
 * An element. A property that is `null`, `undefined` or `false` is left out, `true` stands by itself, `on` are listeners.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  dress(node, props ?? {});
  node.append(...flat(children));
  return node;
}

/**
 * An element of a drawing.
 * @param {string} tag
 * @param {Props | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {SVGElement}
 */
export function svg(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  dress(node, props ?? {});
  node.append(...flat(children));
  return node;
}

/** @param {Element} node @param {Props} props */
function dress(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (name === 'data') {
      for (const [key, text] of Object.entries(value)) /** @type {any} */ (node).dataset[key] = String(text);
    } else if (name === 'value' && 'value' in node) {
      /** @type {any} */ (node).value = String(value);
    } else {
      node.setAttribute(name, value === true ? '' : String(value));
    }
  }
}

/** @param {(Child | Child[])[]} children @returns {(Node | string)[]} */
function flat(children) {
  const all = /** @type {Child[]} */ (children.flat());
  return all.filter((child) => child !== null && child !== undefined && child !== false).map((child) => (child instanceof Node ? child : String(child)));
}

/** What each node was last made from. @type {WeakMap<Node, string>} */
const madeFrom = new WeakMap();

/**
 * Makes a node's content anew, if what it is made from has changed. The focus stays on what has the same `data-focus`.
 * @param {Element} node
 * @param {unknown} from
 * @param {() => Child | Child[]} make
 */
export function fresh(node, from, make) {
  const mark = JSON.stringify(from) ?? '';
  if (madeFrom.get(node) === mark) return;
  madeFrom.set(node, mark);
  keepingFocus(node, () => node.replaceChildren(...flat([make()].flat())));
}

/**
 * Makes a list anew, item by item: a node whose item has not changed stays as it is, with its focus and its selection. What is of no
 * item goes; of items with the same key each has a node of its own.
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {(item: T) => string} key
 * @param {(item: T) => HTMLElement | SVGElement} make
 */
export function keyed(parent, items, key, make) {
  const named = new Map();
  for (const item of items) {
    const own = key(item);
    let name = own;
    for (let n = 2; named.has(name); n += 1) name = `${own}#${n}`;
    named.set(name, item);
  }
  keepingFocus(parent, () => {
    /** @type {Map<string, Element>} */
    const old = new Map();
    for (const node of [...parent.children]) {
      const name = /** @type {HTMLElement} */ (node).dataset.key ?? '';
      if (named.has(name) && !old.has(name)) old.set(name, node);
      else node.remove();
    }
    let place = parent.firstElementChild;
    for (const [name, item] of named) {
      const mark = JSON.stringify(item);
      let node = old.get(name);
      if (!node || madeFrom.get(node) !== mark) {
        const next = make(item);
        next.dataset.key = name;
        madeFrom.set(next, mark);
        if (node) {
          if (node === place) place = node.nextElementSibling;
          node.remove();
        }
        node = next;
      }
      if (node === place) place = node.nextElementSibling;
      else parent.insertBefore(node, place);
    }
  });
}

/** The focus stays where it is, or on what stands for it then; a row is known by its key. @param {Element} node @param {() => void} change */
function keepingFocus(node, change) {
  const active = /** @type {HTMLElement | null} */ (document.activeElement);
  const isInside = active !== null && active !== node && node.contains(active);
  const { focus, key } = isInside ? active.dataset : { focus: undefined, key: undefined };
  change();
  if (!isInside || document.activeElement === active) return;
  const stands = focus !== undefined ? `[data-focus="${CSS.escape(focus)}"]` : key !== undefined ? `[data-key="${CSS.escape(key)}"]` : null;
  const next = active.isConnected ? active : stands && /** @type {HTMLElement | null} */ (node.querySelector(stands));
  if (next) next.focus({ preventScroll: true });
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no ${id}`);
  return node;
}

/**
 * Waits until nothing more is typed.
 * @param {number} ms
 * @param {() => void} act
 */
export function calm(ms, act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, ms);
  };
}
