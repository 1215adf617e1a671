// What is asked of a delete: in its body, or else in its query.
import { normalize } from '../api/decode.ts';
import { textOf } from '../api/patch/plain.ts';
import { badRequest, invalid, StatusError } from '../api/status.ts';
import { asWritten, decodeYamlOrJson, noTypeMeta } from './body-format.ts';
import { notRegistered, unreadableKind } from './body-kind.ts';
import { dryRunFaults } from './options.ts';
import { queryInteger } from './query-value.ts';
import type { DeleteRequest } from './registry/delete.ts';
import { isTrue } from './request-info.ts';

const typeName = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

type Options = Record<string, unknown>;

/** From the body when there is one, and then nothing in the query counts. Throws 400 and 415. */
export function deleteOptions(body: Uint8Array, contentType: string | undefined, query: URLSearchParams): Options {
  if (body.length === 0) return queryOptions(query);
  const { value } = decodeOptions(body, contentType);
  // Nothing at all reads as options that are all left out.
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw badRequest(noTypeMeta(value));
  checkKind(value as Options);
  try {
    return normalize(typeName, value) as unknown as Options;
  } catch (error) {
    throw error instanceof StatusError ? badRequest(spoken(error.message)) : error;
  }
}

// Go decodes these by themselves, and knows the type of a uid by name.
const spoken = (message: string): string =>
  message
    .replace(/^.* cannot be handled as a \w+: /, '')
    .replace('Preconditions.preconditions.uid of type string', 'Preconditions.preconditions.uid of type types.UID');

const yamlPrefix = /^error decoding YAML: error converting YAML to JSON: /;

function decodeOptions(body: Uint8Array, contentType: string | undefined) {
  try {
    return decodeYamlOrJson(body, contentType, { typeName, ...asWritten });
  } catch (error) {
    if (error instanceof StatusError && yamlPrefix.test(error.message))
      throw badRequest(error.message.replace(yamlPrefix, ''));
    throw error;
  }
}

const metaKinds = new Set([
  ...['CreateOptions', 'GetOptions', 'ListOptions', 'PatchOptions', 'UpdateOptions', 'WatchEvent', 'Status'],
  ...['APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions', 'Table', 'PartialObjectMetadata'],
]);

/** Of which group and version options say to be is all one. */
function checkKind({ kind, apiVersion }: Options): void {
  const unreadable = unreadableKind({ kind, apiVersion });
  if (unreadable) throw badRequest(unreadable);
  if (!kind || kind === 'DeleteOptions') return;
  if (metaKinds.has(String(kind)))
    throw badRequest(`converting (v1.${kind}) to (v1.DeleteOptions): unknown conversion`);
  throw badRequest(notRegistered(String(kind), textOf(apiVersion) || 'meta.k8s.io/v1'));
}

function queryOptions(query: URLSearchParams): Options {
  const options: Options = {};
  const grace = queryInteger('gracePeriodSeconds', query);
  if (grace !== undefined) options.gracePeriodSeconds = grace;
  const preconditions: Options = {};
  for (const name of ['uid', 'resourceVersion']) if (query.has(name)) preconditions[name] = query.get(name)!;
  if (Object.keys(preconditions).length) options.preconditions = preconditions;
  if (query.has('orphanDependents')) options.orphanDependents = isTrue(query.get('orphanDependents'));
  if (query.has('propagationPolicy')) options.propagationPolicy = query.get('propagationPolicy')!.toWellFormed();
  if (query.has('dryRun')) options.dryRun = query.getAll('dryRun').map(text => text.toWellFormed());
  return options;
}

/** Throws 422 for options that contradict each other. */
export function deleteRequest(options: Options): DeleteRequest & { dryRun: boolean } {
  const { gracePeriodSeconds: grace, orphanDependents, preconditions, propagationPolicy: policy } = options;
  const isGiven = (value: unknown) => value !== undefined && value !== null;
  const causes: { reason: string; message: string; field: string }[] = [];
  if (isGiven(policy) && isGiven(orphanDependents)) {
    causes.push({
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(policy)}: orphanDependents and deletionPropagation cannot be both set`,
      field: 'propagationPolicy',
    });
  }
  if (isGiven(policy) && !['Orphan', 'Background', 'Foreground'].includes(policy as string)) {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan", "nil"`,
      field: 'propagationPolicy',
    });
  }
  const dryRun = (options.dryRun as string[] | null | undefined) ?? [];
  causes.push(...dryRunFaults(dryRun));
  if (causes.length) throw invalid({ group: 'meta.k8s.io', resource: 'DeleteOptions' }, '', causes);
  return {
    // A negative one is the shortest there is.
    ...(isGiven(grace) ? { gracePeriodSeconds: (grace as number) < 0 ? 1 : (grace as number) } : {}),
    ...(policy ? { propagationPolicy: policy as 'Orphan' } : {}),
    ...(isGiven(orphanDependents) ? { orphanDependents: orphanDependents as boolean } : {}),
    ...(isGiven(preconditions) ? { preconditions: preconditions as DeleteRequest['preconditions'] & {} } : {}),
    dryRun: dryRun.length > 0,
  };
}
