// Kinds that histories are played on (test-histories.ts): of one version, and of two that are told apart by their names, by
// a webhook or by their schemas.
import { definition, objectSchema } from './custom/test-definition.ts';
import { startTestExtension, type TestExtension } from './extension/test-extension.ts';
import type { Json } from './test-caller.ts';
import { oddHistories } from './test-odd-managers.ts';
import type { History } from './test-step.ts';

const text = { type: 'string' };
const whole = { type: 'integer' };
const listOf = (type: string, items: object, keys?: readonly string[]) => ({
  type: 'array',
  items,
  'x-kubernetes-list-type': type,
  ...(keys ? { 'x-kubernetes-list-map-keys': keys } : {}),
});
const mapOf = (additionalProperties: object) => ({ type: 'object', additionalProperties });

// `p` is the key of a list in another's items.
const inner = objectSchema({ p: whole, q: { ...text, default: 'TCP' }, t: text, u: text }, { required: ['p'] });
const item = objectSchema(
  {
    k: text,
    v: text,
    inner: listOf('map', inner, ['p', 'q']),
    tags: listOf('set', text),
    plain: listOf('atomic', text),
  },
  { required: ['k'] },
);

const spec = {
  s: text,
  n: whole,
  replicas: whole,
  filled: { ...text, default: 'x' },
  port: { 'x-kubernetes-int-or-string': true },
  map: mapOf(text),
  atomicMap: { ...mapOf(text), 'x-kubernetes-map-type': 'atomic' },
  list: listOf('atomic', text),
  set: listOf('set', text),
  numbers: listOf('set', whole),
  keyed: listOf('map', item, ['k']),
  deep: objectSchema({ a: objectSchema({ b: text, c: text }), d: text }),
  maps: mapOf(objectSchema({ x: text, y: text })),
  lists: mapOf(listOf('set', text)),
  free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
};

const condition = objectSchema({ type: text, status: text, reason: text }, { required: ['type'] });
const status = {
  phase: text,
  replicas: whole,
  conditions: listOf('map', condition, ['type']),
  addresses: listOf('atomic', objectSchema({ ip: text })),
};

interface Fields {
  readonly spec: object;
  readonly status: object;
  /** Beside them. */
  readonly more?: object;
}

export interface World {
  readonly name: string;
  readonly group: string;
  /** That its objects are written in. */
  readonly versions: readonly string[];
  readonly scales: boolean;
  /** `hook`: what converts, where one does. */
  definition(hook: TestExtension): Json;
  /** Instead of those at random. */
  readonly histories?: readonly History[];
  /** What is said in the first version, in another. */
  say(body: Json, version: string): Json;
}

type Differing = Partial<Pick<World, 'scales' | 'say'>> & { readonly converts?: true };

function world(name: string, versions: readonly Fields[], differing: Differing = {}): World {
  const { scales = false, say = body => body, converts } = differing;
  const group = name === 'one' ? 'histories.example.com' : `${name}.histories.example.com`;
  const names = versions.map((_, i) => `v${i + 1}`);
  const subresources = {
    status: {},
    scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
  };
  const served = versions.map(({ spec, status, more }, i) => ({
    name: names[i]!,
    storage: i === 0,
    schema: objectSchema({
      spec: objectSchema(spec),
      data: mapOf(text),
      status: objectSchema(status),
      ...more,
    }),
    more: { subresources },
  }));
  const webhook = ({ url, caBundle }: TestExtension) => ({
    conversion: {
      strategy: 'Webhook',
      webhook: { clientConfig: { url, caBundle }, conversionReviewVersions: ['v1'] },
    },
  });
  return {
    name,
    group,
    versions: names,
    scales,
    say,
    definition: hook => definition(group, served, converts ? webhook(hook) : {}),
  };
}

const first: Fields = { spec, status };

// What the first version of the webhook's kind has, and what its second has in the place of it.
const renamed = { s: 'title', keyed: 'things', list: 'order' };
const { s, keyed, list, n: _, map, ...others } = spec;
const { phase, ...told } = status;
const second: Fields = {
  spec: { ...others, title: s, things: keyed, order: list, count: text },
  status: { ...told, state: phase },
  more: { extra: map },
};

/** An object in another version; also a part of one that holds nulls. */
function convert(object: Json, version: string): Json {
  const out = structuredClone(object);
  const move = (from: Json, key: string, to: Json, as: string, value = (x: Json) => x) => {
    if (from?.[key] === undefined) return;
    to[as] = from[key] === null ? null : value(from[key]);
    delete from[key];
  };
  const spec = () => {
    out.spec ??= {};
    return out.spec;
  };
  if (version === 'v2') {
    for (const [from, to] of Object.entries(renamed)) move(out.spec, from, out.spec, to);
    move(out.spec, 'n', out.spec, 'count', String);
    move(out.spec, 'map', out, 'extra');
    move(out.status, 'phase', out.status, 'state');
  } else {
    for (const [to, from] of Object.entries(renamed)) move(out.spec, from, out.spec, to);
    move(out.spec, 'count', out.spec, 'n', Number);
    if (out.extra !== undefined) move(out, 'extra', spec(), 'map');
    move(out.status, 'state', out.status, 'phase');
  }
  return out;
}

/** Converts what it is asked to. */
export const startConverter = (): Promise<TestExtension> =>
  startTestExtension((_, response, body) => {
    const { apiVersion, kind, request } = JSON.parse(body);
    const { uid, desiredAPIVersion, objects } = request;
    const convertedObjects = objects.map((object: Json) => ({
      ...convert(object, desiredAPIVersion.replace(/.*\//, '')),
      apiVersion: desiredAPIVersion,
    }));
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ apiVersion, kind, response: { uid, convertedObjects, result: { status: 'Success' } } }),
    );
  });

export const worlds: readonly World[] = [
  world('one', [first], { scales: true }),
  world('two', [first, first]),
  { ...world('odd', [first, first]), histories: oddHistories('odd.histories.example.com') },
  world('webhook', [first, second], {
    say: (body, version) => (version === 'v1' ? body : convert(body, version)),
    converts: true,
  }),
];

export const worldOf = (name: string): World => worlds.find(w => w.name === name)!;
