import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../meta.ts';
import type { Strategy } from '../../strategy.ts';
import { checkFaults, create, ruleContext, update, validated, wording } from '../testing.ts';
import { configMapStrategy } from './config-map.ts';
import { endpointsStrategy } from './endpoints.ts';
import { coreEventStrategy, eventStrategy } from './event.ts';
import { namespaceStrategy } from './namespace.ts';
import { nodeStrategy } from './node.ts';
import { secretStrategy } from './secret.ts';

const metadata = { name: 'x', namespace: 'a' };
const stored = { ...metadata, resourceVersion: '1' };
const tells = (strategy: Strategy<any>) => (object: object) => create(strategy, { metadata, ...object }).errors;
const changed = (strategy: Strategy<any>, now: object, old: object, sub = '') =>
  update(strategy, { metadata: stored, ...now }, { metadata: stored, ...old } as KubeObject, ruleContext(sub)).errors;
const base64 = (text: string) => Buffer.from(text).toString('base64');

test('config maps and secrets', () => {
  checkFaults(
    {
      'key of bytes': [
        { binaryData: { 'a b': 'YQ==' } },
        `binaryData[a b]: Invalid value: "a b": ${wording.configKey}`,
      ],
    },
    tells(configMapStrategy),
  );
  const docker = (type: string, key: string, text: string) => ({
    type: `kubernetes.io/${type}`,
    data: { [key]: base64(text) },
  });
  const secret = 'Invalid value: "<secret contents redacted>"';
  // As encoding/json of Go tells them.
  const into = 'into Go value of type map[string]interface {}';
  checkFaults(
    {
      key: [{ data: { 'a b': 'YQ==' } }, `data[a b]: Invalid value: "a b": ${wording.configKey}`],
      size: [{ data: { a: base64('x'.repeat(2 ** 20 + 1)) } }, 'data: Too long: may not be more than 1048576 bytes'],
      'no configuration': [{ type: 'kubernetes.io/dockercfg' }, 'data[.dockercfg]: Required value'],
      'no new configuration': [{ type: 'kubernetes.io/dockerconfigjson' }, 'data[.dockerconfigjson]: Required value'],
      'list of configurations': [
        docker('dockercfg', '.dockercfg', '[]'),
        `data[.dockercfg]: ${secret}: json: cannot unmarshal array ${into}`,
      ],
      'text of a configuration': [
        docker('dockerconfigjson', '.dockerconfigjson', '"a"'),
        `data[.dockerconfigjson]: ${secret}: json: cannot unmarshal string ${into}`,
      ],
      'number of a configuration': [
        docker('dockercfg', '.dockercfg', '1'),
        `data[.dockercfg]: ${secret}: json: cannot unmarshal number ${into}`,
      ],
      'truth of a configuration': [
        docker('dockercfg', '.dockercfg', 'true'),
        `data[.dockercfg]: ${secret}: json: cannot unmarshal bool ${into}`,
      ],
      'nothing of a configuration': [docker('dockercfg', '.dockercfg', 'null')],
      'end of a configuration': [
        docker('dockercfg', '.dockercfg', ''),
        `data[.dockercfg]: ${secret}: unexpected end of JSON input`,
      ],
      'no key of SSH': [{ type: 'kubernetes.io/ssh-auth' }, 'data[ssh-privatekey]: Required value'],
      'empty key of SSH': [
        { type: 'kubernetes.io/ssh-auth', data: { 'ssh-privatekey': '' } },
        'data[ssh-privatekey]: Required value',
      ],
      'password alone': [{ type: 'kubernetes.io/basic-auth', data: { password: '' } }],
    },
    tells(secretStrategy),
  );
  assert.deepEqual(
    tells(secretStrategy)({
      metadata: { ...metadata, annotations: { 'kubernetes.io/service-account.name': 'a' } },
      type: 'kubernetes.io/service-account-token',
    }),
    [],
  );
});

