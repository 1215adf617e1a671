// kubectl of three minor versions against a control plane in this process: a short round of everyday commands.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { messageOf } from '../../src/base/assert.ts';
import { carriedKubectl, installedKubectl } from '../kubectl.ts';
import { type ControlPlane, run, startControlPlane } from './control-plane.ts';

/** Its path, or why it is not to be had. */
type Program = string | Error;
const failed = (error: unknown) => new Error(messageOf(error));
const installed = await installedKubectl().catch(failed);
const programs: [name: string, program: Program][] = [
  installed && !(installed instanceof Error)
    ? [`the kubectl on the PATH, 1.${installed.minor}`, installed.program]
    : ['the kubectl on the PATH', installed ?? new Error('there is no kubectl on the PATH')],
  ['kubectl 1.34', await carriedKubectl(34).catch(failed)],
  ['kubectl 1.36', await carriedKubectl(36).catch(failed)],
];

let controlPlane: ControlPlane;
// kubectl keeps discovery below its home.
const homes = programs.map(() => mkdtempSync(join(tmpdir(), 'k8ts-kubectl-')));
before(async () => {
  controlPlane = await startControlPlane();
});
after(async () => {
  await controlPlane.stop();
  for (const home of homes) rmSync(home, { recursive: true });
});

const deployment = (replicas: number) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { app: web } }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - { name: a, image: "a:1" }
        - { name: b, image: "b:1", resources: { requests: { cpu: 10m } } }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { color: blue }
`;

test('kubectl', { concurrency: programs.length, timeout: 60_000 }, async t => {
  await Promise.all(
    programs.map(([name, program], i) => {
      const skip = program instanceof Error ? program.message : false;
      return t.test(name, { skip }, () => round(program as string, homes[i]!, `k${i}`));
    }),
  );
});

/** Ends at the first command that does not do what it should. */
async function round(program: string, home: string, namespace: string): Promise<void> {
  const attempt = (line: string, input?: string) => {
    const args = [...line.split(' '), '--kubeconfig', controlPlane.kubeconfig, '-n', namespace];
    const env = { HOME: home, KUBECACHEDIR: join(home, 'cache') };
    return run(program, args, { env, timeoutMs: 30_000, ...(input ? { input } : {}) });
  };
  const kubectl = async (line: string, input?: string) => {
    const { code, stdout, stderr } = await attempt(line, input);
    assert.equal(code, 0, `kubectl ${line}: ${stderr}${stdout}`);
    return stdout;
  };
  const shows = async (line: string, expected: RegExp, input?: string) =>
    assert.match(await kubectl(line, input), expected, `kubectl ${line}`);

  await shows(`create namespace ${namespace}`, /^namespace\/k\d created$/m);
  await shows('version', /^Server Version: v1\.36\./m);
  await shows('api-resources --api-group apps', /^deployments +deploy +apps\/v1 +true +Deployment$/m);
  await shows('explain deployment.spec.strategy.rollingUpdate', /FIELD: rollingUpdate .*maxSurge/s);

  await shows('apply -f -', /deployment.apps\/web created\nconfigmap\/settings created/, deployment(2));
  await shows('apply -f -', /deployment.apps\/web unchanged\nconfigmap\/settings unchanged/, deployment(2));
  await shows('rollout status deployment/web --timeout 20s', /successfully rolled out/);
  const changes = await attempt('diff -f -', deployment(1));
  assert.equal(changes.code, 1, changes.stderr);
  assert.match(changes.stdout, /^- {2}replicas: 2\n\+ {2}replicas: 1$/m);

  await shows('get deployments', /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s\n$/);
  await shows(
    'get pods -o wide --show-labels',
    /^NAME +READY +STATUS .* NODE .* LABELS\n(web-\S+ +2\/2 +Running .*\n){2}$/,
  );
  await shows('get pods -o jsonpath={.items[*].status.phase}', /^Running Running$/);
  await shows('get configmap settings -o yaml', /^data:\n {2}color: blue$/m);
  await shows('get deploy,rs -o name', /^deployment.apps\/web\nreplicaset.apps\/web-\w+\n$/);
  await shows('get events --field-selector involvedObject.kind=Deployment', /ScalingReplicaSet/);
  await shows('events --for deployment/web', /ScalingReplicaSet/);
  await shows(
    'describe deployment web',
    /^Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable$/m,
  );
  await shows('describe nodes', /Allocated resources:/);

  await shows('set image deployment/web a=a:2', /image updated/);
  await shows('rollout status deployment/web --timeout 20s', /successfully rolled out/);
  await shows('rollout history deployment/web', /^2 +<none>$/m);
  await shows('rollout undo deployment/web', /rolled back/);
  await shows('rollout restart deployment/web', /restarted/);
  await shows('scale deployment/web --replicas 1', /scaled/);
  await shows('wait --for=jsonpath={.status.readyReplicas}=1 deployment/web --timeout 20s', /condition met/);
  await shows('autoscale deployment web --min 1 --max 3 --cpu-percent 50', /autoscaled/);
  await shows('expose deployment web --port 80', /service\/web exposed/);
  await shows('get service web -o jsonpath={.spec.clusterIP}', /^10\./);

  await shows('label configmap settings tier=back', /labeled/);
  await shows('annotate configmap settings note=x', /annotated/);
  await shows('get configmap -l tier=back -o custom-columns=N:.metadata.name', /^N\nsettings\n$/);
  await shows(
    'patch configmap settings --type json -p [{"op":"replace","path":"/data/color","value":"red"}]',
    /patched/,
  );
  await shows('patch configmap settings --type merge -p {"data":{"size":"1"}}', /patched/);
  await shows('get configmap settings -o go-template={{.data.color}}{{.data.size}}', /^red1$/);
  const intent = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"color":"green"}}';
  const conflict = await attempt('apply --server-side --field-manager other -f -', intent);
  assert.match(conflict.stderr, /conflict with "kubectl-patch" .*\.data\.color/s);
  await shows('apply --server-side --field-manager other --force-conflicts -f -', /serverside-applied/, intent);
  const wrong = await attempt('apply -f -', intent.replace('"data"', '"date"'));
  assert.match(wrong.stderr, /strict decoding error: unknown field "date"/);

  await shows('auth can-i create pods', /^yes$/m);
  await shows('auth whoami -o jsonpath={.status.userInfo.groups}', /system:masters/);
  await shows('create serviceaccount robot', /created/);
  await shows('create token robot --duration 10m', /^ey[\w-]+\.[\w-]+\.[\w-]+$/);
  await shows('create secret generic s --from-literal a=b', /created/);
  await shows('run one --image a:1 --restart Never', /pod\/one created/);
  await shows('wait --for condition=Ready pod/one --timeout 20s', /condition met/);
  await shows('get --raw /readyz', /^ok$/);
  await shows('delete pod one --now', /deleted/);
  await shows(
    'delete deployment,service,hpa,configmap web settings --ignore-not-found',
    /deployment.apps "web" deleted/,
  );
  await shows('get pods --ignore-not-found -l app=none', /^$/);
  await shows(`delete namespace ${namespace} --timeout 30s`, /deleted/);
}
