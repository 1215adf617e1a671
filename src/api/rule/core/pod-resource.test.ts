// What is wrong in resources and claims of pods, in restarts of containers and in resizing them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mutable } from '../../meta.ts';
import type { Container, Pod, PodSpec } from '../../type/core-v1.ts';
import { create, ruleContext, update } from '../testing.ts';
import { podStrategy } from './pod.ts';
import { causes, changed, type Loose, podOf, stored } from './test-pod.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

type Case = readonly [Loose<PodSpec>, Loose<Container>, ...string[]];
function each(at: string, cases: readonly Case[]): void {
  for (const [spec, container, ...expected] of cases)
    assert.deepEqual(
      causes(spec, container),
      expected.map(e => `spec.${at}${e}`),
      JSON.stringify([spec, container]).slice(0, 300),
    );
}

test('requests and limits of a container', () => {
  const of = (requests: object, limits?: object, spec: Loose<PodSpec> = {}): [Loose<PodSpec>, Loose<Container>] => [
    spec,
    { resources: { requests, ...(limits ? { limits } : {}) } },
  ];
  const gpu = (n: string) => ({ 'example.com/gpu': n });
  const huge = (n: string, name = 'hugepages-2Mi') => ({ cpu: '1', [name]: n });
  each('containers[0].resources', [
    [...of(gpu('1'), gpu('2')), '.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2'],
    [
      ...of(gpu('1500m'), gpu('1500m')),
      '.limits[example.com/gpu]: Invalid value: "1500m": must be an integer',
      '.requests[example.com/gpu]: Invalid value: "1500m": must be an integer',
    ],
    [...of(huge('4Mi'), huge('4Mi'))],
    [
      ...of(huge('3Mi'), huge('3Mi')),
      '.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
      '.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
    ],
    [
      ...of(huge('1', 'hugepages-x'), huge('1', 'hugepages-x')),
      '.limits[hugepages-x]: Invalid value: "1": 1 is not positive integer multiple of hugepages-x',
      '.requests[hugepages-x]: Invalid value: "1": 1 is not positive integer multiple of hugepages-x',
    ],
    [...of({ 'hugepages-2Mi': '2Mi' }, { 'hugepages-2Mi': '2Mi' }), ': Forbidden: HugePages require cpu or memory'],
    [
      ...of({ 'requests.x.io/a': '1' }, { 'requests.x.io/a': '1' }),
      `.limits[requests.x.io/a]: Invalid value: "requests.x.io/a": doesn't follow extended resource name standard`,
      `.requests[requests.x.io/a]: Invalid value: "requests.x.io/a": doesn't follow extended resource name standard`,
    ],
  ]);
});

