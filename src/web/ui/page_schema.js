// @ts-check
// A schema of the API's description for people: each field in a line, and an example made from it.

/**
 * @typedef {{ type?: string | string[], format?: string, enum?: (string | number | null)[], items?: Schema, properties?: Record<string, Schema>,
 *   required?: string[], additionalProperties?: Schema | boolean, anyOf?: Schema[], $ref?: string, description?: string }} Schema
 * @typedef {{ name: string, kind: string, needed: boolean, about: string }} Line
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

/**
 * The schema with everything in it that is only named: what the description says of those names stands in their place.
 * @param {Schema} schema @param {Record<string, Schema>} named @returns {Schema}
 */
export function whole(schema, named) {
  const { $ref, ...own } = schema;
  /** @type {Schema} */
  const said = $ref ? { ...whole(named[$ref.replace('#/components/schemas/', '')], named), ...own } : { ...own };
  if (said.items) said.items = whole(said.items, named);
  if (said.anyOf) said.anyOf = said.anyOf.map((one) => whole(one, named));
  if (typeof said.additionalProperties === 'object') said.additionalProperties = whole(said.additionalProperties, named);
  if (said.properties) said.properties = Object.fromEntries(Object.entries(said.properties).map(([name, field]) => [name, whole(field, named)]));
  return said;
}

/** What a field is, in words. @param {Schema} schema @returns {string} */
export function kindOf(schema) {
  if (schema.anyOf) {
    const all = [...new Set(schema.anyOf.map(kindOf))];
    const own = all.filter((kind) => kind !== NOTHING).join(' or ');
    return own + (all.includes(NOTHING) ? OR_NULL : '');
  }
  const all = types(schema);
  const orNull = all.includes('null') ? OR_NULL : '';
  if (schema.enum) return schema.enum.filter((word) => word !== null).join(' | ') + orNull;
  /** @type {Record<string, string>} */
  const words = { string: 'text', integer: 'whole number', number: 'number', boolean: 'true or false', array: 'list', object: 'object' };
  const own = all.filter((type) => type !== 'null').map((type) => (type === 'string' && schema.format ? `text (${schema.format})` : words[type] ?? type));
  if (own.length === 0) return orNull ? NOTHING : 'anything';
  return own.join(' or ') + orNull;
}

const NOTHING = 'nothing yet';
const OR_NULL = ', or null';

/**
 * Each field of a schema, with the names of what it stands in: `rows[].price`. Of several that it may be, the fields of all of them.
 * @param {Schema} schema @param {string} [within] @param {boolean} [needed] @returns {Line[]}
 */
export function outline(schema, within = '', needed = false) {
  const own = within ? [{ name: within, kind: kindOf(schema), needed, about: schema.description ?? '' }] : [];
  if (schema.anyOf) {
    /** @type {Map<string, Line>} */
    const lines = new Map();
    for (const line of schema.anyOf.flatMap((one) => outline(one, within))) if (line.name !== within && !lines.has(line.name)) lines.set(line.name, line);
    return [...own, ...lines.values()];
  }
  if (schema.items) return [...own, ...inner(schema.items, `${within}[]`)];
  if (typeof schema.additionalProperties === 'object') return [...own, ...inner(schema.additionalProperties, within ? `${within}.<name>` : '<name>')];
  const fields = Object.entries(schema.properties ?? {});
  return [...own, ...fields.flatMap(([name, field]) => outline(field, within ? `${within}.${name}` : name, schema.required?.includes(name) ?? false))];
}

/** What a list or a map holds: its own line only where it has no fields. @param {Schema} schema @param {string} within @returns {Line[]} */
function inner(schema, within) {
  const lines = outline(schema, within);
  return lines.length > 1 ? lines.slice(1) : lines;
}

/**
 * An example of a schema.
 * @param {Schema} schema @param {string} [name] @returns {any}
 */
export function example(schema, name = '') {
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return example(schema.anyOf[0], name);
  const type = types(schema).find((one) => one !== 'null');
  switch (type) {
    case 'object': {
      if (typeof schema.additionalProperties === 'object') return { NAME: example(schema.additionalProperties) };
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
