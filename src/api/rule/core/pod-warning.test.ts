import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ruleContext } from '../testing.ts';
import { podStrategy } from './pod.ts';
import { podOf } from './test-pod.ts';

test('warns of what is accepted and not meant', () => {
  const { object } = create(
    podStrategy,
    podOf(
      {
        nodeSelector: { 'beta.kubernetes.io/os': 'linux' },
        terminationGracePeriodSeconds: -1,
        imagePullSecrets: [{ name: '' }],
      },
      {
        env: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
        ],
        ports: [{ containerPort: 80 }, { containerPort: 80 }],
      },
      { annotations: { 'scheduler.alpha.kubernetes.io/critical-pod': '' } },
    ),
  );
  assert.deepEqual(podStrategy.warnings!(object, undefined, ruleContext()), [
    'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    'metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead',
    'spec.imagePullSecrets[0]: invalid empty name ""',
    'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    'spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]',
    'spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1',
  ]);
});

test('warns of files that lie where others lie', () => {
  const file = (...paths: string[]) => ({ items: paths.map(path => ({ key: 'k', path })) });
  const volumes = [
    { name: 'a', configMap: { name: 'm', ...file('x/y', 'x') } },
    { name: 'b', secret: { secretName: 's', ...file('x/y', 'x/yz') } },
    {
      name: 'c',
      projected: {
        sources: [{}, { configMap: { name: 'm', ...file('x') } }, { serviceAccountToken: { path: 'x/t' } }],
      },
    },
  ];
  const { object, errors } = create(podStrategy, podOf({ volumes, serviceAccountName: 'sa' }));
  assert.deepEqual(errors, []);
  assert.deepEqual(podStrategy.warnings!(object, undefined, ruleContext()), [
    'volume "a" (ConfigMap): overlapping paths: "x" with "x/y"',
    'volume "c" (Projected) has no sources provided',
    'volume "c" (Projected): overlapping paths: "x/t" (ServiceAccountToken) with "x" (ConfigMap "m")',
  ]);
});

test('warns of ports that mean one', () => {
  const port = (more: object) => ({ containerPort: 80, ...more });
  const { object, errors } = create(
    podStrategy,
    podOf(
      {
        initContainers: [
          { name: 'a', image: 'x', restartPolicy: 'Always', ports: [port({ name: 'web' })] },
          { name: 'b', image: 'x', ports: [port({ name: 'web' })] },
        ],
        dnsConfig: { nameservers: ['2001:DB8::1'] },
      },
      {
        ports: [
          port({ name: 'web', hostPort: 80 }),
          port({ hostPort: 81, hostIP: '10.0.0.1' }),
          port({ hostPort: 81 }),
          port({ protocol: 'UDP', hostIP: '10.0.0.1' }),
        ],
      },
    ),
  );
  assert.deepEqual(errors, []);
  const at = (i: number) => `spec.containers[0].ports[${i}]`;
  const first = 'spec.initContainers[0].ports[0]';
  assert.deepEqual(podStrategy.warnings!(object, undefined, ruleContext()), [
    'spec.dnsConfig.nameservers[0]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
    `${at(0)}: overlapping port definition with ${first}`,
    `${at(0)}: duplicate port name "web" with ${first}, services and probes that select ports by name will use ${first}`,
    `${at(1)}: overlapping port definition with ${first}`,
    `${at(2)}: overlapping port definition with ${first}`,
    `${at(2)}: dangerously ambiguous port definition with ${at(1)}`,
    `${at(3)}: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:UDP HostIP:10.0.0.1}`,
  ]);
});
