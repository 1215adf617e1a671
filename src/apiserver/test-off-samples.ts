// The least object of every kind and version that is off by default.
import { generateKeyPairSync } from 'node:crypto';
import type { Resource } from '../api/resource.ts';
import { emptyCertificateRequest } from '../base/certificate-request.ts';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { createCa } from '../base/x509.ts';
import { samples } from './test-samples.ts';

type Sample = (typeof samples)[string];

const ca = await createCa({ commonName: 'ca', nowMs: systemClock.now(), random: systemRandom, days: 1 });
const { privateKey } = generateKeyPairSync('ed25519');
const schedulingPolicy = { basic: {} };
const deviceRequests = [{ name: 'r', deviceClassName: 'gpu.example.com' }];

/** By group and resource, of kinds that are like no other or, with the version, of versions in a form of their own. */
const own: Readonly<Record<string, Sample>> = {
  'certificates.k8s.io/clustertrustbundles': () => ({ spec: { trustBundle: ca.certificatePem } }),
  'certificates.k8s.io/podcertificaterequests': () => ({
    spec: {
      signerName: 'example.com/s',
      podName: 'p',
      podUID: '00000000-0000-0000-0000-000000000001',
      serviceAccountName: 'default',
      serviceAccountUID: '00000000-0000-0000-0000-000000000002',
      nodeName: 'n',
      nodeUID: '00000000-0000-0000-0000-000000000003',
      stubPKCS10Request: Buffer.from(emptyCertificateRequest(privateKey)).toString('base64'),
    },
  }),
  'scheduling.k8s.io/podgroups': () => ({ spec: { schedulingPolicy } }),
  'scheduling.k8s.io/workloads': () => ({ spec: { podGroupTemplates: [{ name: 'g', schedulingPolicy }] } }),
  'coordination.k8s.io/leasecandidates': () => ({
    spec: { leaseName: 'l', binaryVersion: '1.36.0', emulationVersion: '1.36.0', strategy: 'OldestEmulationVersion' },
  }),
  'resource.k8s.io/devicetaintrules': () => ({
    spec: { deviceSelector: { driver: 'example.com' }, taint: { key: 'a.com/b', effect: 'NoExecute' } },
  }),
  'resource.k8s.io/resourcepoolstatusrequests': () => ({ spec: { driver: 'example.com' } }),
  'resource.k8s.io/v1beta1/resourceclaims': () => ({ spec: { devices: { requests: deviceRequests } } }),
  'resource.k8s.io/v1beta1/resourceclaimtemplates': () => ({
    spec: { spec: { devices: { requests: deviceRequests } } },
  }),
  'resource.k8s.io/v1beta1/resourceslices': (name, namespace) => {
    const { spec } = samples['resource.k8s.io/v1/resourceslices']!(name, namespace);
    return { spec: { ...spec, devices: [{ name: 'd', basic: {} }] } };
  },
  'internal.apiserver.k8s.io/storageversions': () => ({ metadata: { name: 'apps.deployments' }, spec: {} }),
  'storagemigration.k8s.io/storageversionmigrations': () => ({ spec: { resource: { group: 'apps', resource: 'x' } } }),
};

export function offSample({ group, version, resource }: Resource, name: string, namespace: string): any {
  const sample =
    own[`${group}/${version}/${resource}`] ?? own[`${group}/${resource}`] ?? samples[`${group}/v1/${resource}`];
  const object = sample!(name, namespace);
  return { ...object, metadata: { name, ...object.metadata } };
}
