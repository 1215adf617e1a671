// Prints how many fields have a description, kind by kind, with every type a kind reaches. `--missing` names the rest.
import { createDescriber } from '../src/api/description.ts';
import { builtinResources } from '../src/api/resource.ts';
import { schemaOf, type TypeRef } from '../src/api/schema.ts';

const describe = createDescriber();
const missing = new Set<string>();

function structOf(type: TypeRef): string | undefined {
  if (type.kind === 'struct') return type.name;
  if (type.kind === 'list') return structOf(type.item);
  return type.kind === 'map' ? structOf(type.value) : undefined;
}

/** Counts the fields of a type and of all it refers to, each type once. */
function count(typeName: string, seen: Set<string>): [described: number, all: number] {
  if (seen.has(typeName)) return [0, 0];
  seen.add(typeName);
  let [described, all] = [0, 0];
  for (const f of schemaOf(typeName).fields) {
    all++;
    if (describe.field(typeName, f.name)) described++;
    else missing.add(`${typeName}.${f.name}`);
    const inner = structOf(f.type);
    if (!inner) continue;
    const [d, a] = count(inner, seen);
    described += d;
    all += a;
  }
  return [described, all];
}

const done = new Set<string>();
let complete = 0;
for (const r of builtinResources().resources) {
  if (!r.typeName || !r.onByDefault || done.has(r.typeName)) continue;
  done.add(r.typeName);
  const [described, all] = count(r.typeName, new Set());
  if (described === all) complete++;
  console.log(
    `${String(described).padStart(4)}/${String(all).padEnd(4)} ${r.group ? `${r.group}/` : ''}${r.version} ${r.kind}`,
  );
}
console.log(`${complete} of ${done.size} kinds are described whole; ${missing.size} fields are not`);
if (process.argv.includes('--missing')) for (const name of [...missing].sort()) console.log(name);
