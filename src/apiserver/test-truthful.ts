// Do managedFields say what is so? By a walk that knows nothing of schemas: it takes each path as it is written.
import assert from 'node:assert/strict';
import type { Json } from './test-caller.ts';

const sameKeys = (item: Json, keys: Json) =>
  Object.entries(keys).every(([k, v]) => JSON.stringify(item?.[k]) === JSON.stringify(v));

/** What an element of a path stands for in a value; undefined where there is no such thing. */
function at(value: Json, element: string): Json {
  const [form, rest] = [element.slice(0, 2), element.slice(2)];
  if (form === 'f:') return value?.[rest];
  if (!Array.isArray(value)) return undefined;
  if (form === 'k:') return value.find(item => sameKeys(item, JSON.parse(rest)));
  if (form === 'v:') return value.find(item => JSON.stringify(item) === JSON.stringify(JSON.parse(rest)));
  return value[Number(rest)];
}

function checkThere(value: Json, set: Json, path: string): void {
  for (const [element, below] of Object.entries(set)) {
    if (element === '.') continue;
    const found = at(value, element);
    assert.notEqual(found, undefined, `${path} ${element} is owned and not there`);
    checkThere(found, below, `${path} ${element}`);
  }
}

/** Paths of values that none of these sets has, nor anything they lie in. */
function unowned(value: Json, sets: readonly Json[], path: string): string[] {
  if (sets.some(set => Object.keys(set).length === 0)) return [];
  const within = (element: string) => sets.flatMap(set => (element in set ? [set[element]] : []));
  if (Array.isArray(value)) {
    const elements = new Set(sets.flatMap(set => Object.keys(set)).filter(e => e !== '.'));
    return value.flatMap((item, i) => {
      const mine = [...elements].find(
        e => at(value, e) === item || (e.startsWith('v:') && at([item], e) !== undefined),
      );
      return mine ? unowned(item, within(mine), `${path}[${i}]`) : [`${path}[${i}]`];
    });
  }
  if (typeof value !== 'object' || value === null) return [path];
  if (Object.keys(value).length === 0) return sets.length ? [] : [path];
  return Object.entries(value).flatMap(([key, child]) => unowned(child, within(`f:${key}`), `${path}.${key}`));
}

/** Whatever an entry owns is there. Returns what nobody owns, but status and what the server alone writes. */
export function checkTruthful(object: Json): string[] {
  const entries: Json[] = object.metadata.managedFields ?? [];
  for (const { manager, fieldsV1 } of entries) checkThere(object, fieldsV1, manager);
  const { apiVersion: _, kind: __, status: ___, metadata, ...rest } = object;
  const { labels, annotations, finalizers, ownerReferences } = metadata;
  const written = {
    ...rest,
    metadata: JSON.parse(JSON.stringify({ labels, annotations, finalizers, ownerReferences })),
  };
  return unowned(
    written,
    entries.map(e => e.fieldsV1),
    '',
  );
}

/** What admission, storage and the server's own doing add to the least object of a kind, or what says nothing. */
export const nobodys: Readonly<Record<string, readonly string[]>> = {
  '/v1/events': [
    '.source',
    '.firstTimestamp',
    '.lastTimestamp',
    '.eventTime',
    '.reportingComponent',
    '.reportingInstance',
  ],
  '/v1/nodes': ['.spec.taints[0]'],
  '/v1/persistentvolumeclaims': ['.metadata.finalizers[0]'],
  '/v1/persistentvolumes': ['.metadata.finalizers[0]'],
  '/v1/pods': [
    '.spec.serviceAccountName',
    '.spec.serviceAccount',
    '.spec.tolerations[0]',
    '.spec.tolerations[1]',
    '.spec.priority',
    '.spec.preemptionPolicy',
  ],
  '/v1/services': ['.spec.clusterIP', '.spec.clusterIPs[0]', '.spec.ipFamilies[0]', '.spec.ipFamilyPolicy'],
  'apps/v1/daemonsets': ['.metadata.annotations.deprecated.daemonset.template.generation'],
  'batch/v1/cronjobs': ['.spec.jobTemplate.metadata', '.spec.jobTemplate.spec.template.metadata'],
  'batch/v1/jobs': [
    '.spec.selector.matchLabels.batch.kubernetes.io/controller-uid',
    '.spec.template.metadata.labels.batch.kubernetes.io/controller-uid',
    '.spec.template.metadata.labels.batch.kubernetes.io/job-name',
    '.spec.template.metadata.labels.controller-uid',
    '.spec.template.metadata.labels.job-name',
    '.metadata.labels.batch.kubernetes.io/controller-uid',
    '.metadata.labels.batch.kubernetes.io/job-name',
    '.metadata.labels.controller-uid',
    '.metadata.labels.job-name',
  ],
  'certificates.k8s.io/v1/certificatesigningrequests': [
    '.spec.username',
    '.spec.groups[0]',
    '.spec.groups[1]',
    '.spec.extra.authentication.kubernetes.io/credential-id[0]',
  ],
  'events.k8s.io/v1/events': ['.deprecatedSource', '.deprecatedFirstTimestamp', '.deprecatedLastTimestamp'],
  'networking.k8s.io/v1/networkpolicies': ['.spec.podSelector'],
  'resource.k8s.io/v1/deviceclasses': ['.spec'],
  'resource.k8s.io/v1/resourceclaimtemplates': ['.spec.metadata'],
  'storage.k8s.io/v1/csinodes': ['.spec.drivers'],
  'storage.k8s.io/v1/volumeattributesclasses': ['.metadata.finalizers[0]'],
};
