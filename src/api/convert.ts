// Kinds that are served in versions of different form: how one becomes the other. All others are stored as they come.
import { convertAutoscaler } from './convert-autoscaler.ts';
import { convertResource, convertsResource } from './convert-resource.ts';
import type { KubeObject } from './meta.ts';

type Plain = Record<string, any>;

/** The version objects are stored in, by group and resource. */
const stored: Readonly<Record<string, string>> = {
  'events.k8s.io/events': 'v1',
  'autoscaling/horizontalpodautoscalers': 'autoscaling/v2',
  'networking.k8s.io/ipaddresses': 'networking.k8s.io/v1',
  'networking.k8s.io/servicecidrs': 'networking.k8s.io/v1',
  'storage.k8s.io/volumeattributesclasses': 'storage.k8s.io/v1',
  'admissionregistration.k8s.io/mutatingadmissionpolicies': 'admissionregistration.k8s.io/v1',
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': 'admissionregistration.k8s.io/v1',
  'certificates.k8s.io/clustertrustbundles': 'certificates.k8s.io/v1beta1',
  'coordination.k8s.io/leasecandidates': 'coordination.k8s.io/v1beta1',
  'resource.k8s.io/deviceclasses': 'resource.k8s.io/v1',
  'resource.k8s.io/resourceclaims': 'resource.k8s.io/v1',
  'resource.k8s.io/resourceclaimtemplates': 'resource.k8s.io/v1',
  'resource.k8s.io/resourceslices': 'resource.k8s.io/v1',
  'resource.k8s.io/devicetaintrules': 'resource.k8s.io/v1alpha3',
};

/** The version a resource is stored in when that is another than `ref`'s own; undefined otherwise. */
export function storedVersion(ref: { group: string; version: string; resource: string }): string | undefined {
  const version = stored[`${ref.group}/${ref.resource}`];
  return version === (ref.group ? `${ref.group}/${ref.version}` : ref.version) ? undefined : version;
}

/** Whether objects of this resource are to be found in more than one form: it, or another with the same objects. */
export const hasSeveralForms = ({ group, resource }: { group: string; resource: string }): boolean =>
  Object.hasOwn(stored, `${group}/${resource}`) || (group === '' && resource === 'events');

/** The object in another version of its kind; itself when it is in that one. Throws nothing. */
export function convert(object: KubeObject, apiVersion: string): KubeObject {
  if (object.apiVersion === apiVersion) return object;
  switch (`${object.apiVersion} ${apiVersion}`) {
    case 'v1 events.k8s.io/v1':
      return renameEvent(object, apiVersion, toModern);
    case 'events.k8s.io/v1 v1':
      return renameEvent(object, apiVersion, toCore);
    case 'autoscaling/v1 autoscaling/v2':
    case 'autoscaling/v2 autoscaling/v1':
      return convertAutoscaler(object, apiVersion);
    default:
      if (convertsResource(object.apiVersion, apiVersion)) return convertResource(object, apiVersion);
      // Versions of one form.
      return sameGroup(object.apiVersion, apiVersion) ? ({ ...object, apiVersion } as KubeObject) : object;
  }
}

const sameGroup = (a = '', b = '') => a.includes('/') && a.slice(0, a.indexOf('/')) === b.slice(0, b.indexOf('/'));

const toModern: Readonly<Record<string, string>> = {
  involvedObject: 'regarding',
  message: 'note',
  source: 'deprecatedSource',
  firstTimestamp: 'deprecatedFirstTimestamp',
  lastTimestamp: 'deprecatedLastTimestamp',
  count: 'deprecatedCount',
  reportingComponent: 'reportingController',
};
const toCore = Object.fromEntries(Object.entries(toModern).map(([core, modern]) => [modern, core]));

function renameEvent(object: KubeObject, apiVersion: string, names: Readonly<Record<string, string>>): KubeObject {
  const out: Plain = {};
  for (const [key, value] of Object.entries(object)) out[names[key] ?? key] = value;
  return { ...out, apiVersion } as KubeObject;
}
