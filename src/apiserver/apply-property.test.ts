// Server-side apply against a twin that keeps a value and a set of owners for every field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { coreV1 } from '../api/refs.ts';
import { StatusError } from '../api/status.ts';
import type { Service } from '../api/type/core-v1.ts';
import { startTestServer } from './test-server.ts';

interface Field {
  value: string;
  readonly owners: Set<string>;
}
/** `label a`, `port http 80`, … and what it holds. */
type Fields = Map<string, string>;

const label = fc.record({ key: fc.constantFrom('a', 'b', 'c'), value: fc.constantFrom('1', '2') });
const port = fc.record({ port: fc.constantFrom(80, 81, 82), target: fc.integer({ min: 8000, max: 8002 }) });
const apply = fc.record({
  manager: fc.constantFrom('x', 'y', 'z'),
  force: fc.boolean(),
  labels: fc.uniqueArray(label, { maxLength: 3, selector: l => l.key }),
  finalizers: fc.uniqueArray(fc.constantFrom('k8ts.dev/a', 'k8ts.dev/b'), { maxLength: 2 }),
  ports: fc.uniqueArray(port, { maxLength: 3, selector: p => p.port }),
});
type Apply = typeof apply extends fc.Arbitrary<infer A> ? A : never;

function fieldsOf({ labels, finalizers, ports }: Apply): Fields {
  const fields: Fields = new Map();
  for (const l of labels) fields.set(`label ${l.key}`, l.value);
  for (const f of finalizers) fields.set(`finalizer ${f}`, '');
  for (const p of ports) fields.set(`port ${p.port}`, '').set(`target ${p.port}`, String(p.target));
  return fields;
}

// An empty map or list would be a field of its own.
const unlessEmpty = (name: string, value: object): object => (Object.keys(value).length > 0 ? { [name]: value } : {});

function bodyOf(name: string, { labels, finalizers, ports }: Apply): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...{ name, namespace: 'default' },
      ...unlessEmpty('labels', Object.fromEntries(labels.map(l => [l.key, l.value]))),
      ...unlessEmpty('finalizers', finalizers),
    },
    spec: {
      clusterIP: 'None',
      ...unlessEmpty(
        'ports',
        // Ports of a service with several need names.
        ports.map(p => ({ name: `p${p.port}`, port: p.port, protocol: 'TCP', targetPort: p.target })),
      ),
    },
  };
}

function shown(service: Service): Fields {
  const fields: Fields = new Map();
  for (const [key, value] of Object.entries(service.metadata.labels ?? {})) fields.set(`label ${key}`, value);
  for (const f of service.metadata.finalizers ?? []) fields.set(`finalizer ${f}`, '');
  // The default of a target is the port's own number: then nobody has set it.
  for (const { port, targetPort } of service.spec?.ports ?? []) {
    fields.set(`port ${port}`, '');
    if (targetPort !== port) fields.set(`target ${port}`, String(targetPort));
  }
  return fields;
}

/** What applying gives; the fields in conflict, or undefined when it is done. */
function applyToTwin(twin: Map<string, Field>, manager: string, wanted: Fields, force: boolean): string[] | undefined {
  const conflicts = [...wanted].filter(([path, value]) => {
    const field = twin.get(path);
    return field && field.value !== value && [...field.owners].some(o => o !== manager);
  });
  if (conflicts.length > 0 && !force) return conflicts.map(([path]) => path);
  for (const [path, field] of twin) {
    if (wanted.has(path) || !field.owners.delete(manager) || field.owners.size > 0) continue;
    twin.delete(path);
  }
  for (const [path, value] of wanted) {
    const field = twin.get(path);
    if (field?.value === value) field.owners.add(manager);
    else twin.set(path, { value, owners: new Set([manager]) });
  }
  return undefined;
}

const sorted = (fields: Iterable<[string, unknown]>) => [...fields].sort(([a], [b]) => (a < b ? -1 : 1));

test('applied configurations of several managers, against values and owners of each field', async t => {
  const server = await startTestServer();
  t.after(() => server.stop());
  const clients = new Map(['x', 'y', 'z'].map(manager => [manager, server.server.client({ userAgent: manager })]));
  let names = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(apply, { minLength: 1, maxLength: 7 }), async applies => {
      const key = { namespace: 'default', name: `s${names++}` };
      const twin = new Map<string, Field>();
      for (const one of applies) {
        const conflicts = applyToTwin(twin, one.manager, fieldsOf(one), one.force);
        const client = clients.get(one.manager)!;
        const applying = client.patch(coreV1.services, key, {
          type: 'apply',
          body: bodyOf(key.name, one),
          force: one.force,
        });
        const got = await applying.then(
          service => service,
          error => {
            if (!conflicts || !(error instanceof StatusError)) throw error;
            refused++;
            assert.equal(error.code, 409);
            const causes = error.status.details?.causes ?? [];
            assert.equal(new Set(causes.map(c => c.field)).size, conflicts.length, JSON.stringify([causes, conflicts]));
            return undefined;
          },
        );
        assert.equal(got === undefined, conflicts !== undefined, JSON.stringify({ one, conflicts }));
        if (!got) continue;
        assert.deepEqual(sorted(shown(got)), sorted([...twin].map(([path, f]) => [path, f.value])));
      }
    }),
    { numRuns: 80 },
  );
  assert.ok(refused > 10, `only ${refused} conflicts`);
});
