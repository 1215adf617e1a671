// Compares who owns what of built-in kinds after writes at random, objects and their status, with what Kubernetes' library
// makes of them: `node bin/node26.js test/interop/compare-owners.ts [--from SEED] [--count N] [--kind KIND]`.
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { applyConfiguration } from '../../src/api/apply.ts';
import { shapeOf } from '../../src/api/field-diff.ts';
import { updateManagedFields } from '../../src/api/managed-fields.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import { normalize } from '../../src/api/normalize.ts';
import { builtinResources } from '../../src/api/resource.ts';
import { schemaOf } from '../../src/api/schema.ts';
import { StatusError } from '../../src/api/status.ts';
import { messageOf } from '../../src/base/assert.ts';
import { jsonText } from '../../src/base/json-text.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { parseExactJson } from '../../src/base/whole-number.ts';
import { kubeStorage } from '../clients/tool.ts';
import { type OwnedWrite, WireProcess } from './wire-process.ts';

type Json = any;

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '2' },
    kind: { type: 'string' },
  },
});
const tool = await kubeStorage();
if ('missing' in tool) throw new Error(tool.missing);
const go = new WireProcess(tool.command[0]);
const time = '2020-01-01T00:00:00Z';

/** Parts of a JSON value; items keep what may tell them apart. */
function partOf(value: Json, random: Random, share: number): Json {
  if (Array.isArray(value)) return value.filter(() => random.next() < share).map(item => partOf(item, random, share));
  if (typeof value !== 'object' || value === null) return value;
  const keeps = (key: string) => isName(key) || random.next() < share;
  return Object.fromEntries(
    Object.keys(value)
      .filter(keeps)
      .map(key => [key, partOf(value[key], random, share)]),
  );
}

const names =
  /^(name|type|key|ip|uid|port|containerPort|protocol|topologyKey|whenUnsatisfiable|devicePath|mountPath|path)$/;
const isName = (key: string) => names.test(key);

/** Some fields of the one, some of the other. */
function mixed(a: Json, b: Json, random: Random): Json {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a))
    return random.next() < 0.5 ? a : b;
  const out: Json = {};
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const [isA, isB] = [Object.hasOwn(a, key), Object.hasOwn(b, key)];
    if (isA && isB) out[key] = mixed(a[key], b[key], random);
    else if (random.next() < 0.5) out[key] = isA ? a[key] : b[key];
  }
  return out;
}

interface Kind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly typeName: string;
}

function writesOf(a: Json, b: Json, live: Json, random: Random, hasStatus: boolean): OwnedWrite {
  const subresource = hasStatus && random.next() < 0.5 ? 'status' : '';
  const apply = live !== undefined && random.next() < 0.6;
  const { name, namespace } = a.metadata;
  const source = mixed(a, b, random);
  const body = apply ? partOf(source, random, 0.6) : live ? mixed(live, source, random) : a;
  const { managedFields, ...metadata } = body.metadata ?? {};
  const named = { ...metadata, name, ...(namespace ? { namespace } : {}) };
  const kept = apply || !live ? named : { ...named, managedFields: live.metadata.managedFields };
  return {
    live,
    body: { ...body, apiVersion: a.apiVersion, kind: a.kind, metadata: kept },
    manager: 'xyz'[Math.floor(random.next() * 3)]!,
    subresource: live ? subresource : '',
    apply,
    force: apply && random.next() < 0.6,
  };
}

function ours({ typeName, apiVersion }: Kind, { live, body, manager, subresource, apply, force }: OwnedWrite): Json {
  const old = live && (normalize(typeName, live as Json) as KubeObject);
  if (apply)
    return applyConfiguration({
      shape: shapeOf(typeName),
      typeName,
      live: old,
      config: body as Record<string, unknown>,
      manager,
      apiVersion,
      subresource,
      force,
      time,
      complete: merged => normalize(typeName, merged as Json),
    });
  const updated = normalize(typeName, body as Json) as KubeObject;
  const write = { typeName, old, updated, manager, operation: 'Update', apiVersion, subresource, time } as const;
  return { ...updated, metadata: { ...updated.metadata, managedFields: updateManagedFields(write) } };
}

const entriesOf = (object: Json) =>
  (object.metadata.managedFields ?? [])
    .map(({ time: _, ...entry }: Json) => entry)
    .sort((a: Json, b: Json) => (idOf(a) < idOf(b) ? -1 : 1));
const idOf = ({ manager, operation, subresource }: Json) => JSON.stringify([manager, operation, subresource]);

function bare(object: Json): Json {
  const { managedFields: _, creationTimestamp: __, ...metadata } = object.metadata;
  return parseExactJson(jsonText({ ...object, metadata }));
}

const hasStatus = ({ typeName }: Kind) => schemaOf(typeName).byName.has('status');
let steps = 0;
let differ = 0;

async function compare(kind: Kind, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const make = async (n: number) =>
    parseExactJson((await go.make(kind.apiVersion, kind.kind, 'json', 10 * seed + n)).stored.toString()) as Json;
  const [a, b] = [await make(1), await make(2)];
  for (const object of [a, b])
    object.metadata = { ...partOf(object.metadata ?? {}, random, 0.7), managedFields: undefined };
  Object.assign(a.metadata, { name: 'n', namespace: 'd' });
  let live: Json;
  for (let step = 0; step < 6; step++) {
    const write = writesOf(a, b, live, random, hasStatus(kind));
    const answer = await go.own(kind.apiVersion, kind.kind, write);
    // Not of the clients' schema, or without what its kind's rules ask for.
    if (answer.error?.startsWith('failed to convert new object')) return;
    let [expected, got]: [Json, Json] = [answer.error, undefined];
    if (answer.error === undefined) expected = parseExactJson(answer.json.toString());
    try {
      got = ours(kind, write);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      got = messageOf(error);
    }
    steps++;
    const shown = (one: Json) =>
      typeof one === 'string'
        ? one
        : { entries: entriesOf(one), object: write.apply ? bare(normalize(kind.typeName, one)) : {} };
    const told = (one: Json) => parseExactJson(jsonText(shown(one)));
    if (!isDeepStrictEqual(told(expected), told(got))) {
      differ++;
      console.log(`${kind.apiVersion} ${kind.kind} seed ${seed} step ${step}`);
      console.log([write, shown(expected), shown(got)].map(one => jsonText(one)).join('\n'));
    }
    if (typeof expected !== 'string') live = expected;
  }
}

try {
  for (const [apiVersion, kind] of await go.kinds()) {
    const typeName = builtinResources().byKind(apiVersion, kind)?.typeName;
    if (!typeName || (values.kind && kind !== values.kind)) continue;
    for (let i = 0; i < Number(values.count); i++)
      await compare({ apiVersion, kind, typeName }, Number(values.from) + i);
  }
  console.log(`${differ} of ${steps} steps differ`);
} finally {
  await go.stop();
}
