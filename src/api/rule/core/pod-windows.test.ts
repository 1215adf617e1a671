import assert from 'node:assert/strict';
import { test } from 'node:test';
import { causes } from './test-pod.ts';

const at = 'spec.securityContext.windowsOptions';
const wrong = (windowsOptions: object) => causes({ os: { name: 'windows' }, securityContext: { windowsOptions } });
const user = (name: string, ...why: string[]): [object, ...string[]] => [
  { runAsUserName: name },
  ...why.map(w => `${at}.runAsUserName: Invalid value: ${JSON.stringify(name)}: runAsUserName${w}`),
];
const characters = String.raw`'s User cannot contain the following characters: "/\:;|=,+*?<>@[]`;
const long = 'd'.repeat(256);

const CASES: readonly [object, ...string[]][] = [
  [
    { gmsaCredentialSpec: '' },
    `${at}.gmsaCredentialSpec: Invalid value: "": gmsaCredentialSpec cannot be an empty string`,
  ],
  user('ContainerUser'),
  user(String.raw`CORP\me`),
  user(String.raw`a.long-domain.example.com\me`),
  user('', ' cannot be an empty string'),
  user('a\tb', ' cannot contain control characters'),
  user(String.raw`a\b\c`, ' cannot contain more than one backslash'),
  user(
    `${long}\\me`,
    "'s Domain length must be under 256 characters",
    "'s Domain doesn't match the NetBios nor the DNS format",
  ),
  user('a?b\\me', "'s Domain doesn't match the NetBios nor the DNS format"),
  user('a\\', "'s User cannot be empty"),
  user('u'.repeat(105), "'s User length must not be longer than 104 characters"),
  user('. .', "'s User cannot contain only periods or spaces"),
  user('me@x', characters),
];

for (const [options, ...errors] of CASES)
  test(`windows options ${JSON.stringify(options).slice(0, 60)}`, () => assert.deepEqual(wrong(options), errors));

test('processes of the host are all containers of a pod, in its network', () => {
  const pod = { os: { name: 'windows' }, securityContext: { windowsOptions: { hostProcess: true } } };
  const container = { securityContext: { windowsOptions: { hostProcess: false } } };
  const network = 'hostNetwork must be true if pod contains any hostProcess containers';
  assert.deepEqual(causes(pod), [`spec.hostNetwork: Invalid value: false: ${network}`]);
  assert.deepEqual(causes({ ...pod, initContainers: [{ name: 'i', image: 'x' }] }, container), [
    'spec.containers[0].securityContext.windowsOptions.hostProcess: Invalid value: false: pod hostProcess value must be identical if both are specified, was true',
    'spec: Invalid value: "": If pod contains any hostProcess containers then all containers must be HostProcess containers',
    `spec.hostNetwork: Invalid value: false: ${network}`,
  ]);
  assert.deepEqual(causes({ ...pod, hostNetwork: true }), []);
});
