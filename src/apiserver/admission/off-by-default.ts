// Plugins that are on only where somebody asks for them.
import type { Mutable } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { isExtendedResource } from '../../api/rule/core/resource-name.ts';
import { forbidden, isAlreadyExists, notFound } from '../../api/status.ts';
import type { Container, Pod, Service } from '../../api/type/core-v1.ts';
import type { Client } from '../../client/client.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

export const offByDefault: ReadonlySet<string> = new Set([
  'AlwaysAdmit',
  'AlwaysDeny',
  'AlwaysPullImages',
  'DenyServiceExternalIPs',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'ImagePolicyWebhook',
  'LimitPodHardAntiAffinityTopology',
  'NamespaceAutoProvision',
  'NamespaceExists',
  'OwnerReferencesPermissionEnforcement',
  'PodNodeSelector',
  'PodTolerationRestriction',
]);

type MutablePod = Mutable<Pod>;

const isWrite = ({ operation }: AdmissionAttributes) => operation === 'CREATE' || operation === 'UPDATE';
const isOf = ({ resource }: AdmissionAttributes, name: string) => resource.group === '' && resource.resource === name;
const isPodWrite = (a: AdmissionAttributes) => isWrite(a) && isOf(a, 'pods') && a.subresource === '';

function containersOf({ spec }: MutablePod): Mutable<Container>[] {
  const ephemeral = (spec.ephemeralContainers ?? []) as unknown as Mutable<Container>[];
  return [...(spec.initContainers ?? []), ...spec.containers, ...ephemeral];
}

/** Images are pulled anew, so that nobody runs one whose credentials only others have. */
export const alwaysPullImages: AdmissionPlugin = {
  name: 'AlwaysPullImages',
  handles: a => isWrite(a) && isOf(a, 'pods') && (a.subresource === '' || a.subresource === 'ephemeralcontainers'),
  mutate({ object, old }) {
    const pod = object as unknown as MutablePod;
    const before = old ? containersOf(old as unknown as MutablePod) : [];
    const isKnown = (c: Container) => before.some(({ name, image }) => name === c.name && image === c.image);
    for (const c of containersOf(pod)) if (!isKnown(c)) c.imagePullPolicy = 'Always';
    if (old) return;
    for (const volume of pod.spec.volumes ?? []) if (volume.image) volume.image.pullPolicy = 'Always';
  },
  // What changed the pod afterwards may not have undone it.
  validate({ object, old, resource, name }) {
    if (old) return;
    const { spec } = object as unknown as Pod;
    for (const list of ['initContainers', 'containers'] as const)
      for (const [i, { imagePullPolicy = '' }] of (spec[list] ?? []).entries())
        if (imagePullPolicy !== 'Always')
          throw forbidden(
            resource,
            name,
            `spec.${list}[${i}].imagePullPolicy: Unsupported value: ${JSON.stringify(imagePullPolicy)}: supported values: "Always"`,
          );
  },
};

/** Pods bear the taints of nodes that keep themselves for the extended resources they ask for. */
export const extendedResourceToleration: AdmissionPlugin = {
  name: 'ExtendedResourceToleration',
  handles: isPodWrite,
  mutate({ object }) {
    const pod = object as unknown as MutablePod;
    const asked = containersOf(pod).flatMap(c => Object.keys(c.resources?.requests ?? {}));
    const tolerations = [...(pod.spec.tolerations ?? [])];
    for (const key of [...new Set(asked.filter(isExtendedResource))].sort()) {
      const isBorne = tolerations.some(t => t.key === key && t.operator === 'Exists' && !t.effect);
      if (!isBorne) tolerations.push({ key, operator: 'Exists' });
    }
    if (tolerations.length) pod.spec.tolerations = tolerations;
  },
};

const hostname = 'kubernetes.io/hostname';

/** Nobody keeps others off more than its own node. */
export const limitPodHardAntiAffinityTopology: AdmissionPlugin = {
  name: 'LimitPodHardAntiAffinityTopology',
  handles: isPodWrite,
  validate({ object, resource, name }) {
    const { affinity } = (object as unknown as Pod).spec;
    const terms = affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const odd = terms.find(term => term.topologyKey !== hostname);
    if (!odd) return;
    const why = `affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ${odd.topologyKey} but only key ${hostname} is allowed`;
    throw forbidden(resource, name, why);
  },
};

/** Services claim no addresses of elsewhere; those they have they keep. */
export const denyServiceExternalIPs: AdmissionPlugin = {
  name: 'DenyServiceExternalIPs',
  handles: a => isWrite(a) && isOf(a, 'services') && a.subresource === '',
  validate({ object, old, resource, name }) {
    const ipsOf = (service: unknown) => (service as Service | undefined)?.spec?.externalIPs ?? [];
    const before = ipsOf(old);
    if (ipsOf(object).some(ip => !before.includes(ip)))
      throw forbidden(resource, name, 'Use of external IPs is denied by admission control.');
  },
};

const deny = ({ resource, name }: AdmissionAttributes) => {
  throw forbidden(resource, name, 'admission control is denying all modifications');
};

/** Of use to tests only. */
export const alwaysDeny: AdmissionPlugin = { name: 'AlwaysDeny', handles: () => true, mutate: deny, validate: deny };

/** Lets everything pass: deprecated, and still a name. */
export const alwaysAdmit: AdmissionPlugin = { name: 'AlwaysAdmit', handles: () => true, mutate() {}, validate() {} };

export function namespaceExists(namespaces: WatchCache): AdmissionPlugin {
  return {
    name: 'NamespaceExists',
    handles: a => a.operation !== 'CONNECT' && a.resource.namespaced && a.namespace !== '',
    validate({ namespace }) {
      if (!namespaces.latest(namespace)) throw notFound({ group: '', resource: 'namespaces' }, namespace);
    },
  };
}

/** What is made in no namespace makes it. */
export function namespaceAutoProvision(namespaces: WatchCache, client: Client): AdmissionPlugin {
  return {
    name: 'NamespaceAutoProvision',
    handles: a => a.operation === 'CREATE' && a.resource.namespaced && a.namespace !== '' && !a.dryRun,
    async mutate({ namespace }) {
      if (namespaces.latest(namespace)) return;
      try {
        await client.create(coreV1.namespaces, { metadata: { name: namespace } });
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
    },
  };
}
