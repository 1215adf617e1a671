import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { compileMessages, type TypeDescriptor } from './protobuf.ts';

const descriptor = JSON.parse(readFileSync(new URL('./cri-v1.json', import.meta.url), 'utf8'));
const types: Record<string, TypeDescriptor> = descriptor.nested.runtime.nested.v1.nested;
const root = protobuf.Root.fromJSON(descriptor);
const codec = compileMessages(types);

// protobufjs is the naive twin.
const twin = (name: string) => {
  const type = root.lookupType(`runtime.v1.${name}`);
  return {
    encode: (value: object) => Buffer.from(type.encode(type.fromObject(value)).finish()),
    decode: (bytes: Uint8Array) =>
      type.toObject(type.decode(bytes), { longs: Number, enums: String, bytes: Buffer, defaults: true }),
  };
};

const scalar: Record<string, fc.Arbitrary<unknown>> = {
  string: fc.string({ unit: 'grapheme', maxLength: 200 }),
  bool: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 300 }).map(b => Buffer.from(b)),
  int32: fc.integer(),
  uint32: fc.nat(),
  int64: fc.maxSafeInteger(),
  uint64: fc.maxSafeNat(),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }),
};

function arbitrary(name: string, scope: TypeDescriptor, depth: number): fc.Arbitrary<unknown> | undefined {
  if (scalar[name]) return scalar[name];
  const type = scope.nested?.[name] ?? types[name]!;
  if (type.values) return fc.constantFrom(...Object.keys(type.values));
  if (depth === 0) return undefined;
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [fieldName, field] of Object.entries(type.fields ?? {})) {
    const value = arbitrary(field.type, type, depth - 1);
    if (!value) continue;
    model[fieldName] = field.keyType
      ? fc.dictionary(fc.stringMatching(/^[a-z]{1,9}$/), value, { maxKeys: 3 })
      : field.rule === 'repeated'
        ? fc.array(value, { maxLength: 3 })
        : value;
  }
  return fc.record(model, { requiredKeys: [] });
}

for (const name of ['RunPodSandboxRequest', 'CreateContainerRequest', 'ContainerStatusResponse', 'MetricDescriptor']) {
  test(`${name} travels to and from protobufjs unchanged`, () => {
    fc.assert(
      fc.property(arbitrary(name, {}, 5)!, value => {
        const ours = codec<object>(name);
        const theirs = twin(name);
        const seen = theirs.decode(ours.encode(value as object));
        assert.deepEqual(plain(seen), plain(theirs.decode(theirs.encode(value as object))));
        assert.deepEqual(ours.decode(theirs.encode(value as object)), ours.decode(ours.encode(value as object)));
        assert.deepEqual(plain(theirs.decode(ours.encode(ours.decode(theirs.encode(value as object))))), plain(seen));
      }),
      { numRuns: 60 },
    );
  });
}

const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

test('decoding fills in proto3 defaults, so that a first enum value is seen', () => {
  assert.deepEqual(codec('PodSandbox').decode(Buffer.alloc(0)), {
    id: '',
    state: 'SANDBOX_READY',
    created_at: 0,
    labels: {},
    annotations: {},
    runtime_handler: '',
  });
});

test('negative 64-bit integers keep their value', () => {
  const resources = codec<{ oom_score_adj: number; cpu_quota: number }>('LinuxContainerResources');
  const back = resources.decode(resources.encode({ oom_score_adj: -997, cpu_quota: -1 }));
  assert.equal(back.oom_score_adj, -997);
  assert.equal(back.cpu_quota, -1);
});

test('unknown fields are skipped and truncated messages refused', () => {
  assert.equal(codec<{ id: string }>('PodSandbox').decode(Buffer.from([0xf8, 0x07, 1, 0x0a, 1, 0x61])).id, 'a');
  assert.throws(() => codec('PodSandbox').decode(Buffer.from([0x0a, 9, 0x61])), /truncated/);
});
