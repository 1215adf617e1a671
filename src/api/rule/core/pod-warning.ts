// Warnings about pods and pod templates: things that are accepted and probably not meant.
import { append } from '../../../base/append.ts';
import { isCanonicalPart } from '../../canonical-part.ts';
import { type FieldPath, path } from '../../field-error.ts';
import { parseIp } from '../../name-rule.ts';
import type { Container, Pod, PodSpec, PodTemplateSpec, Volume } from '../../type/core-v1.ts';
import type { ObjectMeta } from '../../type/meta-v1.ts';
import { ipWarnings } from './ip-warning.ts';
import { deprecatedLabel, labelSelectorWarnings } from './label-warning.ts';
import { portWarnings } from './pod-port-warning.ts';
import { amount } from './resource-name.ts';
import { overlapWarnings } from './volume-overlap.ts';
import { claimSpecWarnings } from './volume-warning.ts';

const ANNOTATIONS: readonly [prefix: string, warning: string][] = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['seccomp.security.alpha.kubernetes.io/pod', 'non-functional in v1.27+; use the "seccompProfile" field instead'],
  [
    'container.seccomp.security.alpha.kubernetes.io/',
    'non-functional in v1.27+; use the "seccompProfile" field instead',
  ],
  [
    'container.apparmor.security.beta.kubernetes.io/',
    'deprecated since v1.30; use the "appArmorProfile" field instead',
  ],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
];

const VOLUMES: { readonly [K in keyof Volume]?: string } = {
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+',
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
};

export const podWarnings = (pod: Pod): string[] => warningsOf(pod.metadata, path('metadata'), pod.spec, path('spec'));

export function podTemplateWarnings(template: PodTemplateSpec, at: FieldPath): string[] {
  return template.spec ? warningsOf(template.metadata, at.child('metadata'), template.spec, at.child('spec')) : [];
}

function warningsOf(meta: ObjectMeta | undefined, metaAt: FieldPath, spec: PodSpec, at: FieldPath): string[] {
  const out: string[] = [];
  const warn = (where: FieldPath, text: string) => out.push(`${where}: ${text}`);
  for (const label in spec.nodeSelector) {
    const text = deprecatedLabel(label);
    if (text) warn(at.child('nodeSelector').key(label), text);
  }
  if (meta?.annotations) annotationWarnings(meta.annotations, metaAt.child('annotations'), warn);
  if (spec.affinity || spec.topologySpreadConstraints) placementWarnings(spec, at, out, warn);
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    for (const key in volume) {
      const text = VOLUMES[key as keyof Volume];
      if (text) warn(at.child('volumes').index(i).child(key), text);
    }
    const claim = volume.ephemeral?.volumeClaimTemplate;
    const claimAt = at.child('volumes').index(i).child('ephemeral', 'volumeClaimTemplate', 'spec');
    if (claim) append(out, claimSpecWarnings(claim.spec, claimAt));
    append(out, overlapWarnings(volume));
  }
  pullSecretWarnings(spec, at, warn);
  hostAliasWarnings(spec, at, out, warn);
  for (const [i, ip] of (spec.dnsConfig?.nameservers ?? []).entries())
    append(out, ipWarnings(ip, at.child('dnsConfig', 'nameservers').index(i)));
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, c] of (spec[list] ?? []).entries()) containerWarnings(c, at.child(list).index(i), warn);
  }
  append(out, portWarnings(spec, at));
  const grace = spec.terminationGracePeriodSeconds;
  if (grace !== undefined && grace < 0)
    warn(
      at.child('terminationGracePeriodSeconds'),
      'must be >= 0; negative values are invalid and will be treated as 1',
    );
  return out;
}

type Warn = (where: FieldPath, text: string) => void;

function annotationWarnings(annotations: Readonly<Record<string, string>>, at: FieldPath, warn: Warn): void {
  for (const key in annotations) {
    for (const [name, text] of ANNOTATIONS) {
      if (name.endsWith('/') ? key.startsWith(name) : key === name) warn(at.key(key), text);
    }
  }
}

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';
const MATCHES_NOTHING = 'a null labelSelector results in matching no pod';