test('endpoints', () => {
  const subset = (more: object) => ({ subsets: [{ addresses: [{ ip: '1.2.3.4' }], ...more }] });
  const port = (more: object) => subset({ ports: [{ port: 80, ...more }] });
  const at = 'subsets[0]';
  checkFaults(
    {
      'address of what is not ready': [
        subset({ notReadyAddresses: [{ ip: '127.0.0.1' }] }),
        `${at}.notReadyAddresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)`,
      ],
      hostname: [
        subset({ addresses: [{ ip: '1.2.3.4', hostname: 'a.b' }] }),
        `${at}.addresses[0].hostname: Invalid value: "a.b": must not contain dots`,
      ],
      node: [
        subset({ addresses: [{ ip: '1.2.3.4', nodeName: 'A' }] }),
        `${at}.addresses[0].nodeName: Invalid value: "A": ${wording.subdomain}`,
      ],
      name: [port({ name: 'A' }), `${at}.ports[0].name: Invalid value: "A": ${wording.label}`],
      number: [port({ port: 0 }), `${at}.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive`],
      protocol: [
        port({ protocol: 'ICMP' }),
        `${at}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"`,
      ],
      'application protocol': [
        port({ appProtocol: '-' }),
        `${at}.ports[0].appProtocol: Invalid value: "-": ${wording.qualified}`,
      ],
    },
    tells(endpointsStrategy),
  );
  assert.deepEqual(validated(endpointsStrategy, { metadata, ...port({}) }), [
    `${at}.ports[0].protocol: Required value`,
  ]);
});

test('events', () => {
  const about = { involvedObject: { namespace: 'a' } };
  const event = {
    ...{ ...about, eventTime: '2026-01-01T00:00:00.000000Z', reason: 'Why', type: 'Normal' },
    ...{ reportingComponent: 'x.io/y', reportingInstance: 'i', action: 'Do' },
  };
  // Bytes, of which these letters have two.
  const long = (letters: number) => 'ü'.repeat(letters);
  const at = 'involvedObject.namespace';
  checkFaults(
    {
      whole: [event],
      'old, about what has no namespace': [{}, `${at}: Invalid value: "": does not match event.namespace`],
      'about what has no namespace': [
        { ...event, involvedObject: {} },
        `${at}: Invalid value: "": does not match event.namespace`,
      ],
      'of nobody': [
        { ...event, reportingComponent: '' },
        'reportingComponent: Required value',
        'reportingComponent: Invalid value: "": name part must be non-empty',
        `reportingComponent: Invalid value: "": ${wording.qualified}`,
      ],
      controller: [
        { ...event, reportingComponent: '-' },
        `reportingComponent: Invalid value: "-": ${wording.qualified}`,
      ],
      'of no instance': [{ ...event, reportingInstance: '' }, 'reportingInstance: Required value'],
      instance: [
        { ...event, reportingInstance: long(65) },
        'reportingInstance: Invalid value: "": can have at most 128 characters',
      ],
      'no action': [{ ...event, action: '' }, 'action: Required value'],
      action: [{ ...event, action: long(65) }, 'action: Invalid value: "": can have at most 128 characters'],
      'no reason': [{ ...event, reason: '' }, 'reason: Required value'],
      reason: [{ ...event, reason: long(65) }, 'reason: Invalid value: "": can have at most 128 characters'],
      'reason that just fits': [{ ...event, reason: long(64) }],
      message: [{ ...event, message: long(513) }, 'message: Invalid value: "": can have at most 1024 characters'],
      namespace: [
        { metadata: { name: 'x', namespace: 'A' }, involvedObject: { namespace: 'A' } },
        `namespace: Invalid value: "A": ${wording.subdomain}`,
      ],
    },
    tells(coreEventStrategy),
  );
  const { involvedObject: regarding, reportingComponent: reportingController, ...rest } = event;
  const fresh = { ...rest, regarding, reportingController };
  const series = { count: 2, lastObservedTime: '2026-01-01T00:00:00.000000Z' };
  checkFaults(
    {
      whole: [{ ...fresh, series }],
      'series of one': [
        { ...fresh, series: { ...series, count: 1 } },
        'series.count: Invalid value: "": should be at least 2',
      ],
      'series without end': [{ ...fresh, series: { count: 2 } }, 'series.lastObservedTime: Required value'],
      'no time': [{ ...fresh, eventTime: undefined }, 'eventTime: Required value'],
      'of nobody': [
        { ...fresh, reportingController: '' },
        'reportingController: Required value',
        'reportingController: Invalid value: "": name part must be non-empty',
        `reportingController: Invalid value: "": ${wording.qualified}`,
      ],
      'old source': [
        { ...fresh, deprecatedSource: { component: 'c' } },
        'source: Invalid value: "": needs to be unset',
      ],
      'old times': [
        {
          ...fresh,
          deprecatedFirstTimestamp: series.lastObservedTime,
          deprecatedLastTimestamp: series.lastObservedTime,
        },
        'firstTimestamp: Invalid value: "": needs to be unset',
        'lastTimestamp: Invalid value: "": needs to be unset',
      ],
    },
    tells(eventStrategy),
  );
  // What the core group let in stays as it is.
  const single = { ...fresh, series: { ...series, count: 1 } };
  assert.deepEqual(changed(eventStrategy, single, single), []);
  assert.deepEqual(changed(eventStrategy, { ...fresh, regarding: { namespace: 'a', uid: 'u' }, action: 'Be' }, fresh), [
    'involvedObject: Invalid value: {"Kind":"","Namespace":"a","Name":"","UID":"u","APIVersion":"","ResourceVersion":"","FieldPath":""}: field is immutable',
    'action: Invalid value: "Be": field is immutable',
  ]);
  assert.deepEqual(changed(eventStrategy, fresh, { ...fresh, note: 'n', deprecatedCount: 3 }), [
    'message: Invalid value: "": field is immutable',
    'count: Invalid value: 0: field is immutable',
  ]);
});

