// What is wrong in security contexts, profiles, operating systems and namespaces of the host.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mutable } from '../../meta.ts';
import type { Container, Pod, PodSpec } from '../../type/core-v1.ts';
import { create, ruleContext } from '../testing.ts';
import { podStrategy } from './pod.ts';
import { causes, changed, type Loose, podOf, stored } from './test-pod.ts';

type Case = readonly [Loose<PodSpec>, Loose<Container>, ...string[]];
function each(cases: readonly Case[]): void {
  for (const [spec, container, ...expected] of cases)
    assert.deepEqual(
      causes(spec, container),
      expected.map(e => `spec.${e}`),
      JSON.stringify([spec, container]).slice(0, 300),
    );
}
const ofPod = (securityContext: object, spec: Loose<PodSpec> = {}): [Loose<PodSpec>, Loose<Container>] => [
  { ...spec, securityContext },
  {},
];
const ofContainer = (securityContext: object, spec: Loose<PodSpec> = {}): [Loose<PodSpec>, Loose<Container>] => [
  spec,
  { securityContext },
];
const IDS = 'must be between 0 and 2147483647, inclusive';
const TYPES = '"Localhost", "RuntimeDefault", "Unconfined"';

test('identities and privileges', () => {
  each([
    [...ofPod({ fsGroup: -1 }), `securityContext.fsGroup: Invalid value: -1: ${IDS}`],
    [...ofPod({ runAsUser: -1 }), `securityContext.runAsUser: Invalid value: -1: ${IDS}`],
    [...ofPod({ runAsGroup: -1 }), `securityContext.runAsGroup: Invalid value: -1: ${IDS}`],
    [
      ...ofPod({ supplementalGroups: [1, 2 ** 31] }),
      `securityContext.supplementalGroups[1]: Invalid value: 2147483648: ${IDS}`,
    ],
    [
      ...ofPod({}, { hostPID: true, shareProcessNamespace: true }),
      'securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled',
    ],
    [
      ...ofPod({ supplementalGroupsPolicy: 'None' }),
      'securityContext.supplementalGroupsPolicy: Unsupported value: "None": supported values: "Merge", "Strict"',
    ],
    [
      ...ofPod({ seLinuxChangePolicy: 'None' }),
      'securityContext.seLinuxChangePolicy: Unsupported value: "None": supported values: "MountOption", "Recursive"',
    ],
    [
      ...ofContainer({ procMount: 'None' }),
      'containers[0].securityContext.procMount: Unsupported value: "None": supported values: "Default", "Unmasked"',
    ],
    [
      ...ofContainer({ procMount: 'Unmasked' }),
      'containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`',
    ],
    [...ofContainer({ procMount: 'Unmasked' }, { hostUsers: false })],
    [
      ...ofContainer({ runAsGroup: 2 ** 31 }),
      `containers[0].securityContext.runAsGroup: Invalid value: 2147483648: ${IDS}`,
    ],
  ]);
  const [raised, ...more] = causes(
    ...ofContainer({ allowPrivilegeEscalation: false, capabilities: { add: ['NET_ADMIN', 'CAP_SYS_ADMIN'] } }),
  );
  assert.deepEqual(more, []);
  assert.match(
    raised!,
    /^spec\.containers\[0\]\.securityContext: Invalid value: \{.*\}: cannot set `allowPrivilegeEscalation` to false and `capabilities\.Add` CAP_SYS_ADMIN$/,
  );
});

test('kernel parameters', () => {
  const sysctls = (...names: string[]) => ({ sysctls: names.map(name => ({ name, value: '1' })) });
  const at = (i: number) => `securityContext.sysctls[${i}].name`;
  const form =
    'must have at most 253 characters and match regex ([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
  const long = 'a'.repeat(254);
  each([
    [...ofPod(sysctls('kernel.shmmax', 'net/ipv4/conf/eth0.1/x'))],
    [...ofPod(sysctls('')), `${at(0)}: Required value`],
    [...ofPod(sysctls('Kernel')), `${at(0)}: Invalid value: "Kernel": ${form}`],
    [...ofPod(sysctls(long)), `${at(0)}: Invalid value: "${long}": ${form}`],
    [...ofPod(sysctls('a.b', 'a.b')), `${at(1)}: Duplicate value: "a.b"`],
    [
      ...ofPod(sysctls('net/core/x'), { hostNetwork: true }),
      `${at(0)}: Invalid value: "net/core/x": may not be specified when 'hostNetwork' is true`,
    ],
    [
      ...ofPod(sysctls('kernel.sem'), { hostIPC: true }),
      `${at(0)}: Invalid value: "kernel.sem": may not be specified when 'hostIPC' is true`,
    ],
    ...['kernel.shmmax', 'kernel.msgmni', 'fs/mqueue/x'].map(
      name =>
        [
          ...ofPod(sysctls(name), { hostIPC: true }),
          `${at(0)}: Invalid value: "${name}": may not be specified when 'hostIPC' is true`,
        ] as const,
    ),
    // As component-helpers' GetNamespace has it.
    [...ofPod(sysctls('kernel.sem_next_id', 'kernel.shm_next_id', 'kernel.msg.a', 'fs.mqueue'), { hostIPC: true })],
    [...ofPod(sysctls('kernel.sem', 'fs.mqueue.x'), { hostNetwork: true })],
  ]);
});

