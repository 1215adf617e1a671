import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { largePod } from '../../bench/large-pod.ts';
import { markCanonical } from './canonical-part.ts';
import { applyDefaults, normalize, parseJson, parseYaml, strictErrors } from './decode.ts';
import { inspectJson } from './json-syntax.ts';
import type { KubeObject } from './meta.ts';
import { schemaOf, typeNames } from './schema.ts';
import { StatusError } from './status.ts';

const core = (name: string) => `io.k8s.api.core.v1.${name}`;
const deployment = 'io.k8s.api.apps.v1.Deployment';

const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return error.message;
    throw error;
  }
  return '';
};

test('broken JSON is refused in Go words', () => {
  const cases: [string, string][] = [
    ['', 'unexpected end of JSON input'],
    ['{', 'unexpected end of JSON input'],
    ['foo', "invalid character 'o' in literal false (expecting 'a')"],
    ['x', "invalid character 'x' looking for beginning of value"],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['[1 2]', "invalid character '2' after array element"],
    ['{} x', "invalid character 'x' after top-level value"],
    ['"\n"', "invalid character '\\n' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['-a', "invalid character 'a' in numeric literal"],
    ['01', "invalid character '1' after top-level value"],
    ['1.a', "invalid character 'a' after decimal point in numeric literal"],
    ["'a'", "invalid character '\\'' looking for beginning of value"],
  ];
  for (const [text, want] of cases)
    assert.equal(
      message(() => parseJson(text)),
      `couldn't get version/kind; json parse error: ${want}`,
      text,
    );
  assert.equal(
    message(() => parseJson('{', { kind: 'Pod' })),
    'the object provided is unrecognized (must be of type Pod): ' +
      "couldn't get version/kind; json parse error: unexpected end of JSON input ({)",
  );
  assert.equal(parseJson(Uint8Array.of(0x22, 0xff, 0x22)).value, '\ufffd');
  assert.match(
    message(() => parseJson(Uint8Array.of(0x81, 0x22))),
    /invalid character '\\u0081' looking/,
  );
  assert.match(
    message(() => parseJson('['.repeat(2000) + ']'.repeat(2000))),
    /exceeded max depth/,
  );
});

test('duplicate keys are found by path', () => {
  const body = '{"spec":{"a":1,"list":[{"n":1},{"n":1,"n":2}],"a":"x:y"},"s":"\\":{}"}';
  assert.deepEqual(parseJson(body).duplicates, ['spec.list[1].n', 'spec.a']);
  assert.deepEqual(parseJson(Buffer.from('{"a":{"b":1},"c":{"b":1}}')).duplicates, []);
});

test('the exact parser agrees with JSON.parse', () => {
  fc.assert(fc.property(fc.json(), text => assert.equal(inspectJson(text).error, undefined)));
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.constantFrom('', '{', '"', ',', 'x', '0', '-'), (text, at, put) => {
      const i = at % (text.length + 1);
      const broken = text.slice(0, i) + put + text.slice(i + 1);
      let sound = true;
      try {
        JSON.parse(broken);
      } catch {
        sound = false;
      }
      assert.equal(inspectJson(broken).error === undefined, sound, broken);
    }),
  );
});

test('a stored pod comes back byte for byte, from any order of keys', () => {
  const text = JSON.stringify(largePod());
  assert.equal(JSON.stringify(normalize(core('Pod'), JSON.parse(text))), text);
  const shuffled = reverseKeys(JSON.parse(text)) as object;
  // Free JSON keeps its own order.
  const fields = (shuffled as ReturnType<typeof largePod>).metadata.managedFields[0]!;
  fields.fieldsV1 = largePod().metadata.managedFields[0]!.fieldsV1;
  assert.equal(JSON.stringify(normalize(core('Pod'), shuffled)), text);
});

function reverseKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reverseKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([k, v]) => [k, reverseKeys(v)]),
  );
}

test('writes what Go always writes and drops what omitempty drops', () => {
  assert.equal(
    JSON.stringify(normalize(core('Pod'), { metadata: { creationTimestamp: null, labels: {} }, spec: null })),
    '{"metadata":{},"spec":{"containers":null},"status":{}}',
  );
  assert.equal(
    JSON.stringify(
      normalize(core('Service'), { spec: { ports: [{ port: 80 }, null], selector: { b: '1', a: null } } }),
    ),
    '{"metadata":{},"spec":{"ports":[{"port":80,"targetPort":0},{"port":0,"targetPort":0}],"selector":{"a":"","b":"1"}},"status":{"loadBalancer":{}}}',
  );
  const event = normalize(core('Event'), { metadata: { name: 'e' }, involvedObject: {}, count: 0 });
  assert.equal(
    JSON.stringify(event),
    '{"metadata":{"name":"e"},"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":""}',
  );
  assert.deepEqual(normalize(core('Secret'), { data: { a: 'YQ==' }, immutable: false }), {
    metadata: {},
    immutable: false,
    data: { a: 'YQ==' },
  });
});

