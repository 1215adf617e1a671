// Conversion between versions of a custom kind by a webhook: ConversionReview of apiextensions.k8s.io/v1.
import { FieldErrors, path } from '../../api/field-error.ts';
import type { KubeObject } from '../../api/meta.ts';
import { goType } from '../../api/patch/go-text.ts';
import { equalJson, isPlain, jsonKind, type Plain, textOf } from '../../api/patch/plain.ts';
import { validateAnnotations, validateLabels } from '../../api/rule/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { CustomResourceDefinition, WebhookClientConfig } from '../../api/type/apiextensions-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { jsonText } from '../../base/json-text.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import { notRegistered } from '../body-kind.ts';
import type { Converter, WebhookConverter } from './conversion.ts';

/** Posts JSON and gives the JSON of the answer; throws when it is none. */
export type Post = (config: WebhookClientConfig, body: unknown, timeoutMs: number) => Promise<unknown>;

const timeoutMs = 30_000;
const reviewed = new Set(['v1', 'v1beta1']);

/** Told of each request: of which definition, between which versions, and what came of it. */
export type ConversionMeter = (name: string, from: string, to: string, succeeded: boolean, startMs: number) => void;

export function conversionWebhook(
  post: Post,
  random: Random,
  meter?: { now(): number; done: ConversionMeter },
): WebhookConverter {
  return definition => {
    const { webhook } = definition.spec.conversion ?? {};
    const config = webhook?.clientConfig ?? {};
    const version = webhook?.conversionReviewVersions.find(v => reviewed.has(v)) ?? 'v1';
    return (objects, apiVersion) =>
      convertAll({ definition, config, version, post, random, meter }, objects, apiVersion);
  };
}

interface Hook {
  readonly definition: CustomResourceDefinition;
  readonly config: WebhookClientConfig;
  readonly version: string;
  readonly post: Post;
  readonly random: Random;
  readonly meter: { now(): number; done: ConversionMeter } | undefined;
}

const convertAll = async (
  hook: Hook,
  objects: readonly KubeObject[],
  apiVersion: string,
): ReturnType<Converter['convert']> => {
  const due = objects.filter(o => o.apiVersion !== apiVersion && !isBare(o));
  const made = due.length ? await measured(hook, due, apiVersion) : [];
  let next = 0;
  return objects.map(o => {
    if (o.apiVersion === apiVersion) return o;
    return isBare(o) ? { ...o, apiVersion } : made[next++]!;
  });
};

/** What says no more than its kind needs nobody to convert it. */
const isBare = (object: KubeObject): boolean => Object.keys(object).length === 2;