test('claims of a pod, and of its containers', () => {
  const claim = (...resourceClaims: object[]): Loose<PodSpec> => ({ resourceClaims });
  const used = (...claims: object[]): Loose<Container> => ({ resources: { claims } });
  const a = { name: 'a', resourceClaimName: 'x' };
  const missing = 'Not found: "b": must be one of the names in pod.spec.resourceClaims';
  const long = 'a'.repeat(251);
  each('', [
    [claim(a, { name: 'b', resourceClaimTemplateName: 't' }), {}],
    [claim({ name: '', resourceClaimName: 'x' }), {}, 'resourceClaims[0].name: Required value'],
    [claim(a, a), {}, 'resourceClaims[1].name: Duplicate value: "a"'],
    [claim({ ...a, name: 'A' }), {}, `resourceClaims[0].name: Invalid value: "A": ${LABEL}`],
    [
      claim({ name: 'a', resourceClaimName: 'X' }),
      {},
      `resourceClaims[0].resourceClaimName: Invalid value: "X": ${SUBDOMAIN}`,
    ],
    [
      claim({ name: 'a', resourceClaimTemplateName: 'X' }),
      {},
      `resourceClaims[0].resourceClaimTemplateName: Invalid value: "X": ${SUBDOMAIN}`,
    ],
    [{}, used({ name: 'b' }), `containers[0].resources.claims[0].name: ${missing} which is empty`],
    [claim({ ...a, name: 'z' }, a), used({ name: 'b' }), `containers[0].resources.claims[0].name: ${missing}: a, z`],
    [claim(a), used({ name: '' }), 'containers[0].resources.claims[0]: Required value'],
    [claim(a), used({ name: 'a' }, { name: 'a' }), 'containers[0].resources.claims[1]: Duplicate value: "a"'],
    [
      claim(a),
      used({ name: 'a', request: 'r' }, { name: 'a', request: 'r' }),
      'containers[0].resources.claims[1]: Duplicate value: "a/r"',
    ],
  ]);
  const both = causes(claim({ ...a, resourceClaimTemplateName: 't' }));
  assert.equal(both.length, 1);
  assert.match(
    both[0]!,
    /^spec\.resourceClaims\[0\]: Invalid value: .*: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified$/,
  );
  assert.match(
    causes(claim({ name: 'a' })).join(),
    /^spec\.resourceClaims\[0\]: Invalid value: .*: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`$/,
  );
  assert.deepEqual(causes(claim({ name: 'bcd', resourceClaimTemplateName: 't' }), {}, { name: long }), [
    `spec.resourceClaims[0].name: Invalid value: "${long}-bcd": final ResourceClaim name: must be no more than 253 characters`,
  ]);
});

test('resources of the pod as a whole', () => {
  const of = (resources: object, own: object = {}, spec: Loose<PodSpec> = {}): [Loose<PodSpec>, Loose<Container>] => [
    { resources, ...spec },
    { resources: own },
  ];
  const init = (restartPolicy: string | undefined, cpu: string) => ({
    name: `i${cpu}${restartPolicy ? 's' : ''}`,
    image: 'x',
    ...(restartPolicy ? { restartPolicy } : {}),
    resources: { requests: { cpu } },
  });
  const sum = 'must be greater than or equal to aggregate container';
  each('resources', [
    [...of({ claims: [{ name: 'a' }] }), '.claims: Forbidden: claims may not be set for Resources at pod-level'],
    [
      ...of({ requests: { 'ephemeral-storage': '1' } }),
      '.requests[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "hugepages-", "memory"',
    ],
    [
      ...of({ requests: { cpu: '1' } }, { requests: { cpu: '2' } }),
      `.requests[cpu]: Invalid value: "1": ${sum} requests of 2`,
    ],
    // A sidecar runs on beside what comes after it.
    [
      ...of(
        { requests: { cpu: '3' } },
        { requests: { cpu: '1' } },
        { initContainers: [init('Always', '2'), init(undefined, '3')] },
      ),
      `.requests[cpu]: Invalid value: "3": ${sum} requests of 5`,
    ],
    [
      ...of(
        { requests: { cpu: '5' } },
        { requests: { cpu: '1' } },
        { initContainers: [init('Always', '2'), init(undefined, '3')] },
      ),
    ],
    [
      ...of({ limits: { cpu: '1' } }, { limits: { cpu: '2' }, requests: { cpu: '1' } }),
      '.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1',
    ],
  ]);
  const huge = (n: string, requests: object = {}) => ({
    requests: { cpu: '1', ...requests },
    limits: { cpu: '2', 'hugepages-2Mi': n },
  });
  const two = { containers: ['c', 'd'].map(name => ({ name, image: 'x', resources: huge('4Mi') })) };
  assert.deepEqual(causes({ ...two, resources: { limits: { cpu: '4', 'hugepages-2Mi': '8Mi' } } }), []);
  assert.deepEqual(causes({ ...two, resources: { limits: { cpu: '4', 'hugepages-2Mi': '4Mi' } } }), [
    `spec.resources.requests[hugepages-2Mi]: Invalid value: "4Mi": ${sum} requests of 8Mi`,
    `spec.resources.limits[hugepages-2Mi]: Invalid value: "4Mi": ${sum} limits of 8Mi`,
  ]);
  const { object } = create(podStrategy, podOf({ ...two, resources: { limits: { cpu: '4' } } }));
  assert.equal(object.spec.resources!.limits!['hugepages-2Mi'], '8Mi');
});

test('restarts when resized, or by rule', () => {
  const resize = (restartPolicy: string, ...resizePolicy: object[]): [Loose<PodSpec>, Loose<Container>] => [
    { restartPolicy },
    { resizePolicy },
  ];
  const cpu = { resourceName: 'cpu', restartPolicy: 'NotRequired' };
  each('containers[0].resizePolicy', [
    [...resize('Always', cpu, { ...cpu, restartPolicy: 'RestartContainer' }), '[1]: Duplicate value: "cpu"'],
    [...resize('Always', { ...cpu, resourceName: '' }), ': Required value'],
    [
      ...resize('Always', { ...cpu, resourceName: 'disk' }),
      ': Unsupported value: "disk": supported values: "cpu", "memory"',
    ],
    [...resize('Always', { resourceName: 'cpu', restartPolicy: '' }), ': Required value'],
    [
      ...resize('Always', { ...cpu, restartPolicy: 'Now' }),
      ': Unsupported value: "Now": supported values: "NotRequired", "RestartContainer"',
    ],
    [
      ...resize('Never', { ...cpu, restartPolicy: 'RestartContainer' }),
      ": Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'",
    ],
  ]);
  const In = { operator: 'In', values: [1] };
  const rule = { action: 'Restart', exitCodes: In };
  const rules = (...restartPolicyRules: object[]): [Loose<PodSpec>, Loose<Container>] => [
    {},
    { restartPolicy: 'Never', restartPolicyRules },
  ];
  const at = '.restartPolicyRules';
  const values = Array.from({ length: 256 }, (_, i) => i);
  each('containers[0]', [
    [...rules(rule)],
    [
      {},
      { restartPolicy: 'Sometimes' },
      '.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
    ],
    [
      {},
      { restartPolicyRules: [rule] },
      '.restartPolicy: Required value: must specify restartPolicy when restart rules are used',
    ],
    [...rules(...Array.from({ length: 21 }, () => rule)), `${at}: Too many: 21: must have at most 20 items`],
    [...rules({ ...rule, action: '' }), `${at}[0].action: Required value`],
    [
      ...rules({ ...rule, action: 'Stop' }),
      `${at}[0].action: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers"`,
    ],
    [...rules({ action: 'Restart' }), `${at}[0].exitCodes: Required value: must be specified`],
    [...rules({ ...rule, exitCodes: { ...In, operator: '' } }), `${at}[0].exitCodes.operator: Required value`],
    [
      ...rules({ ...rule, exitCodes: { ...In, operator: 'Is' } }),
      `${at}[0].exitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn"`,
    ],
    [
      ...rules({ ...rule, exitCodes: { ...In, values: [] } }),
      `${at}[0].exitCodes.values: Required value: must be specified`,
    ],
    [
      ...rules({ ...rule, exitCodes: { ...In, values } }),
      `${at}[0].exitCodes.values: Too many: 256: must have at most 255 items`,
    ],
  ]);
  const sidecar = { name: 'i', image: 'x', restartPolicy: 'Always', restartPolicyRules: [rule] };
  assert.deepEqual(causes({ initContainers: [sidecar] }), [
    'spec.initContainers[0].restartPolicyRules: Forbidden: restartPolicyRules are not allowed for init containers with restart policy Always',
  ]);
});

