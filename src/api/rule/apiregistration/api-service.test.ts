// One fault each, as kube-aggregator's own validation answered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ruleContext, update } from '../testing.ts';
import { apiServiceStrategy } from './api-service.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035 =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const service = { namespace: 'n', name: 's', port: 443 };
const bundle = Buffer.from('abc').toString('base64');
const good = {
  group: 'g.io',
  version: 'v1',
  groupPriorityMinimum: 1,
  versionPriority: 1,
  insecureSkipTLSVerify: true,
  service,
};
const apiService = (spec: object): any => ({ metadata: { name: 'v1.g.io' }, spec: { ...good, ...spec } });

const table: [spec: object, told: string[]][] = [
  [{}, []],
  [{ group: 'G' }, [`spec.group: Invalid value: "G": ${SUBDOMAIN}`]],
  [
    { group: '', version: 'v2' },
    ['spec.group: Required value: only v1 may have an empty group and it better be legacy kube'],
  ],
  [{ version: '1' }, [`spec.version: Invalid value: "1": ${LABEL_1035}`]],
  [{ groupPriorityMinimum: 0 }, ['spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000']],
  [{ versionPriority: 1001 }, ['spec.versionPriority: Invalid value: 1001: must be positive and less than 1000']],
  [
    { service: undefined, insecureSkipTLSVerify: false, caBundle: bundle },
    ['spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle'],
  ],
  [
    { service: undefined },
    ['spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify'],
  ],
  [{ service: { ...service, namespace: '' } }, ['spec.service.namespace: Required value']],
  [{ service: { ...service, name: '' } }, ['spec.service.name: Required value']],
  [
    { service: { ...service, port: 0 } },
    ['spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive'],
  ],
  [{ caBundle: bundle }, ['spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present']],
];
test('of an APIService', () => {
  for (const [spec, told] of table) assert.deepEqual(create(apiServiceStrategy, apiService(spec)).errors, told);
});

test('of what is told of one', () => {
  const old = apiService({});
  const now = { ...old, status: { conditions: [{ type: 'Available', status: 'Maybe' }] } };
  assert.deepEqual(update(apiServiceStrategy, now, old, ruleContext('status')).errors, [
    'status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
  ]);
});