const versionOf = (apiVersion: string | undefined) => (apiVersion ?? '').replace(/^.*\//, '');

async function measured(hook: Hook, objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]> {
  const { meter, definition } = hook;
  const startMs = meter?.now() ?? 0;
  const done = (succeeded: boolean) =>
    meter?.done(definition.metadata.name, versionOf(objects[0]!.apiVersion), versionOf(apiVersion), succeeded, startMs);
  try {
    const made = await ask(hook, objects, apiVersion);
    done(true);
    return made;
  } catch (error) {
    done(false);
    throw error;
  }
}

async function ask(hook: Hook, objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]> {
  const { kind } = hook.definition.spec.names;
  const source = `conversion webhook for ${objects[0]!.apiVersion}, Kind=${kind}`;
  const fail = (why: string, cause?: unknown) => new StatusError(500, '', `${source} ${why}`, undefined, { cause });
  const uid = randomUuid(hook.random);
  const reviewVersion = `apiextensions.k8s.io/${hook.version}`;
  const request = {
    kind: 'ConversionReview',
    apiVersion: reviewVersion,
    request: { uid, desiredAPIVersion: apiVersion, objects },
  };
  let answer: unknown;
  try {
    answer = await hook.post(hook.config, request, timeoutMs);
  } catch (error) {
    throw fail(`failed: ${messageOf(error)}`, error);
  }
  const response = readResponse(answer, uid, reviewVersion, why => fail(`failed: ${why}`));
  const { convertedObjects = [], result } = response;
  if (result?.status !== 'Success')
    throw fail(`failed: ${result?.message || `response.result.status was '${result?.status ?? ''}', not 'Success'`}`);
  if (convertedObjects.length !== objects.length)
    throw fail(`returned ${convertedObjects.length} objects, expected ${objects.length}`);
  return convertedObjects.map((converted, i) => {
    if (!isPlain(converted) || !converted.kind) throw new StatusError(500, '', noObject(converted));
    const why = faultIn(converted, objects[i]!, apiVersion);
    if (why) throw fail(`returned invalid object${why}`);
    const wrong = faultInMetadata(converted);
    if (wrong) throw fail(`returned invalid metadata: ${wrong}`);
    return withMetadataOf(converted as unknown as KubeObject, objects[i]!);
  });
}

interface Response {
  readonly convertedObjects?: readonly unknown[];
  readonly result?: { readonly status?: string; readonly message?: string };
}

function readResponse(answer: unknown, uid: string, version: string, fail: (why: string) => Error): Response {
  if (!isPlain(answer))
    throw fail(`expected webhook response of ${version}, Kind=ConversionReview, got ${typeof answer}`);
  const [apiVersion, kind] = [textOf(answer.apiVersion), textOf(answer.kind)];
  const isReview =
    apiVersion.startsWith('apiextensions.k8s.io/') &&
    reviewed.has(versionOf(apiVersion)) &&
    kind === 'ConversionReview';
  if (!isReview) throw fail(notRegistered(kind, apiVersion));
  if (apiVersion !== version)
    throw fail(
      `converting (${versionOf(apiVersion)}.ConversionReview) to (${versionOf(version)}.ConversionReview): unknown conversion`,
    );
  const { response } = answer as { response?: Plain };
  if (!response) throw fail('no response provided');
  if (response.uid !== uid)
    throw fail(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
  return response as Response;
}

function noObject(value: unknown): string {
  if (value === null) return 'unexpected end of JSON input';
  if (isPlain(value)) return `Object 'Kind' is missing in '${jsonText(value)}'`;
  return `json: cannot unmarshal ${jsonKind(value)} into Go value of type map[string]interface {}`;
}

// Which object it is, a conversion cannot change.
function faultIn(converted: Plain, original: KubeObject, apiVersion: string): string | undefined {
  if (converted.apiVersion !== apiVersion)
    return ` at index 0: invalid groupVersion (expected ${apiVersion}, received ${textOf(converted.apiVersion)})`;
  if (converted.kind !== original.kind)
    return ` at index 0: invalid kind (expected ${original.kind}, received ${textOf(converted.kind)})`;
  const metadata = isPlain(converted.metadata) ? converted.metadata : {};
  for (const [field, word] of Object.entries({ name: 'name', namespace: 'namespace', uid: 'UID' })) {
    const [was, is] = [textOf((original.metadata as unknown as Plain | undefined)?.[field]), textOf(metadata[field])];
    if (was !== is) return `: must have the same ${word}: ${was} != ${is}`;
  }
  return undefined;
}

function faultInMetadata({ metadata }: Plain): string | undefined {
  if (metadata === undefined) return 'missing metadata in converted object';
  if (!isPlain(metadata)) return `invalid metadata of type ${goType(metadata)} in converted object`;
  return (
    faultInTexts(metadata.labels, 'labels', (labels, errors) =>
      validateLabels(labels, path('metadata').child('labels'), errors),
    ) ??
    faultInTexts(metadata.annotations, 'annotations', (annotations, errors) =>
      validateAnnotations(annotations, path('metadata').child('annotation'), errors),
    )
  );
}

type Texts = Readonly<Record<string, string>>;

function faultInTexts(map: unknown, field: string, check: (map: Texts, errors: FieldErrors) => void) {
  if (map === undefined || map === null) return undefined;
  if (!isPlain(map)) return `invalid metadata.${field} of type ${goType(map)} in converted object`;
  for (const [key, value] of Object.entries(map))
    if (typeof value !== 'string')
      return `metadata.${field}[${key}] must be a string, but is ${goType(value)} in converted object`;
  const errors = new FieldErrors();
  check(map as Texts, errors);
  const told = errors.list.map(({ field, message }) => `${field}: ${message}`);
  return told.length > 1 ? `[${told.join(', ')}]` : told[0];
}

/** Labels and annotations are the webhook's to change, the rest of metadata stays. */
function withMetadataOf(converted: KubeObject, original: KubeObject): KubeObject {
  const { labels, annotations } = converted.metadata;
  const { labels: _, annotations: __, ...rest } = original.metadata;
  const metadata = { ...rest, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
  if (equalJson(metadata, converted.metadata)) return converted;
  return { ...converted, metadata } as KubeObject;
}