test('pods that are not resized', () => {
  const more = (p: Mutable<Pod>) => {
    p.spec.containers[0]!.resources = { requests: { cpu: '2' } };
  };
  const resources = { requests: { cpu: '1' } };
  const of = (spec: Loose<PodSpec>, over: Loose<Pod> = {}) =>
    changed(stored(spec, { resources }, over), more, 'resize');
  assert.deepEqual(of({}), []);
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'm' } };
  assert.deepEqual(of({ nodeName: 'n' }, { metadata: mirror }), ['Forbidden: static pods cannot be resized']);
  assert.deepEqual(of({ os: { name: 'windows' } }), ['Forbidden: windows pods cannot be resized']);
  for (const phase of ['Succeeded', 'Failed'])
    assert.deepEqual(of({}, { status: { phase } }), ['Forbidden: terminated pods cannot be resized']);
  const init = [{ name: 'i', image: 'x' }];
  const changeTo = (list: 'containers' | 'initContainers', containers: object[]) =>
    changed(
      stored({ initContainers: init }, { resources }),
      p => {
        p.spec[list] = containers as never;
      },
      'resize',
    ).filter(e => e.includes('add or remove'));
  const c = { name: 'c', image: 'nginx', resources };
  assert.deepEqual(changeTo('containers', [c, { ...c, name: 'd' }]), [
    'spec.containers: Forbidden: pod updates may not add or remove containers',
  ]);
  assert.deepEqual(changeTo('initContainers', [...init, { name: 'j', image: 'x' }]), [
    'spec.initContainers: Forbidden: pod updates may not add or remove init containers',
  ]);
});