function placementWarnings(spec: PodSpec, at: FieldPath, out: string[], warn: Warn): void {
  const node = spec.affinity?.nodeAffinity;
  const here = at.child('affinity', 'nodeAffinity');
  const terms = [
    ...(node?.[REQUIRED]?.nodeSelectorTerms ?? []).map(
      (t, i) => [t, here.child(REQUIRED, 'nodeSelectorTerms').index(i)] as const,
    ),
    ...(node?.[PREFERRED] ?? []).map(
      (t, i) => [t.preference, here.child(PREFERRED).index(i).child('preference')] as const,
    ),
  ];
  for (const [term, where] of terms) append(out, labelSelectorWarnings(term, where));
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const affinity = spec.affinity?.[kind];
    const kindAt = at.child('affinity', kind);
    for (const [i, term] of (affinity?.[REQUIRED] ?? []).entries())
      if (!term.labelSelector) warn(kindAt.child(REQUIRED).index(i).child('labelSelector'), MATCHES_NOTHING);
    for (const [i, { podAffinityTerm: term }] of (affinity?.[PREFERRED] ?? []).entries())
      if (!term.labelSelector)
        warn(kindAt.child(PREFERRED).index(i).child('podAffinityTerm', 'labelSelector'), MATCHES_NOTHING);
  }
  for (const [i, constraint] of (spec.topologySpreadConstraints ?? []).entries()) {
    const where = at.child('topologySpreadConstraints').index(i);
    const text = deprecatedLabel(constraint.topologyKey);
    if (text) warn(where.child('topologyKey'), `${constraint.topologyKey} is ${text}`);
    if (!constraint.labelSelector) warn(where.child('labelSelector'), MATCHES_NOTHING);
  }
}

function pullSecretWarnings(spec: PodSpec, at: FieldPath, warn: Warn): void {
  const seen = new Set<string>();
  for (const [i, { name = '' }] of (spec.imagePullSecrets ?? []).entries()) {
    const here = at.child('imagePullSecrets').index(i);
    if (name === '') warn(here, 'invalid empty name ""');
    else if (seen.has(name)) warn(here.child('name'), `duplicate name ${JSON.stringify(name)}`);
    seen.add(name);
  }
}

function hostAliasWarnings(spec: PodSpec, at: FieldPath, out: string[], warn: Warn): void {
  const seen = new Map<string, number>();
  for (const [i, { ip }] of (spec.hostAliases ?? []).entries()) {
    const bytes = parseIp(ip);
    const id = bytes ? bytes.join('.') : ip;
    const here = at.child('hostAliases').index(i).child('ip');
    append(out, ipWarnings(ip, here));
    if (seen.has(id)) warn(here, `duplicate ip ${JSON.stringify(ip)}`);
    seen.set(id, i);
  }
}

function containerWarnings(c: Container, at: FieldPath, warn: Warn): void {
  for (const kind of ['limits', 'requests'] as const) {
    const list = c.resources?.[kind];
    for (const name in list) {
      if ((name === 'memory' || name === 'ephemeral-storage') && amount(list[name]).milliValue() % 1000 !== 0)
        warn(
          at.child('resources', kind).key(name),
          `fractional byte value ${JSON.stringify(list[name])} is invalid, must be an integer`,
        );
    }
  }
  if (c.env && c.env.length > 1) envWarnings(c, at, warn);
}

// Canonical lists that nothing needs to be said about.
const quiet = new WeakSet<object>();

function envWarnings(c: Container, at: FieldPath, warn: Warn): void {
  if (quiet.has(c.env!)) return;
  const seen = new Map<string, string>();
  let warned = false;
  for (const [i, { name, value }] of c.env!.entries()) {
    const before = seen.get(name);
    // A redefinition that builds on the one before it is meant: PATH=$(PATH):/opt.
    if (before !== undefined && !value?.includes(`$(${name})`)) {
      warned = true;
      warn(
        at.child('env').index(i),
        `hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
      );
    }
    seen.set(name, value ?? '');
  }
  if (!warned && isCanonicalPart(c.env!)) quiet.add(c.env!);
}