test('quantities and times are rewritten', () => {
  const pod = normalize(core('Pod'), {
    metadata: { creationTimestamp: '2026-01-02T05:04:05.678+02:00' },
    spec: { containers: [{ name: 'a', resources: { limits: { memory: 1024, cpu: '1000m' } } }] },
  }) as unknown as { spec: { containers: { resources: unknown }[] } };
  assert.deepEqual(pod.spec.containers[0]!.resources, { limits: { cpu: '1', memory: '1024' } });
  assert.equal(
    (pod as unknown as { metadata: { creationTimestamp: string } }).metadata.creationTimestamp,
    '2026-01-02T03:04:05Z',
  );
  const lease = normalize('io.k8s.api.coordination.v1.Lease', {
    spec: { renewTime: '2026-01-02T05:04:05.678900+02:00' },
  }) as unknown as { spec: { renewTime: string } };
  assert.equal(lease.spec.renewTime, '2026-01-02T03:04:05.678900Z');
});

test('unknown fields are dropped and reported', () => {
  const report = { unknown: [] as string[] };
  const got = normalize(
    core('Pod'),
    {
      spec: { containers: [{ name: 'a', foo: 1, Image: 'x' }], bar: null },
      metadata: { labels: { free: 'x' } },
      baz: {},
    },
    report,
  );
  assert.deepEqual(report.unknown, ['spec.containers[0].foo', 'spec.containers[0].Image', 'spec.bar', 'baz']);
  assert.equal('baz' in got, false);
  assert.deepEqual(strictErrors({ unknown: ['spec.foo'], duplicates: ['spec.bar'] }), [
    'duplicate field "spec.bar"',
    'unknown field "spec.foo"',
  ]);
});