test('init containers that have ended and resources of the pod are not resized at will', () => {
  const resources = { requests: { cpu: '1' } };
  const init = [{ name: 'i', image: 'x', resources }];
  const resized = (spec: Loose<PodSpec>, now: object, gates: Record<string, boolean> = {}) => {
    const old = stored(spec, { resources });
    return update(podStrategy, { ...old, spec: { ...old.spec, ...now } }, old, ruleContext('resize', gates)).errors;
  };
  const more = { initContainers: [{ ...init[0], resources: { requests: { cpu: '2' } } }] };
  assert.deepEqual(resized({ initContainers: init }, more), []);
  assert.ok(
    resized({ initContainers: init }, more, { InPlacePodVerticalScalingInitContainers: false }).includes(
      'spec.initContainers[0].resources: Forbidden: resources for non-sidecar init containers are immutable',
    ),
  );
  const whole = { resources: { requests: { cpu: '2', memory: '1Gi' } } };
  assert.deepEqual(resized(whole, { resources: { requests: { cpu: '2' } } }), [
    'spec.resources.requests: Forbidden: resource requests cannot be removed',
  ]);
});

test('what its gate holds back is dropped, unless it is there already', () => {
  const made = (spec: Loose<PodSpec>, container: Loose<Container>, gates: Record<string, boolean>) =>
    create(podStrategy, podOf(spec, container), ruleContext('', gates)).object.spec;
  const rules = { restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart' }] };
  assert.equal(made({}, rules, { ContainerRestartRules: false }).containers[0]!.restartPolicyRules, undefined);
  const stop = { lifecycle: { stopSignal: 'SIGTERM' } };
  const os = { os: { name: 'linux' } };
  assert.deepEqual(made(os, stop, {}).containers[0]!.lifecycle, {});
  assert.deepEqual(made(os, stop, { ContainerStopSignals: true }).containers[0]!.lifecycle, stop.lifecycle);
  // What is stored already stays.
  const kept = (container: Loose<Container>, spec: Loose<PodSpec>, gates: Record<string, boolean>) => {
    const on = Object.fromEntries(Object.keys(gates).map(gate => [gate, true]));
    const old = create(podStrategy, podOf(spec, container), ruleContext('', on)).object;
    return update(podStrategy, old, old, ruleContext('', gates)).object.spec;
  };
  assert.deepEqual(
    kept(rules, {}, { ContainerRestartRules: false }).containers[0]!.restartPolicyRules,
    rules.restartPolicyRules,
  );
  assert.deepEqual(kept(stop, os, { ContainerStopSignals: false }).containers[0]!.lifecycle, stop.lifecycle);
  const file = { name: 'A', valueFrom: { fileKeyRef: { volumeName: 'v', key: 'k', path: 'p' } } };
  assert.deepEqual(made({}, { env: [file, { name: 'B', value: 'b' }] }, { EnvFiles: false }).containers[0]!.env, [
    { name: 'A', valueFrom: {} },
    { name: 'B', value: 'b' },
  ]);
  const sources = [
    { clusterTrustBundle: { name: 'b', path: 'p' } },
    { podCertificate: { signerName: 'a.b/c', keyType: 'ED25519', keyPath: 'k' } },
  ];
  const volumes = [{ name: 'v', projected: { sources } }];
  assert.deepEqual(made({ volumes }, {}, {}).volumes![0]!.projected!.sources, [{}, {}]);
  const off = { ClusterTrustBundleProjection: false, PodCertificateRequest: false };
  const [bundle, certificate] = kept({}, { volumes }, off).volumes![0]!.projected!.sources!;
  assert.ok(bundle!.clusterTrustBundle && certificate!.podCertificate);
});
