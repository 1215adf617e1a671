// The objects of the workload tests: deployments that answer HTTP with a word, and looks at them.
import type { Deployment } from '../../src/api/type/apps-v1.ts';
import type { Pod, PodSpec } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

export const appsPath = (c: ClusterAccess, resource: string, name = ''): string =>
  `/apis/apps/v1/namespaces/${c.namespace}/${resource}${name && `/${name}`}`;

// Ends when told, after what it is asked until then.
const serve = 'mkdir -p /www; echo $WORD > /www/index.html; trap "exit 0" TERM; httpd -f -p 8080 -h /www & wait';

export const answering = (c: ClusterAccess, word: string): Partial<PodSpec> => ({
  terminationGracePeriodSeconds: 10,
  containers: [
    {
      name: 'web',
      image: c.image,
      command: sh(serve),
      env: [{ name: 'WORD', value: word }],
      ports: [{ containerPort: 8080 }],
      readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
      // Long enough for every node to hear that nothing new is to be sent here.
      lifecycle: { preStop: { sleep: { seconds: 2 } } },
    },
  ] as unknown as PodSpec['containers'],
});

export async function createAnswering(c: ClusterAccess, name: string, replicas: number, more: object): Promise<void> {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: answering(c, 'one') };
  const spec = { replicas, selector: { matchLabels: labels }, template, ...more };
  await c.ask('POST', appsPath(c, 'deployments'), { metadata: { name }, spec });
}

export async function createNodePort(c: ClusterAccess, app: string, nodePort: number): Promise<void> {
  const spec = { type: 'NodePort', selector: { app }, ports: [{ port: 80, targetPort: 8080, nodePort }] };
  await c.create('services', { metadata: { name: app }, spec });
}

export const deployment = (c: ClusterAccess, name: string): Promise<Deployment> =>
  c.ask('GET', appsPath(c, 'deployments', name));

export function isComplete({ metadata, spec, status }: Deployment): boolean {
  const wanted = spec?.replicas;
  const { observedGeneration, updatedReplicas, availableReplicas, replicas } = status ?? {};
  return (
    observedGeneration === metadata.generation &&
    [updatedReplicas, availableReplicas, replicas].every(count => count === wanted)
  );
}

/** Complete at its newest generation, and no pod is left that goes. */
export async function complete(c: ClusterAccess, name: string, timeoutMs = 60_000): Promise<void> {
  await eventually(`deployment ${name}`, async () => isComplete(await deployment(c, name)), timeoutMs);
  await eventually(
    `old pods of ${name} gone`,
    async () => (await podsOf(c, name)).every(p => !p.metadata.deletionTimestamp),
    timeoutMs,
  );
}

export const podsOf = async (c: ClusterAccess, app: string): Promise<readonly Pod[]> =>
  (await c.ask<{ items: Pod[] }>('GET', `${c.path('pods')}?labelSelector=app%3D${app}`)).items;

export const isReady = (pod: Pod): boolean => conditionOf(pod, 'Ready')?.status === 'True';

/** Its exit code must be 0; gives both outputs. */
export async function kubectl(c: ClusterAccess, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await c.lab.run('kubectl', ['-n', c.namespace, ...args]);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: exit ${code}: ${stdout}${stderr}`);
  return stdout + stderr;
}