test('namespaces', () => {
  const finalizers = (...list: string[]) => ({ spec: { finalizers: list } });
  const unknown = 'name is neither a standard finalizer name nor is it fully qualified';
  checkFaults(
    {
      standard: [finalizers('kubernetes', 'orphan', 'foregroundDeletion', 'a.io/b')],
      unknown: [finalizers('controller'), `spec.finalizers: Invalid value: "controller": ${unknown}`],
      'no name': [
        finalizers('-'),
        `spec.finalizers: Invalid value: "-": ${wording.qualified}`,
        `spec.finalizers: Invalid value: "-": ${unknown}`,
      ],
    },
    tells(namespaceStrategy),
  );
  assert.deepEqual(changed(namespaceStrategy, finalizers('a.io/b', 'x'), finalizers(), 'finalize'), [
    `spec.finalizers[1]: Invalid value: "x": ${unknown}`,
  ]);
  const phase = (name: string | undefined, deletionTimestamp?: string) => {
    const meta = { metadata: { ...stored, deletionTimestamp } };
    return changed(namespaceStrategy, { ...meta, status: { phase: name } }, meta, 'status');
  };
  const deleted = '2026-01-01T00:00:00Z';
  for (const fine of [phase('Active'), phase(undefined), phase('Terminating', deleted)]) assert.deepEqual(fine, []);
  assert.deepEqual(phase('Terminating'), [
    'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
  ]);
  assert.deepEqual(phase('Active', deleted), [
    'status.Phase: Invalid value: "Active": may only be \'Terminating\' if `deletionTimestamp` is not empty',
  ]);
});

test('nodes', () => {
  const taint = (more: object) => ({ spec: { taints: [{ key: 'k', effect: 'NoSchedule', ...more }] } });
  checkFaults(
    {
      'key of a taint': [taint({ key: '-' }), `spec.taints[0].key: Invalid value: "-": ${wording.qualified}`],
      'value of a taint': [taint({ value: '-' }), `spec.taints[0].value: Invalid value: "-": ${wording.labelValue}`],
      'taint of no effect': [taint({ effect: '' }), 'spec.taints[0].effect: Required value'],
      range: [
        { spec: { podCIDRs: ['10.0.0.0/33'] } },
        'spec.podCIDRs[0]: Invalid value: "10.0.0.0/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
      capacity: [
        { status: { capacity: { cpu: '-1' } } },
        'status.capacity[cpu]: Invalid value: "-1": must be greater than or equal to 0',
      ],
      'parts of devices': [
        { status: { allocatable: { 'a.io/b': '1500m' } } },
        'status.allocatable[a.io/b]: Invalid value: "1500m": must be an integer',
      ],
    },
    tells(nodeStrategy),
  );
  const address = { type: 'InternalIP', address: '1.2.3.4' };
  assert.deepEqual(changed(nodeStrategy, { status: { addresses: [address, address] } }, {}, 'status'), [
    'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"1.2.3.4"}',
  ]);
  assert.deepEqual(changed(nodeStrategy, { spec: { externalID: 'b' } }, { spec: { externalID: 'a' } }), [
    '[]: Forbidden: node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)',
  ]);
});