test('profiles of seccomp and AppArmor', () => {
  const seccomp = (profile: object) => ofPod({ seccompProfile: profile });
  const armor = (profile: object) => ofContainer({ appArmorProfile: profile });
  const s = 'securityContext.seccompProfile';
  const a = 'containers[0].securityContext.appArmorProfile';
  const long = 'a'.repeat(4096);
  each([
    [...seccomp({ type: '' }), `${s}.type: Required value: type is required when seccompProfile is set`],
    [...seccomp({ type: 'None' }), `${s}.type: Unsupported value: "None": supported values: ${TYPES}`],
    [
      ...seccomp({ type: 'Localhost', localhostProfile: '/a/..' }),
      `${s}.localhostProfile: Invalid value: "/a/..": must be a relative path`,
      `${s}.localhostProfile: Invalid value: "/a/..": must not contain '..'`,
    ],
    [...armor({ type: '' }), `${a}.type: Required value: type is required when appArmorProfile is set`],
    [...armor({ type: 'None' }), `${a}.type: Unsupported value: "None": supported values: ${TYPES}`],
    [
      ...armor({ type: 'Unconfined', localhostProfile: 'a' }),
      `${a}.localhostProfile: Invalid value: "a": can only be set when AppArmor type is Localhost`,
    ],
    ...[undefined, ''].map(
      localhostProfile =>
        [
          ...armor({ type: 'Localhost', localhostProfile }),
          `${a}.localhostProfile: Required value: must be set when AppArmor type is Localhost`,
        ] as const,
    ),
    [
      ...armor({ type: 'Localhost', localhostProfile: ' a' }),
      `${a}.localhostProfile: Invalid value: " a": must not be padded with whitespace`,
    ],
    [
      ...armor({ type: 'Localhost', localhostProfile: long }),
      `${a}.localhostProfile: Too long: may not be more than 4095 bytes`,
    ],
  ]);
  const [named] = causes(...seccomp({ type: 'Unconfined', localhostProfile: 'a' }));
  assert.match(named!, /localhostProfile: Invalid value: .*: can only be set when seccomp type is Localhost$/);
});

test('annotations of AppArmor stand for the field', () => {
  const prefix = 'container.apparmor.security.beta.kubernetes.io/';
  const key = `${prefix}c`;
  const annotated = (text: string, appArmorProfile?: object, spec: Loose<PodSpec> = {}, name = key) =>
    create(
      podStrategy,
      podOf(spec, appArmorProfile ? { securityContext: { appArmorProfile } } : {}, { annotations: { [name]: text } }),
    );
  const fieldOf = (text: string) => annotated(text).object.spec.containers[0]!.securityContext?.appArmorProfile;
  assert.deepEqual(fieldOf('runtime/default'), { type: 'RuntimeDefault' });
  assert.deepEqual(fieldOf('unconfined'), { type: 'Unconfined' });
  assert.deepEqual(fieldOf('localhost/a/b'), { type: 'Localhost', localhostProfile: 'a/b' });
  for (const nothing of ['', 'localhost/']) {
    assert.equal(fieldOf(nothing), undefined);
    assert.deepEqual(annotated(nothing).errors, []);
  }
  const at = `metadata.annotations[${key}]`;
  assert.deepEqual(annotated('a"b').errors, [`${at}: Invalid value: "a\\"b": invalid AppArmor profile name: "a\\"b"`]);
  assert.deepEqual(annotated('unconfined', undefined, {}, `${prefix}d`).errors, [
    `metadata.annotations[${prefix}d]: Invalid value: "d": container not found`,
  ]);
  const field = 'spec.containers[0].securityContext.appArmorProfile';
  assert.deepEqual(annotated('unconfined', { type: 'RuntimeDefault' }).errors, [
    `${field}.type: Forbidden: apparmor type in annotation and field must match`,
  ]);
  assert.deepEqual(annotated('localhost/a', { type: 'Localhost', localhostProfile: 'b' }).errors, [
    `${field}.localhostProfile: Forbidden: apparmor profile in annotation and field must match`,
  ]);
  assert.deepEqual(annotated('localhost/a', { type: 'Localhost', localhostProfile: 'a' }).errors, []);
});

