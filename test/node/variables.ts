// Containers' variables, and what is missing for them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterAccess, sh } from '../cluster-access.ts';
import { containerOutput } from './output.ts';

export function variableTests(c: () => ClusterAccess): void {
  const output = containerOutput(c);

  // [sig-node] ConfigMap should be consumable via environment variable [NodeConformance]
  // [sig-node] ConfigMap should be consumable via the environment [NodeConformance]
  // [sig-node] Secrets should be consumable from pods in env vars [NodeConformance]
  // [sig-node] Secrets should be consumable via the environment [NodeConformance]
  // [sig-node] Downward API should provide pod name, namespace and IP address as env vars [NodeConformance]
  // [sig-node] Downward API should provide host IP as an env var [NodeConformance]
  // [sig-node] Downward API should provide hostIPs as an env var [NodeConformance]
  // [sig-node] Downward API should provide pod UID as env vars [NodeConformance]
  // [sig-node] Variable Expansion should allow composing env vars into new env vars [NodeConformance]
  // [sig-node] Variable Expansion should allow substituting values in a container's args [NodeConformance]
  // [sig-node] Variable Expansion should allow substituting values in a container's command [NodeConformance]
  test('variables: composed, from maps and secrets, with prefixes, from the downward API', async () => {
    await c().create('configmaps', { metadata: { name: 'env' }, data: { 'data-1': 'value-1', 'data.2': 'two words' } });
    await c().create('secrets', { metadata: { name: 'env' }, stringData: { 'data-1': 'secret-1' } });
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const resource = (name: string, of: string, divisor?: string) => ({
      name,
      valueFrom: { resourceFieldRef: { resource: of, ...(divisor ? { divisor } : {}) } },
    });
    const log = await output(
      'env',
      {
        command: ['env', 'ARG=$(FOO) $$(FOO) $(MISSING)'],
        args: ['COMMAND=$(BAR)', 'env'],
        env: [
          { name: 'FOO', value: 'foo-value' },
          { name: 'BAR', value: 'bar-value' },
          { name: 'FOOBAR', value: '$(FOO);;$(BAR);;$(LATER);;$$(FOO)' },
          { name: 'LATER', value: 'x' },
          { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'env', key: 'data.2' } } },
          { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'env', key: 'data-1' } } },
          { name: 'OPTIONAL', valueFrom: { configMapKeyRef: { name: 'absent', key: 'x', optional: true } } },
          field('POD', 'metadata.name'),
          field('SPACE', 'metadata.namespace'),
          field('IP', 'status.podIP'),
          field('IPS', 'status.podIPs'),
          field('HOST', 'status.hostIP'),
          field('HOSTS', 'status.hostIPs'),
          field('UID', 'metadata.uid'),
          field('LABEL', "metadata.labels['color']"),
          field('ACCOUNT', 'spec.serviceAccountName'),
          field('NODE', 'spec.nodeName'),
          resource('CPU_LIMIT', 'limits.cpu'),
          resource('CPU_MILLI', 'requests.cpu', '1m'),
          resource('MEMORY_LIMIT', 'limits.memory'),
          resource('MEMORY_MIB', 'requests.memory', '1Mi'),
        ],
        envFrom: [
          { configMapRef: { name: 'env' } },
          { prefix: 'p-', secretRef: { name: 'env' } },
          { prefix: 'q_', configMapRef: { name: 'env' } },
          { configMapRef: { name: 'absent', optional: true } },
        ],
        resources: { requests: { cpu: '250m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } },
      },
      {},
      { labels: { color: 'red' } },
    );
    const pod = await c().get('env');
    const lines = new Set(log.split('\n'));
    const { hostIP, podIP } = pod.status!;
    const expected = [
      'FOOBAR=foo-value;;bar-value;;$(LATER);;$(FOO)',
      'data-1=value-1',
      'data.2=two words',
      'p-data-1=secret-1',
      'q_data-1=value-1',
      'KEY=two words',
      'SECRET=secret-1',
      'POD=env',
      `SPACE=${c().namespace}`,
      `IP=${podIP}`,
      `IPS=${podIP}`,
      `HOST=${hostIP}`,
      `HOSTS=${hostIP}`,
      `UID=${pod.metadata.uid}`,
      'LABEL=red',
      'ACCOUNT=default',
      `NODE=${pod.spec.nodeName}`,
      'CPU_LIMIT=2',
      'CPU_MILLI=250',
      `MEMORY_LIMIT=${64 * 2 ** 20}`,
      'MEMORY_MIB=32',
      'HOSTNAME=env',
      'ARG=foo-value $(FOO) $(MISSING)',
      'COMMAND=bar-value',
    ];
    for (const line of expected) assert.ok(lines.has(line), `${line} in\n${log}`);
    assert.doesNotMatch(log, /OPTIONAL/);
    assert.equal(pod.status?.qosClass, 'Burstable');
  });

  // [sig-node] Downward API should provide default limits.cpu/memory from node allocatable [NodeConformance]
  test('limits that are not set are what the node can allocate', async () => {
    const resource = (name: string, of: string) => ({ name, valueFrom: { resourceFieldRef: { resource: of } } });
    const log = await output('env-defaults', {
      command: sh('env'),
      env: [resource('CPU', 'limits.cpu'), resource('MEMORY', 'limits.memory'), resource('ASKED', 'requests.cpu')],
    });
    const pod = await c().get('env-defaults');
    const node = await c().ask('GET', `/api/v1/nodes/${pod.spec.nodeName}`);
    const { cpu, memory } = node.status.allocatable;
    assert.match(log, new RegExp(`^CPU=${cpu}$`, 'm'));
    assert.match(log, new RegExp(`^MEMORY=${Number.parseInt(memory, 10) * 1024}$`, 'm'));
    assert.match(log, /^ASKED=0$/m);
  });

  // [sig-node] Pods should contain environment variables for services [NodeConformance]
  test('variables of services, unless the pod does not want them', async () => {
    await c().create('services', {
      metadata: { name: 'foo-service' },
      spec: { ports: [{ name: 'web', port: 8765, targetPort: 8080 }], selector: { app: 'none' } },
    });
    const [with_, without] = await Promise.all([
      output('service-env', { command: sh('env') }, { enableServiceLinks: true }),
      output('no-service-env', { command: sh('env') }),
    ]);
    const { spec } = await c().ask('GET', c().path('services', 'foo-service'));
    const ip = spec.clusterIP;
    for (const line of [
      `FOO_SERVICE_SERVICE_HOST=${ip}`,
      'FOO_SERVICE_SERVICE_PORT=8765',
      'FOO_SERVICE_SERVICE_PORT_WEB=8765',
      `FOO_SERVICE_PORT=tcp://${ip}:8765`,
      `FOO_SERVICE_PORT_8765_TCP=tcp://${ip}:8765`,
      'FOO_SERVICE_PORT_8765_TCP_PROTO=tcp',
      'FOO_SERVICE_PORT_8765_TCP_PORT=8765',
      `FOO_SERVICE_PORT_8765_TCP_ADDR=${ip}`,
    ])
      assert.ok(with_.split('\n').includes(line), `${line} in\n${with_}`);
    assert.match(with_, /^KUBERNETES_SERVICE_HOST=/m);
    assert.match(without, /^KUBERNETES_SERVICE_HOST=/m);
    assert.doesNotMatch(without, /FOO_SERVICE/);
  });

  test('what is missing is a CreateContainerConfigError until it is there', async () => {
    await c().pod('config-error', {
      containers: [
        {
          name: 'main',
          command: sh('echo $A'),
          env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'late', key: 'a' } } }],
        },
      ],
    });
    const stuck = await c().when(
      'config-error',
      'stuck',
      p => p.status?.containerStatuses?.[0]?.state?.waiting?.message,
    );
    assert.deepEqual(stuck.status?.containerStatuses?.[0]?.state?.waiting, {
      reason: 'CreateContainerConfigError',
      message: 'configmap "late" not found',
    });
    await c().create('configmaps', { metadata: { name: 'late' }, data: { a: 'here' } });
    await c().ended('config-error', 20_000);
    assert.equal(await c().log('config-error'), 'here\n');
  });
}
