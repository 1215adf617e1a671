// What may change of a pod, and how.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneDeep, type Mutable } from '../../meta.ts';
import type { Pod } from '../../type/core-v1.ts';
import { deploymentStrategy } from '../apps/deployment.ts';
import { create, ruleContext, update } from '../testing.ts';
import { podStrategy } from './pod.ts';
import { causes, changed, podOf, stored } from './test-pod.ts';

test('an update may change images, deadlines and add tolerations', () => {
  const old = stored({ activeDeadlineSeconds: 10 });
  assert.deepEqual(
    changed(old, p => {
      p.spec.containers[0]!.image = 'nginx:2';
      p.spec.activeDeadlineSeconds = 5;
      p.spec.tolerations = [{ key: 'a', operator: 'Exists' }];
    }),
    [],
  );
});

test('an update may change nothing else', () => {
  const out = changed(stored(), p => {
    p.spec.containers[0]!.command = ['sh'];
  });
  assert.equal(out.length, 1);
  assert.equal(
    out[0],
    'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n+ containers[0].command: ["sh"]\n',
  );
  assert.deepEqual(
    changed(stored(), p => p.spec.containers.push({ name: 'd', image: 'x' })),
    ['spec.containers: Forbidden: pod updates may not add or remove containers'],
  );
  assert.deepEqual(
    changed(stored({ tolerations: [{ key: 'a', operator: 'Exists' }] }), p => {
      p.spec.tolerations = [];
    }),
    ['spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds'],
  );
  assert.deepEqual(
    changed(stored({ activeDeadlineSeconds: 5 }), p => {
      p.spec.activeDeadlineSeconds = 6;
    }),
    ['spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value'],
  );
  assert.deepEqual(
    changed(stored(), p => {
      p.spec.schedulingGates = [{ name: 'x/y' }];
    }),
    ["spec.schedulingGates[0]: Forbidden: only deletion is allowed, but found new scheduling gate 'x/y'"],
  );
});

test('gated pods may narrow where they go', () => {
  const old = stored({ schedulingGates: [{ name: 'a/b' }], nodeSelector: { a: '1' } });
  assert.deepEqual(
    changed(old, p => {
      p.spec.nodeSelector = { a: '1', b: '2' };
    }),
    [],
  );
  assert.equal(
    changed(old, p => {
      p.spec.nodeSelector = { a: '2' };
    }).length,
    1,
  );
});

test('debug containers are added and stay', () => {
  const old = stored();
  const add = (p: Mutable<Pod>) => {
    p.spec.ephemeralContainers = [{ name: 'd', image: 'busybox' }];
  };
  assert.deepEqual(changed(old, add, 'ephemeralcontainers'), []);
  const pod = cloneDeep(old);
  add(pod);
  const { object } = update(podStrategy, pod, old, ruleContext('ephemeralcontainers'));
  assert.equal(object.spec.ephemeralContainers![0]!.imagePullPolicy, 'Always');
  assert.deepEqual(
    changed(
      object,
      p => {
        p.spec.ephemeralContainers = [];
      },
      'ephemeralcontainers',
    ),
    ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be removed\n'],
  );
  assert.deepEqual(
    changed(
      old,
      p => {
        p.spec.ephemeralContainers = [
          { name: 'c', image: 'x', ports: [{ containerPort: 1 }], targetContainerName: 'z' },
        ];
      },
      'ephemeralcontainers',
    ),
    [
      'spec.ephemeralContainers[0].name: Duplicate value: "c"',
      'spec.ephemeralContainers[0].targetContainerName: Not found: "z"',
      'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
    ],
  );
});

test('resizing changes cpu and memory, not the class of service', () => {
  const old = stored({}, { resources: { requests: { cpu: '1' } } });
  const resize = (resources: object) =>
    changed(
      old,
      p => {
        p.spec.containers[0]!.resources = resources as object;
        p.spec.containers[0]!.command = ['ignored'];
      },
      'resize',
    );
  assert.deepEqual(resize({ requests: { cpu: '2' } }), []);
  assert.deepEqual(resize({}), [
    'spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed',
    'spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing',
  ]);
  assert.match(
    resize({ requests: { cpu: '1', 'ephemeral-storage': '1Gi' } }).join(),
    /^spec: Forbidden: only cpu and memory resources are mutable\n/,
  );
});

test('init containers are resized like others', () => {
  const resources = { requests: { cpu: '1' } };
  const setup = { name: 'setup', image: 'x', resources };
  const old = stored({ initContainers: [setup] }, { resources });
  const resize = (requests: Record<string, string>) =>
    changed(
      old,
      p => {
        p.spec.initContainers![0]!.resources = { requests };
      },
      'resize',
    );
  assert.deepEqual(resize({ cpu: '2' }), []);
  assert.deepEqual(resize({}), [
    'spec.initContainers[0].resources.requests: Forbidden: resource requests cannot be removed',
  ]);
});

