// The rules of Ingresses.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import {
  isDns1123Label,
  isDns1123Subdomain,
  isPathSegmentName,
  isPortName,
  isValidPortNumber,
  isWildcardDns,
  parseIp,
} from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { HTTPIngressPath, Ingress, IngressBackend, IngressSpec } from '../../type/networking-v1.ts';
import { validateIp } from '../core/ip-value.ts';
import { ipWarnings } from '../core/ip-warning.ts';

const SPEC = path('spec');
const POINTS = path('status.loadBalancer.ingress');
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const BAD_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F'];
const BAD_ENDS = ['/..', '/.'];

function validateHost(host: string, at: FieldPath, errors: FieldErrors): void {
  for (const m of host.includes('*') ? isWildcardDns(host) : isDns1123Subdomain(host)) errors.invalid(at, host, m);
}

function validateBackend(backend: IngressBackend, at: FieldPath, errors: FieldErrors): void {
  const { service, resource } = backend;
  if (service && resource) errors.invalid(at, '', 'cannot set both resource and service backends');
  else if (resource) validateResourceBackend(resource, at.child('resource'), errors);
  else if (service) {
    const nameAt = at.child('service', 'name');
    if (!service.name) errors.required(nameAt);
    else for (const m of isDns1123Label(service.name)) errors.invalid(nameAt, service.name, m);
    const { name, number } = service.port ?? {};
    if (name && number) errors.invalid(at, '', 'cannot set both port name & port number');
    else if (name) for (const m of isPortName(name)) errors.invalid(at.child('service', 'port', 'name'), name, m);
    else if (number)
      for (const m of isValidPortNumber(number)) errors.invalid(at.child('service', 'port', 'number'), number, m);
    else errors.required(at, 'port name or number is required');
  } else errors.invalid(at, '', 'resource or service backend is required');
}

function validateResourceBackend(
  { apiGroup, kind, name }: NonNullable<IngressBackend['resource']>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  // Always written, and null when there is none.
  if (typeof apiGroup === 'string')
    for (const m of isDns1123Subdomain(apiGroup)) errors.invalid(at.child('apiGroup'), apiGroup, m);
  for (const [field, value] of Object.entries({ kind, name })) {
    if (!value) errors.required(at.child(field), `${field} is required`);
    else for (const m of isPathSegmentName(value)) errors.invalid(at.child(field), value, m);
  }
}

function validatePath(entry: HTTPIngressPath, at: FieldPath, errors: FieldErrors): void {
  const { path: text = '', pathType } = entry;
  const here = at.child('path');
  const absolute = text.startsWith('/');
  if (!pathType) errors.required(at.child('pathType'), 'pathType must be specified');
  else if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!absolute) errors.invalid(here, text, 'must be an absolute path');
    for (const bad of BAD_SEQUENCES) if (text.includes(bad)) errors.invalid(here, text, `must not contain '${bad}'`);
    for (const bad of BAD_ENDS) if (text.endsWith(bad)) errors.invalid(here, text, `cannot end with '${bad}'`);
  } else if (pathType === 'ImplementationSpecific') {
    if (text && !absolute) errors.invalid(here, text, 'must be an absolute path');
  } else errors.notSupported(at.child('pathType'), pathType, PATH_TYPES);
  validateBackend(entry.backend ?? {}, at.child('backend'), errors);
}

function validateSpec(spec: IngressSpec, errors: FieldErrors): void {
  const { rules = [], tls = [], defaultBackend, ingressClassName } = spec;
  if (rules.length === 0 && !defaultBackend)
    errors.invalid(SPEC, spec.rules, 'either `defaultBackend` or `rules` must be specified');
  if (defaultBackend) validateBackend(defaultBackend, SPEC.child('defaultBackend'), errors);
  for (const [i, { host, http }] of rules.entries()) {
    const at = SPEC.child('rules').index(i);
    if (host && parseIp(host)) errors.invalid(at.child('host'), host, 'must be a DNS name, not an IP address');
    else if (host) validateHost(host, at.child('host'), errors);
    if (!http) continue;
    const paths = http.paths ?? [];
    if (paths.length === 0) errors.required(at.child('http', 'paths'));
    for (const [j, entry] of paths.entries()) validatePath(entry, at.child('http', 'paths').index(j), errors);
  }
  for (const [i, { hosts = [], secretName }] of tls.entries()) {
    const at = SPEC.child('tls').index(i);
    for (const [j, host] of hosts.entries()) validateHost(host, at.child('hosts').index(j), errors);
    if (secretName)
      for (const m of isDns1123Subdomain(secretName)) errors.invalid(at.child('secretName'), secretName, m);
  }
  if (ingressClassName !== undefined)
    for (const m of isDns1123Subdomain(ingressClassName))
      errors.invalid(SPEC.child('ingressClassName'), ingressClassName, m);
}

function validateStatus({ status }: Ingress, errors: FieldErrors, old: Ingress | undefined): void {
  const held = old?.status?.loadBalancer?.ingress?.flatMap(({ ip }) => ip ?? []);
  for (const [i, { ip, hostname }] of (status?.loadBalancer?.ingress ?? []).entries()) {
    const at = POINTS.index(i);
    if (ip) validateIp(ip, at.child('ip'), errors, held);
    if (!hostname) continue;
    for (const m of isDns1123Subdomain(hostname)) errors.invalid(at.child('hostname'), hostname, m);
    if (parseIp(hostname)) errors.invalid(at.child('hostname'), hostname, 'must be a DNS name, not an IP address');
  }
}

export const ingressStrategy: Strategy<Ingress> = {
  nameRule: 'dnsSubdomain',
  prepareForCreate(ingress) {
    ingress.status = { loadBalancer: {} };
  },
  validate(ingress, errors, context) {
    if (context.subresource === 'status') {
      validateStatus(ingress, errors, context.old as Ingress | undefined);
      return;
    }
    const annotation = ingress.metadata.annotations?.[CLASS_ANNOTATION];
    if (!ingress.metadata.resourceVersion && annotation !== undefined && ingress.spec?.ingressClassName !== undefined)
      errors.invalid(
        path('metadata.annotations').child(CLASS_ANNOTATION),
        annotation,
        'can not be set when the class field is also set',
      );
    validateSpec(ingress.spec ?? {}, errors);
  },
  warnings({ metadata, status }, old, context) {
    if (context.subresource === 'status')
      return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }, i) => ipWarnings(ip, POINTS.index(i).child('ip')));
    if (metadata.annotations?.[CLASS_ANNOTATION] === undefined) return [];
    if (old?.metadata.annotations?.[CLASS_ANNOTATION] !== undefined) return [];
    return [`annotation "${CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead`];
  },
};
