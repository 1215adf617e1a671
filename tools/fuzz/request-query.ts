// Parameters and headers of requests: those that fit the verb, those that do not, and values nobody gives.
import type { Resource } from '../../src/api/resource.ts';
import { type Chance, oddTexts } from './chance.ts';
import { crossTexts, mutateText } from './mutate.ts';
import { fieldCorpus, fieldWords, labelCorpus, labelWords } from './selector-corpus.ts';

const accepts = [
  ...['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf', '*/*', 'text/html', ',;=,q=x'],
  ...['application/json;as=Table;v=v1;g=meta.k8s.io', 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io'],
  'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  'application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  'application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
  'application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io,application/json',
  'application/vnd.kubernetes.protobuf;stream=watch',
  ...[
    'application/cbor',
    'application/cbor-seq',
    'application/json;pretty=1;charset=utf-8',
    'application/json;q=0',
    '*',
  ],
  'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
];

const ofReading = ['limit', 'continue', 'resourceVersion', 'resourceVersionMatch', 'labelSelector', 'fieldSelector'];
const ofWatching = [...ofReading, 'timeoutSeconds', 'sendInitialEvents', 'allowWatchBookmarks', 'watch'];
const ofWriting = ['dryRun', 'fieldManager', 'fieldValidation', 'force', 'pretty'];
const ofDeleting = ['dryRun', 'propagationPolicy', 'gracePeriodSeconds', 'orphanDependents', 'labelSelector'];
const ofAnybody = [
  'pretty',
  'includeObject',
  'timeout',
  'container',
  'path',
  'command',
  'tailLines',
  'sinceTime',
  'ports',
];
const rare = 'ignoreStoreReadErrorWithClusterBreakingPotential';

const token = (c: Chance) =>
  Buffer.from(
    c.pick([
      '{"v":"meta.k8s.io/v1","rv":7,"start":"one\\u0000"}',
      '{"v":"meta.k8s.io/v1","rv":-1,"start":"../x"}',
      '{}',
      '[]',
    ]),
  ).toString('base64url');

function parameterValue(c: Chance, parameter: string, resource: Resource | undefined): string {
  if (c.once(8)) return c.pick(oddTexts);
  switch (parameter) {
    case 'labelSelector':
      return c.once(2) ? c.pick(['app=a', 'app in (a,b)', '!app', 'app']) : crossTexts(c, labelCorpus, labelWords);
    case 'fieldSelector': {
      const known = [...(resource?.fieldSelectors.keys() ?? []), 'metadata.name', 'metadata.namespace'];
      return c.once(4)
        ? crossTexts(c, fieldCorpus, fieldWords)
        : `${c.pick(known)}${c.pick(['=', '==', '!='])}${c.pick(['one', '', 'default', '1', 'true'])}`;
    }
    case 'continue':
      return c.once(3) ? mutateText(c, token(c)) : token(c);
    case 'resourceVersion':
      // For a version to come the server waits three seconds.
      return c.once(60)
        ? c.pick(['99999999', '18446744073709551615', '18446744073709551616'])
        : c.pick(['0', '1', '', '-1', String(c.below(200)), 'x']);
    case 'resourceVersionMatch':
      return c.pick(['Exact', 'NotOlderThan', 'exact']);
    case 'dryRun':
      return c.once(4) ? 'None' : 'All';
    case 'fieldValidation':
      return c.pick(['Strict', 'Warn', 'Ignore']);
    case 'propagationPolicy':
      return c.pick(['Foreground', 'Background', 'Orphan']);
    case 'fieldManager':
      return c.pick(['kubectl', 'm', 'ü', 'a'.repeat(129)]);
    case 'timeout':
    case 'timeoutSeconds':
      return c.pick(['1', '10s', '0', '9223372036854775807', '1.5', '-1']);
    case 'includeObject':
      return c.pick(['None', 'Metadata', 'Object']);
    default:
      return c.pick(['true', 'false', '1', '0', '10', 'All']);
  }
}

/** With its question mark; empty for none. */
export function queryOf(c: Chance, method: string, resource: Resource | undefined): string {
  const query = new URLSearchParams();
  const own = method === 'GET' ? ofWatching : method === 'DELETE' ? ofDeleting : ofWriting;
  for (let i = c.below(5) - 1; i > 0; i--) {
    const parameter = c.once(200) ? rare : c.pick(c.once(8) ? ofAnybody : c.once(12) ? ofWatching : own);
    query.append(parameter, parameterValue(c, parameter, resource));
  }
  const text = query.toString();
  if (!text) return '';
  // Escapes that are none, and what a URL may hold but seldom does.
  return `?${c.once(40) ? text.replace(/[=&a]/, c.pick(['%', '%zz', ';', '&&', '==', '+', '%00', '%ff'])) : text}`;
}

const users = [
  ...['system:node:n', 'system:node:', 'system:serviceaccount:default:default', 'system:serviceaccount:a', 'fuzz'],
  ...['system:anonymous', 'system:admin', '', ' ', '%', 'x'.repeat(3000)],
];

/** Who the request says to be, now and then. */
export function impersonationOf(c: Chance): Record<string, string> {
  if (!c.once(10)) return {};
  const user = c.once(6) ? headerText(c) : c.pick(users);
  return {
    ...(c.once(12) ? {} : { 'impersonate-user': user }),
    ...(user.startsWith('system:node:')
      ? { 'impersonate-group': 'system:nodes' }
      : c.once(3)
        ? { 'impersonate-group': c.pick(['system:masters', 'system:unauthenticated', 'g', '']) }
        : {}),
    ...(c.once(6) ? { 'impersonate-uid': headerText(c) } : {}),
    ...(c.once(6) ? { [`impersonate-extra-${c.pick(['a', '__proto__', '%zz', 'b%2fc', '%'])}`]: headerText(c) } : {}),
  };
}

// What a client's library lets through.
const headerText = (c: Chance): string =>
  c
    .pick(oddTexts)
    .replace(/[^\x20-\x7e]/g, '')
    .trim();

/** The forms an answer may have. */
export const acceptOf = (c: Chance): Record<string, string> =>
  c.once(6)
    ? { accept: c.once(10) ? `${c.pick(accepts)},${headerText(c)}` : c.pick(accepts) }
    : c.once(6)
      ? { accept: c.pick(accepts.slice(0, 3)) }
      : {};

/** Headers any request may have. */
export const furtherHeaders = (c: Chance): Record<string, string> =>
  c.once(25)
    ? {
        [c.pick(['accept-encoding', 'user-agent', 'traceparent', 'audit-id', 'if-none-match', 'warning'])]:
          headerText(c),
      }
    : {};
