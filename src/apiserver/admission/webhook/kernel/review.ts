// AdmissionReview: what webhooks are asked, and what their answers mean.
import { normalize } from '../../../../api/decode.ts';
import { jsonFault } from '../../../../api/json-syntax.ts';
import { isPlain, jsonKind } from '../../../../api/patch/plain.ts';
import { apiVersionOf } from '../../../../api/ref.ts';
import type { AdmissionRequest, AdmissionResponse, AdmissionReview } from '../../../../api/type/admission-v1.ts';
import type { Status } from '../../../../api/type/meta-v1.ts';
import { messageOf } from '../../../../base/assert.ts';
import { parseExactJson } from '../../../../base/whole-number.ts';
import { noTypeMeta } from '../../../body-format.ts';
import { notRegistered, unreadableKind } from '../../../body-kind.ts';
import type { AdmissionAttributes } from '../../admission.ts';
import type { Match } from '../../match/match.ts';

const versions = ['v1', 'v1beta1'] as const;
export type ReviewVersion = (typeof versions)[number];

/** The first version of a webhook's list that we speak. Throws when there is none. */
export function reviewVersion(accepted: readonly string[] = []): ReviewVersion {
  const found = accepted.find((v): v is ReviewVersion => (versions as readonly string[]).includes(v));
  if (!found)
    throw new Error(
      'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)',
    );
  return found;
}

export interface Reviewed {
  readonly uid: string;
  readonly attributes: AdmissionAttributes;
  readonly match: Match;
  /** The forms in which the request was made. */
  readonly requested: Match;
  /** In the version of the match. */
  readonly object: object | undefined;
  readonly old: object | undefined;
  /** Empty as long as it is to be generated. */
  readonly name: string;
}

