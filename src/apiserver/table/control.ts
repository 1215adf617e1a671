// Rows of what governs the API itself: admission, fairness, certificates, aggregation, storage versions.
import type {
  MutatingWebhookConfiguration,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../api/type/admissionregistration-v1.ts';
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import type { CertificateSigningRequest } from '../../api/type/certificates-v1.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/type/flowcontrol-v1.ts';
import { ageOf, humanDuration } from './human-duration.ts';
import type { CellsByKind } from './kind.ts';
import { conditionOf, firstOf, isTrue, mapText, none, selectorText, unset } from './text.ts';

const webhookCells = ({ metadata, webhooks }: MutatingWebhookConfiguration, now: number) => [
  metadata.name,
  webhooks?.length ?? 0,
  ageOf(metadata.creationTimestamp, now),
];

const paramKindText = (kind: ParamKind | undefined): string =>
  kind ? `${kind.apiVersion ?? ''}/${kind.kind ?? ''}` : unset;

function paramRefText(ref: ParamRef | undefined): string {
  if (ref?.name) return `${ref.namespace || '*'}/${ref.name}`;
  return ref?.selector ? selectorText(ref.selector) : unset;
}

const policyBindingCells = ({ metadata, spec }: ValidatingAdmissionPolicyBinding, now: number) => [
  metadata.name,
  spec?.policyName ?? '',
  paramRefText(spec?.paramRef),
  ageOf(metadata.creationTimestamp, now),
];

function requestCondition({ status }: CertificateSigningRequest): string {
  const has = (type: string) => status?.conditions?.some(c => c.type === type);
  let text = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  if (has('Failed')) text += ',Failed';
  if (status?.certificate?.length) text += ',Issued';
  return text;
}

function podCertificateState(conditions: { type: string; status: string }[] | undefined): string {
  return ['Issued', 'Denied', 'Failed'].find(type => isTrue(conditions, type)) ?? 'Pending';
}

function availability({ status }: APIService): string {
  const condition = conditionOf(status?.conditions, 'Available');
  if (!condition) return 'Unknown';
  if (condition.status === 'True') return 'True';
  return condition.reason ? `${condition.status} (${condition.reason})` : condition.status;
}

function migrationStatus(conditions: { type: string; status: string }[] | undefined): string {
  const known = (conditions ?? []).filter(
    c => c.status === 'True' && ['Running', 'Failed', 'Succeeded'].includes(c.type),
  );
  return known.at(-1)?.type ?? 'Unknown';
}

/** In the order they are tried: by precedence, then by name. */
export function compareFlowSchemas(a: FlowSchema, b: FlowSchema): number {
  const order = (a.spec?.matchingPrecedence ?? 0) - (b.spec?.matchingPrecedence ?? 0);
  return order || ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1);
}

export const controlCells: CellsByKind = {
  MutatingWebhookConfiguration: webhookCells,
  ValidatingWebhookConfiguration: webhookCells,
  ValidatingAdmissionPolicy: ({ metadata, spec }: ValidatingAdmissionPolicy, now) => [
    metadata.name,
    spec?.validations?.length ?? 0,
    paramKindText(spec?.paramKind),
    ageOf(metadata.creationTimestamp, now),
  ],
  ValidatingAdmissionPolicyBinding: policyBindingCells,
  MutatingAdmissionPolicy: ({ metadata, spec }, now) => [
    metadata.name,
    spec?.mutations?.length ?? 0,
    paramKindText(spec?.paramKind),
    ageOf(metadata.creationTimestamp, now),
  ],
  MutatingAdmissionPolicyBinding: policyBindingCells,
  FlowSchema: ({ metadata, spec, status }: FlowSchema, now) => [
    metadata.name,
    spec?.priorityLevelConfiguration?.name ?? '',
    spec?.matchingPrecedence ?? 0,
    spec?.distinguisherMethod?.type ?? none,
    ageOf(metadata.creationTimestamp, now),
    status?.conditions?.find(c => c.type === 'Dangling')?.status ?? '?',
  ],
  PriorityLevelConfiguration: ({ metadata, spec }: PriorityLevelConfiguration, now) => {
    const queuing = spec?.limited?.limitResponse?.queuing;
    return [
      metadata.name,
      spec?.type ?? '',
      spec?.limited?.nominalConcurrencyShares ?? none,
      queuing ? (queuing.queues ?? 0) : none,
      queuing ? (queuing.handSize ?? 0) : none,
      queuing ? (queuing.queueLengthLimit ?? 0) : none,
      ageOf(metadata.creationTimestamp, now),
    ];
  },
  CertificateSigningRequest: (request: CertificateSigningRequest, now) => [
    request.metadata.name,
    ageOf(request.metadata.creationTimestamp, now),
    request.spec?.signerName || none,
    request.spec?.username ?? '',
    request.spec?.expirationSeconds === undefined ? none : humanDuration(request.spec.expirationSeconds * 1000),
    requestCondition(request),
  ],
  ClusterTrustBundle: ({ metadata, spec }) => [metadata.name, spec?.signerName || none],
  PodCertificateRequest: ({ metadata, spec, status }) => [
    metadata.name,
    spec?.podName ?? '',
    spec?.serviceAccountName ?? '',
    spec?.nodeName ?? '',
    spec?.signerName ?? '',
    podCertificateState(status?.conditions),
    mapText(spec?.unverifiedUserAnnotations),
  ],
  StorageVersion: ({ metadata, status }, now) => [
    metadata.name,
    status?.commonEncodingVersion ?? unset,
    firstOf(
      (status?.storageVersions ?? []).map(
        (v: { apiServerID: string; encodingVersion: string }) => `${v.apiServerID}=${v.encodingVersion}`,
      ),
      unset,
    ),
    ageOf(metadata.creationTimestamp, now),
  ],
  StorageVersionMigration: ({ metadata, spec, status }) => [
    metadata.name,
    [spec?.resource?.resource, spec?.resource?.group].filter(Boolean).join('.'),
    migrationStatus(status?.conditions),
  ],
  APIService: (service: APIService, now) => [
    service.metadata.name,
    service.spec?.service ? `${service.spec.service.namespace}/${service.spec.service.name}` : 'Local',
    availability(service),
    ageOf(service.metadata.creationTimestamp, now),
  ],
  Status: ({ status, reason, message }) => [status ?? '', reason ?? '', message ?? ''],
};