test('annotations of pods that are mirrored, or cost to delete, and what stays as it is', () => {
  const mirror = 'kubernetes.io/config.mirror';
  const cost = 'controller.kubernetes.io/pod-deletion-cost';
  const armor = 'container.apparmor.security.beta.kubernetes.io/c';
  const wrong = (annotations: object) => causes({}, {}, { annotations });
  assert.deepEqual(wrong({ [mirror]: 'm' }), [
    `metadata.annotations[${mirror}]: Invalid value: "m": must set spec.nodeName if mirror pod annotation is set`,
  ]);
  for (const text of ['+1', '01', '2147483648', 'x'])
    assert.deepEqual(wrong({ [cost]: text }), [
      `metadata.annotations[${cost}]: Invalid value: "${text}": must be a 32bit integer`,
    ]);
  assert.deepEqual(wrong({ [cost]: '-2147483648' }), []);

  const bare = stored({ nodeName: 'n' });
  const set = stored(
    { nodeName: 'n' },
    {},
    {
      metadata: { name: 'p', namespace: 'default', annotations: { [mirror]: 'm', [armor]: 'unconfined', free: 'x' } },
    },
  );
  const annotate = (annotations: Record<string, string>) => (p: Mutable<Pod>) => {
    p.metadata.annotations = annotations;
  };
  const both = { [mirror]: 'm', [armor]: 'unconfined' };
  for (const subresource of ['', 'status']) {
    assert.deepEqual(
      changed(bare, annotate({ ...both, free: 'x' }), subresource),
      [
        `metadata.annotations[${mirror}]: Forbidden: may not add mirror pod annotation`,
        `metadata.annotations[${armor}]: Forbidden: may not add AppArmor annotations`,
      ],
      subresource,
    );
    assert.deepEqual(
      changed(set, annotate({ [mirror]: 'other' }), subresource),
      [
        `metadata.annotations[${mirror}]: Forbidden: may not remove or update mirror pod annotation`,
        `metadata.annotations[${armor}]: Forbidden: may not remove or update AppArmor annotations`,
      ],
      subresource,
    );
  }
  assert.deepEqual(changed(bare, annotate({ [cost]: 'x' }), 'status'), [
    `metadata.annotations[${cost}]: Invalid value: "x": must be a 32bit integer`,
  ]);
});

test('operating systems', () => {
  const os = (name: string, more: Loose<PodSpec> = {}): Loose<PodSpec> => ({ os: { name }, ...more });
  const no = 'Forbidden: cannot be set for a windows pod';
  const foreign = {
    appArmorProfile: { type: 'Unconfined' },
    seLinuxOptions: { level: 's0' },
    seccompProfile: { type: 'Unconfined' },
    runAsUser: 1,
    runAsGroup: 1,
  };
  const podOnly = {
    fsGroup: 1,
    fsGroupChangePolicy: 'Always',
    sysctls: [{ name: 'a.b', value: '1' }],
    supplementalGroups: [1],
    supplementalGroupsPolicy: 'Merge',
  };
  const containerOnly = {
    capabilities: { add: ['X'] },
    readOnlyRootFilesystem: false,
    privileged: false,
    allowPrivilegeEscalation: true,
    procMount: 'Default',
  };
  each([
    [os(''), {}, 'os.name: Required value: cannot be empty'],
    [os('plan9'), {}, 'os: Unsupported value: "plan9": supported values: "linux", "windows"'],
    [
      os('linux', { securityContext: { windowsOptions: { runAsUserName: 'a' } } }),
      {},
      'securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod',
    ],
    [
      os('linux'),
      { securityContext: { windowsOptions: { runAsUserName: 'a' } } },
      'containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod',
    ],
    [os('windows', { hostPID: true }), {}, `hostPID: ${no}`],
    [os('windows', { hostIPC: true }), {}, `hostIPC: ${no}`],
    [os('windows', { hostUsers: true }), {}, `hostUsers: ${no}`],
    [os('windows', { shareProcessNamespace: false }), {}, `shareProcessNamespace: ${no}`],
    [os('windows', { securityContext: { sysctls: [], supplementalGroups: [] } }), {}],
    [
      os('windows', { resources: { requests: { cpu: '1' } } }),
      {},
      'resources: Forbidden: may not be set for a windows pod',
    ],
    ...Object.entries({ ...foreign, ...podOnly }).map(
      ([key, value]) =>
        [os('windows', { securityContext: { [key]: value } }), {}, `securityContext.${key}: ${no}`] as const,
    ),
    ...Object.entries({ ...foreign, ...containerOnly }).map(
      ([key, value]) =>
        [os('windows'), { securityContext: { [key]: value } }, `containers[0].securityContext.${key}: ${no}`] as const,
    ),
  ]);
  // Debug containers too.
  const debug = { name: 'd', image: 'x', securityContext: { runAsUser: 1 } };
  const debugged = (p: Mutable<Pod>) => {
    p.spec.ephemeralContainers = [debug as never];
  };
  assert.deepEqual(changed(stored(os('windows')), debugged, 'ephemeralcontainers'), [
    `spec.ephemeralContainers[0].securityContext.runAsUser: ${no}`,
  ]);
});

test('a user namespace stands alone', () => {
  const no = 'Forbidden: when `hostUsers` is false';
  const alone = { hostUsers: false };
  each([
    [{ ...alone, hostPID: true }, {}, `hostPID: ${no}`],
    [{ ...alone, hostIPC: true }, {}, `hostIPC: ${no}`],
    [
      { ...alone, volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] },
      { volumeDevices: [{ name: 'v', devicePath: '/d' }] },
      `containers[0].volumeDevices: ${no}`,
    ],
  ]);
  const gates = { UserNamespacesHostNetworkSupport: true };
  assert.deepEqual(create(podStrategy, podOf({ ...alone, hostNetwork: true }), ruleContext('', gates)).errors, []);
});
