// Hand-written rules of every kind but pods and workloads, by `group/resource`.
import type { Strategy } from '../strategy.ts';
import { namespaceStrategy } from './core/namespace.ts';
import { serviceStrategy } from './core/service.ts';

/** Written only by who read the version it replaces. */
const readFirst: Strategy = { allowUnconditionalUpdate: false };
const createOnUpdate: Strategy = { allowCreateOnUpdate: true };
const rbac: Strategy = { nameRule: 'pathSegment', allowCreateOnUpdate: true };

export const clusterStrategies: Readonly<Record<string, Strategy<any>>> = {
  '/namespaces': namespaceStrategy,
  '/services': serviceStrategy,
  '/endpoints': createOnUpdate,
  '/events': createOnUpdate,
  '/limitranges': createOnUpdate,
  '/serviceaccounts': readFirst,
  'events.k8s.io/events': createOnUpdate,
  'rbac.authorization.k8s.io/roles': rbac,
  'rbac.authorization.k8s.io/rolebindings': rbac,
  'rbac.authorization.k8s.io/clusterroles': rbac,
  'rbac.authorization.k8s.io/clusterrolebindings': rbac,
  'coordination.k8s.io/leases': { allowCreateOnUpdate: true, allowUnconditionalUpdate: false },
  'coordination.k8s.io/leasecandidates': { allowCreateOnUpdate: true, allowUnconditionalUpdate: false },
  'policy/poddisruptionbudgets': readFirst,
  'node.k8s.io/runtimeclasses': readFirst,
  'storage.k8s.io/csinodes': readFirst,
  'storage.k8s.io/csidrivers': readFirst,
  'storage.k8s.io/csistoragecapacities': readFirst,
  'storage.k8s.io/volumeattachments': readFirst,
  'certificates.k8s.io/certificatesigningrequests': { nameRule: 'any' },
  'certificates.k8s.io/clustertrustbundles': { nameRule: 'any', allowUnconditionalUpdate: false },
  'certificates.k8s.io/podcertificaterequests': readFirst,
  'flowcontrol.apiserver.k8s.io/flowschemas': readFirst,
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': readFirst,
  'admissionregistration.k8s.io/validatingwebhookconfigurations': readFirst,
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': readFirst,
  'admissionregistration.k8s.io/validatingadmissionpolicies': readFirst,
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': readFirst,
  'admissionregistration.k8s.io/mutatingadmissionpolicies': readFirst,
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': readFirst,
  'apiextensions.k8s.io/customresourcedefinitions': readFirst,
  'apiregistration.k8s.io/apiservices': { nameRule: 'pathSegment', allowUnconditionalUpdate: false },
  'internal.apiserver.k8s.io/storageversions': readFirst,
  'storagemigration.k8s.io/storageversionmigrations': readFirst,
};