export function reviewOf(version: ReviewVersion, reviewed: Reviewed): object {
  return {
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${version}`,
    request: requestOf(reviewed),
  };
}

/** The request as webhooks and expressions see it. */
export function requestOf({ uid, attributes: a, match, requested, object, old, name }: Reviewed): AdmissionRequest {
  const { user } = a;
  const isNamespace = a.resource.group === '' && a.resource.resource === 'namespaces';
  const namespace = isNamespace ? a.name : a.namespace;
  return {
    uid,
    kind: match.kind,
    resource: resourceOf(match),
    ...(a.subresource ? { subResource: a.subresource } : {}),
    requestKind: requested.kind,
    requestResource: resourceOf(requested),
    ...(a.subresource ? { requestSubResource: a.subresource } : {}),
    ...(name ? { name } : {}),
    ...(namespace ? { namespace } : {}),
    operation: a.operation,
    userInfo: {
      username: user.name,
      ...(user.uid ? { uid: user.uid } : {}),
      ...(user.groups.length ? { groups: user.groups } : {}),
      ...(user.extra ? { extra: user.extra } : {}),
    },
    object: object ?? null,
    oldObject: old ?? null,
    dryRun: a.dryRun,
    options: optionsOf(a),
  };
}

const resourceOf = ({ resource: r }: Match) => ({ group: r.group, version: r.version, resource: r.resource });

const optionsKinds = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' } as const;

function optionsOf({ operation, options, dryRun }: AdmissionAttributes): object | null {
  if (operation === 'CONNECT') return null;
  return {
    ...options,
    kind: optionsKinds[operation],
    apiVersion: 'meta.k8s.io/v1',
    ...(dryRun ? { dryRun: ['All'] } : {}),
  };
}

export interface Verdict {
  readonly allowed: boolean;
  /** A JSON patch, still encoded; undefined when there is nothing to change. */
  readonly patch: string | undefined;
  readonly patchType: string;
  readonly result: Status | undefined;
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
}

/** What a webhook answered, as JSON. Throws for what cannot be read as a review of this version. */
export function readReview(version: ReviewVersion, answer: unknown): AdmissionReview {
  const given = answer ?? {};
  const wrong = isPlain(given) ? unreadableKind(given) : noTypeMeta(given);
  if (wrong) throw new Error(wrong);
  const { kind, apiVersion } = given as { kind?: string | null; apiVersion?: string | null };
  const said = { kind: kind || 'AdmissionReview', apiVersion: apiVersion || `admission.k8s.io/${version}` };
  const known = said.kind === 'AdmissionReview' && versions.find(v => said.apiVersion === `admission.k8s.io/${v}`);
  const other = known || (said.kind === 'Status' && said.apiVersion === 'v1' ? 'v1' : undefined);
  if (!other) throw new Error(notRegistered(said.kind, said.apiVersion));
  if (known !== version)
    throw new Error(`converting (${other}.${said.kind}) to (${version}.AdmissionReview): unknown conversion`);
  try {
    return normalize('io.k8s.api.admission.v1.AdmissionReview', given) as unknown as AdmissionReview;
  } catch (error) {
    throw new Error(messageOf(error).replace(/^.* cannot be handled as a AdmissionReview: /, ''), { cause: error });
  }
}

/** Throws for an answer that is none. */
export function verdictOf(version: ReviewVersion, uid: string, mutating: boolean, review: AdmissionReview): Verdict {
  const { response } = review;
  if (!response) throw new Error('webhook response was absent');
  if (version === 'v1') checkAnswer(review, response, uid, mutating);
  const patch = mutating && response.patch ? response.patch : undefined;
  return {
    allowed: response.allowed ?? false,
    patch,
    // The older version knows one kind of patch only.
    patchType: version === 'v1' ? (response.patchType ?? '') : 'JSONPatch',
    result: response.status ?? undefined,
    warnings: response.warnings ?? [],
    auditAnnotations: response.auditAnnotations ?? {},
  };
}

function checkAnswer(
  { kind = '', apiVersion = '' }: { kind?: string; apiVersion?: string },
  response: AdmissionResponse,
  uid: string,
  mutating: boolean,
): void {
  if (response.uid !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
  if (kind !== 'AdmissionReview' || apiVersion !== apiVersionOf({ group: 'admission.k8s.io', version: 'v1' }))
    throw new Error(
      `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`,
    );
  const { patch, patchType } = response;
  const typed = patchType !== undefined && patchType !== null;
  if (!mutating) {
    if (patch) throw new Error('validating webhook may not return response.patch');
    if (typed) throw new Error('validating webhook may not return response.patchType');
    return;
  }
  if (patch && !typed) throw new Error('webhook returned response.patch but not response.patchType');
  if (!patch && typed) throw new Error('webhook returned response.patchType but not response.patch');
  if (patchType === '') throw new Error('webhook returned invalid response.patchType of ""');
}

/** The operations of an answer's patch. Throws for what is no JSON patch. */
export function operationsOf(patch: string): readonly object[] {
  const text = Buffer.from(patch, 'base64');
  const fault = jsonFault(text);
  if (fault) throw new Error(fault);
  const operations = parseExactJson(text.toString()) ?? [];
  const wrongType = (value: unknown, type: string) =>
    new Error(`json: cannot unmarshal ${jsonKind(value)} into Go value of type jsonpatch.${type}`);
  if (!Array.isArray(operations)) throw wrongType(operations, 'Patch');
  for (const operation of operations) if (!isPlain(operation)) throw wrongType(operation, 'Operation');
  return operations as readonly object[];
}

/** The Status a client sees when a webhook says no. */
export function denial(webhook: string, result: Status | undefined): Status & { readonly code: number } {
  const by = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const said = result?.message || result?.reason;
  return {
    ...result,
    kind: 'Status',
    apiVersion: 'v1',
    metadata: result?.metadata ?? {},
    status: result?.status && result.status !== 'Success' ? result.status : 'Failure',
    message: said ? `${by}: ${said}` : `${by} without explanation`,
    code: Math.max(result?.code ?? 0, 400),
  };
}