test('an init container does not restart to be resized, unless one was let in that does', () => {
  const restarts = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }];
  const wrong = [
    `spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to 'RestartContainer' for non-sidecar initContainers`,
  ];
  const init = (more: object = {}) => [{ name: 'i', image: 'i', resizePolicy: restarts, ...more }];
  assert.deepEqual(causes({ initContainers: init() }), wrong);
  assert.deepEqual(causes({ initContainers: init({ restartPolicy: 'Always' }) }), []);
  const change = (old: Pod, resizePolicy: object[]) => {
    const pod = cloneDeep(old) as Mutable<Pod>;
    pod.spec.initContainers![0]!.resizePolicy = resizePolicy as never;
    return update(podStrategy, pod, old, { ...ruleContext('resize'), old }).errors;
  };
  assert.deepEqual(change(stored({ initContainers: init({ resizePolicy: [] }) }), restarts), wrong);
  assert.deepEqual(change(stored({ initContainers: init() }), restarts), []);
  const template = { metadata: { labels: { a: 'b' } }, spec: (podOf({ initContainers: init() }) as Pod).spec };
  const spec = { selector: { matchLabels: { a: 'b' } }, template };
  const deployment = { metadata: { name: 'd', namespace: 'default' }, spec };
  const made = create(deploymentStrategy, deployment);
  assert.deepEqual(made.errors, [`spec.template.${wrong[0]}`]);
  const old = made.object;
  assert.deepEqual(update(deploymentStrategy, deployment, old, { ...ruleContext(), old }).errors, []);
});

test('status updates keep what is decided', () => {
  const terminated = {
    name: 'c',
    ready: false,
    restartCount: 0,
    image: '',
    imageID: '',
    state: { terminated: { exitCode: 0 } },
  };
  const old = stored(
    { restartPolicy: 'Never' },
    {},
    {
      status: { phase: 'Running', qosClass: 'BestEffort', containerStatuses: [terminated] },
    },
  );
  assert.deepEqual(
    changed(
      old,
      p => {
        p.status.containerStatuses = [{ ...terminated, state: { running: {} } }] as any;
        p.status.qosClass = 'Burstable';
        p.status.podIPs = [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }];
      },
      'status',
    ),
    [
      'status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state',
      'status.qosClass: Invalid value: "Burstable": field is immutable',
      'status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family',
    ],
  );
  // The end of one container may start all of them again.
  const rules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [9] } }];
  const spec = { restartPolicy: 'Never', containers: ['c', 'd'].map(name => ({ ...old.spec.containers[0], name })) };
  const again = (d: object) =>
    changed(
      stored(
        { ...spec, containers: [spec.containers[0], { ...spec.containers[1], restartPolicy: 'Never', ...d }] },
        {},
        { status: old.status },
      ),
      p => {
        p.status.containerStatuses = [{ ...terminated, state: { running: {} } }] as any;
      },
      'status',
    );
  assert.deepEqual(again({ restartPolicyRules: rules }), []);
  assert.equal(again({ restartPolicyRules: rules.map(r => ({ ...r, action: 'Restart' })) }).length, 1);
});

test('a status tells of users and devices that can be', () => {
  const claims = [{ name: 'a' }, { name: 'b', request: 'r' }];
  const old = stored(
    { resourceClaims: ['a', 'b'].map(name => ({ name, resourceClaimName: 'x' })) },
    { resources: { claims, limits: { 'x.io/gpu': '1' } } },
  );
  const said = (status: object, pod = old) =>
    changed(
      pod,
      p => {
        p.status.containerStatuses = [{ name: 'c', ...status }] as any;
      },
      'status',
    );
  const at = 'status.containerStatuses[0]';
  assert.deepEqual(said({ user: { linux: { uid: -1, gid: 0, supplementalGroups: [2 ** 31] } } }), [
    `${at}.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive`,
    `${at}.linux.supplementalGroups[0]: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive`,
  ]);
  assert.deepEqual(said({ user: { linux: { uid: 0, gid: 0 } } }, stored({ os: { name: 'windows' } })), [
    `${at}.linux: Forbidden: cannot be set for a windows pod`,
  ]);
  const health = (name: string, ...resources: object[]) => ({ name, resources });
  const sick = { resourceID: 'd', health: 'Sick' };
  const good = ['claim:a', 'claim:b/r', 'x.io/gpu'].map(name => health(name, { resourceID: 'd', health: 'Healthy' }));
  assert.deepEqual(said({ allocatedResourcesStatus: good }), []);
  assert.deepEqual(
    said({ allocatedResourcesStatus: [health('claim:b'), health('x.io/gpu', sick, { resourceID: 'd' })] }),
    [
      `${at}.allocatedResourcesStatus[0].name: Invalid value: "claim:b": must match one of the container's resource requests`,
      `${at}.allocatedResourcesStatus[1].resources[0].health: Unsupported value: "Sick": supported values: "Healthy", "Unhealthy", "Unknown"`,
      `${at}.allocatedResourcesStatus[1].resources[1].resourceID: Duplicate value: "d"`,
    ],
  );
  assert.deepEqual(
    changed(
      old,
      p => {
        p.status.conditions = [{ type: 'Ready', status: 'True', observedGeneration: -1 }];
      },
      'status',
    ),
    ['status.conditions[0].observedGeneration: Invalid value: -1: must be greater than or equal to 0'],
  );
});