test('wrong types are refused in Kubernetes words', () => {
  const cases: [string, unknown, string][] = [
    [
      deployment,
      { spec: { replicas: '3' } },
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      { spec: { replicas: 3e9 } },
      'cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      { spec: { replicas: 1.5 } },
      'cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [deployment, { spec: [] }, 'cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec'],
    [
      core('Pod'),
      { spec: { containers: {} } },
      'cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
    ],
    [
      core('Pod'),
      { spec: { containers: [{ ports: [{ containerPort: 'x' }] }] } },
      'cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
    ],
    [
      core('Pod'),
      { metadata: { labels: { a: 1 } } },
      'cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [
      core('Pod'),
      { spec: { containers: [{ resources: { limits: { cpu: 'x' } } }] } },
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      core('Pod'),
      { metadata: { creationTimestamp: 'now' } },
      'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
    ],
    [core('Secret'), { data: { a: '%%' } }, 'illegal base64 data at input byte 0'],
    [
      core('Service'),
      { spec: { ports: [{ targetPort: true }] } },
      'cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32',
    ],
    [
      core('Pod'),
      { metadata: { creationTimestamp: 5 } },
      'cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string',
    ],
    [
      core('Pod'),
      { metadata: { ownerReferences: [{ uid: 5 }] } },
      'cannot unmarshal number into Go struct field OwnerReference.metadata.ownerReferences.uid of type types.UID',
    ],
    [core('Pod'), [], 'cannot unmarshal array into Go value of type v1.Pod'],
    [
      core('Pod'),
      { spec: { terminationGracePeriodSeconds: 2n ** 64n } },
      'cannot unmarshal number 18446744073709551616',
    ],
  ];
  for (const [type, value, want] of cases) {
    const got = message(() => normalize(type, value));
    assert.ok(got.includes(want), `${got}\nwants ${want}`);
  }
});

test('__proto__ is plain data', () => {
  const { value } = parseJson('{"data":{"__proto__":"x"},"__proto__":{"polluted":1}}');
  const report = { unknown: [] as string[] };
  const map = normalize(core('ConfigMap'), value, report);
  assert.deepEqual(report.unknown, ['__proto__']);
  assert.equal(Object.getPrototypeOf(map), Object.prototype);
  assert.equal(JSON.stringify(map), '{"metadata":{},"data":{"__proto__":"x"}}');
});

test('schema defaults fill in, in order, once', () => {
  const pod = normalize(core('Pod'), {
    spec: {
      containers: [{ name: 'a', ports: [{ containerPort: 80, hostIP: '::' }], livenessProbe: { grpc: { port: 1 } } }],
      volumes: [{ name: 'd', azureDisk: { diskName: 'a', diskURI: 'b' } }],
    },
  });
  applyDefaults(core('Pod'), pod);
  const text = JSON.stringify(pod);
  assert.match(text, /\{"containerPort":80,"protocol":"TCP","hostIP":"::"\}/);
  assert.match(text, /"grpc":\{"port":1,"service":""\}/);
  assert.match(text, /"cachingMode":"ReadWrite","fsType":"ext4","readOnly":false,"kind":"Shared"/);
  applyDefaults(core('Pod'), pod);
  assert.equal(JSON.stringify(pod), text);
});

test('YAML reads as Kubernetes reads it', () => {
  const body = `
apiVersion: v1
data: &d
  a: 2001-12-14
  b: "yes"
  t: 1:30
on: off
octal: 0755
copy: *d
merged: { <<: *d, a: x }
data: { a: 1, a: 2 }
`;
  const { value, duplicates } = parseYaml(body);
  assert.deepEqual(value, {
    apiVersion: 'v1',
    data: { a: 2 },
    true: false,
    octal: 493,
    copy: { a: '2001-12-14', b: 'yes', t: '1:30' },
    merged: { a: 'x', b: 'yes', t: '1:30' },
  });
  assert.deepEqual(duplicates, ['data', 'data.a']);
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
  for (const [x, y] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg']) bomb.push(`${y}: &${y} [${`*${x},`.repeat(9)}]`);
  assert.match(
    message(() => parseYaml(bomb.join('\n'))),
    /^error decoding YAML: error converting YAML to JSON: yaml: /,
  );
  assert.match(
    message(() => parseYaml('a: [')),
    /error converting YAML to JSON/,
  );
});

test('normalising is idempotent for every type', () => {
  for (const name of typeNames()) {
    if (schemaOf(name).alias) continue;
    const once = normalize(name, {});
    assert.deepEqual(normalize(name, once), once, name);
  }
});

test('YAML that would take forever is refused at once', () => {
  const many = (n: number, line: (i: number) => string) => Array.from({ length: n }, (_, i) => line(i)).join('\n');
  const cases: [string, RegExp][] = [
    [many(5000, i => `- &a${i} 1\n- *a${i}`), /document contains excessive aliasing/],
    ['a: &a\n  b: *a\n', /anchor 'a' value contains itself/],
    [`[${','.repeat(200_000)}`, /Unexpected , in flow sequence at line 1, column 3/],
    ['#\n'.repeat(600_000), /document has too many parts/],
    ['['.repeat(100_000), /^error decoding YAML: error converting YAML to JSON: yaml: exceeded max depth/],
  ];
  for (const [text, message] of cases) {
    const before = process.cpuUsage();
    assert.throws(() => parseYaml(text), { code: 400, message });
    // Of the processor, whatever else the machine does: without a bound it is minutes.
    assert.ok(process.cpuUsage(before).user < 20e6, message.source);
  }
  assert.deepEqual(parseYaml('---\na: &x [1]\nb: *x\n---\nc: 1').value, { a: [1], b: [1] });
});

test('what is kept stays what it is, in its place', () => {
  const pod = normalize(core('Pod'), largePod()) as KubeObject & { spec: object };
  const { spec, ...rest } = pod;
  const { object, report } = { object: { spec, ...rest, strange: 1 }, report: { unknown: [] as string[] } };
  const again = normalize(core('Pod'), object, report, spec) as typeof pod;
  assert.equal(again.spec, spec);
  assert.equal(JSON.stringify(again), JSON.stringify(pod));
  assert.deepEqual(report.unknown, ['strange']);
  assert.notEqual((normalize(core('Pod'), object) as typeof pod).spec, spec);
});

test('a struct in canonical form stays what it is', () => {
  const projected = markCanonical({ sources: [{ configMap: { name: 'c' } }], defaultMode: 420 });
  const spec = (p: object) => ({ spec: { containers: [], volumes: [{ name: 'v', projected: p }] } });
  const made = normalize(core('Pod'), spec(projected)) as unknown as ReturnType<typeof spec>;
  assert.equal(made.spec.volumes[0]!.projected, projected);
  assert.deepEqual(made, normalize(core('Pod'), spec({ ...projected })));
});
