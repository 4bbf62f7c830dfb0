// @ts-check
// A schema of the API's description for people: each field in a line, and an example made from it.

/**
 * @typedef {{ type?: string | string[], format?: string, enum?: string[], items?: Schema, properties?: Record<string, Schema>,
 *   required?: string[], additionalProperties?: Schema }} Schema
 * @typedef {{ name: string, kind: string, needed: boolean }} Line
 */

/** Fields whose example says more than "text". @type {Record<string, string>} */
const KNOWN = {
  client_id: 'PAPER1',
  strategy: 'manual',
  strategy_name: 'manual',
  symbol: 'RELIANCE-EQ',
  tradingsymbol: 'RELIANCE-EQ',
  exchange: 'NSE',
  product: 'MIS',
  reason: 'why it is done',
  idempotency_key: 'one-key-for-one-act',
  apikey: 'YOUR_KEY',
  secret_key: 'YOUR_SECRET',
};

/** @param {Schema} schema @returns {string[]} */
function types(schema) {
  return [schema.type ?? []].flat();
}

/** What a field is, in words. @param {Schema} schema @returns {string} */
export function kindOf(schema) {
  if (schema.enum) return schema.enum.join(' | ');
  /** @type {Record<string, string>} */
  const words = { string: 'text', integer: 'whole number', number: 'number', boolean: 'true or false', array: 'list', object: 'object' };
  const all = types(schema);
  const own = all.filter((type) => type !== 'null').map((type) => (type === 'string' && schema.format ? `text (${schema.format})` : words[type] ?? type));
  if (own.length === 0) return all.includes('null') ? 'nothing yet' : 'anything';
  return own.join(' or ') + (all.includes('null') ? ', or null' : '');
}

/**
 * Each field of a schema, with the names of what it stands in: `rows[].price`.
 * @param {Schema} schema @param {string} [within] @param {boolean} [needed] @returns {Line[]}
 */
export function outline(schema, within = '', needed = false) {
  const own = within ? [{ name: within, kind: kindOf(schema), needed }] : [];
  if (schema.items) return [...own, ...inner(schema.items, `${within}[]`)];
  if (schema.additionalProperties) return [...own, ...inner(schema.additionalProperties, within ? `${within}.<name>` : '<name>')];
  const fields = Object.entries(schema.properties ?? {});
  return [...own, ...fields.flatMap(([name, field]) => outline(field, within ? `${within}.${name}` : name, schema.required?.includes(name) ?? false))];
}

/** What a list or a map holds: its own line only where it is no object. @param {Schema} schema @param {string} within @returns {Line[]} */
function inner(schema, within) {
  const lines = outline(schema, within);
  return schema.properties ? lines.slice(1) : lines;
}

/**
 * An example of a schema.
 * @param {Schema} schema @param {string} [name] @returns {any}
 */
export function example(schema, name = '') {
  if (schema.enum) return schema.enum[0];
  const type = types(schema).find((one) => one !== 'null');
  switch (type) {
    case 'object': {
      if (schema.additionalProperties) return { NAME: example(schema.additionalProperties) };
      return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([key, field]) => [key, example(field, key)]));
    }
    case 'array': return schema.items && Object.keys(schema.items).length > 0 ? [example(schema.items, name)] : [];
    case 'integer':
    case 'number': return 1;
    case 'boolean': return true;
    case 'string': {
      if (schema.format === 'date-time') return '2026-11-26T04:00:00Z';
      if (schema.format === 'date') return '2026-11-26';
      if (schema.format === 'decimal' || types(schema).includes('integer')) return '10';
      return KNOWN[name] ?? 'text';
    }
    default: return null;
  }
}
