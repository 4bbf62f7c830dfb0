// The answers of docs/openapi.json as types for the pages' scripts: each schema with a name, and what each read answers with. Written
// beside this file before the scripts are checked; `tests/openapi.rs` holds the description against the code.

import { readFileSync, writeFileSync } from 'node:fs';

const here = (path) => new URL(path, import.meta.url);
const described = JSON.parse(readFileSync(here('../../docs/openapi.json'), 'utf8'));

/** A schema as a type. */
function type(schema) {
  if (schema.$ref) return `Api.${schema.$ref.split('/').pop()}`;
  if (schema.anyOf) return schema.anyOf.map(type).join(' | ');
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(' | ');
  return [schema.type].flat().map((one) => ofKind(one, schema)).join(' | ');
}

function ofKind(kind, schema) {
  switch (kind) {
    case 'object': return object(schema);
    case 'array': return `Array<${type(schema.items)}>`;
    case 'integer': return 'number';
    default: return kind;
  }
}

function object({ properties, required = [], additionalProperties }) {
  if (typeof additionalProperties === 'object') return `Record<string, ${type(additionalProperties)}>`;
  const fields = Object.entries(properties ?? {}).map(([name, field]) => `${name}${required.includes(name) ? '' : '?'}: ${type(field)};`);
  return `{ ${additionalProperties ? '[more: string]: any; ' : ''}${fields.join(' ')} }`;
}

const named = Object.entries(described.components.schemas).map(([name, schema]) => `  type ${name} = ${type(schema)};`);
const reads = Object.entries(described.paths).flatMap(([path, { get }]) => {
  const schema = get?.responses['200']?.content?.['application/json']?.schema;
  return schema ? [{ path, type: type(schema) }] : [];
});
const isFixed = ({ path }) => !path.includes('{');
const inPath = ({ path }) => `\`${path.replace(/\{\w+\}/g, '${string}')}\``;

writeFileSync(here('answers.d.ts'), `// Made by types.mjs from docs/openapi.json.
declare namespace Api {
${named.join('\n')}
}
/** What each read answers with. */
interface Reads {
${reads.filter(isFixed).map((read) => `  '${read.path}': ${read.type};`).join('\n')}
}
type ReadOf<Path extends string> = Path extends keyof Reads ? Reads[Path]
${reads.filter((read) => !isFixed(read)).map((read) => `  : Path extends ${inPath(read)} ? ${read.type}`).join('\n')}
  : never;
`);
