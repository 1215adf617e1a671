// Conversion between versions of a custom kind by a webhook: ConversionReview of apiextensions.k8s.io/v1.
import type { KubeObject } from '../../api/meta.ts';
import { equalJson, isPlain, type Plain, textOf } from '../../api/patch/plain.ts';
import { StatusError } from '../../api/status.ts';
import type { CustomResourceDefinition, WebhookClientConfig } from '../../api/type/apiextensions-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { type Random, randomUuid } from '../../base/random.ts';
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
  const due = objects.filter(o => o.apiVersion !== apiVersion);
  if (!due.length) return [...objects];
  const made = await measured(hook, due, apiVersion);
  let next = 0;
  return objects.map(o => (o.apiVersion === apiVersion ? o : made[next++]!));
};

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
  if (result?.status !== 'Success') throw fail(`failed: ${result?.message || 'unknown reason'}`);
  if (convertedObjects.length !== objects.length)
    throw fail(`returned ${convertedObjects.length} objects, expected ${objects.length}`);
  return convertedObjects.map((converted, i) => {
    const why = faultIn(converted, objects[i]!, apiVersion);
    if (why) throw fail(`returned invalid converted object at index ${i}: ${why}`);
    const wrong = faultInMetadata(converted as KubeObject, objects[i]!);
    if (wrong) throw fail(`returned invalid metadata in object at index ${i}: ${wrong}`);
    return withMetadataOf(converted as KubeObject, objects[i]!);
  });
}

interface Response {
  readonly convertedObjects?: readonly unknown[];
  readonly result?: { readonly status?: string; readonly message?: string };
}

function readResponse(answer: unknown, uid: string, version: string, fail: (why: string) => Error): Response {
  if (!isPlain(answer) || answer.kind !== 'ConversionReview' || answer.apiVersion !== version)
    throw fail(
      `expected webhook response of ${version}, Kind=ConversionReview, got ${isPlain(answer) ? `${textOf(answer.apiVersion)}, Kind=${textOf(answer.kind)}` : typeof answer}`,
    );
  const { response } = answer as { response?: Plain };
  if (!response) throw fail('no response provided');
  if (response.uid !== uid)
    throw fail(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
  return response as Response;
}

function faultIn(converted: unknown, original: KubeObject, apiVersion: string): string | undefined {
  if (!isPlain(converted)) return 'no object';
  if (converted.apiVersion !== apiVersion)
    return `invalid groupVersion (expected ${apiVersion}, received ${textOf(converted.apiVersion)})`;
  if (converted.kind !== original.kind)
    return `invalid kind (expected ${original.kind}, received ${textOf(converted.kind)})`;
  if (!isPlain(converted.metadata)) return 'no metadata';
  return undefined;
}

// Which object it is, a conversion cannot change.
function faultInMetadata(converted: KubeObject, original: KubeObject): string | undefined {
  for (const field of ['name', 'namespace', 'uid', 'resourceVersion'] as const) {
    const [was, is] = [original.metadata[field] ?? '', converted.metadata[field] ?? ''];
    if (field === 'resourceVersion' || was === is) continue;
    return `metadata.${field}: Invalid value: ${JSON.stringify(is)}: field is immutable`;
  }
  return undefined;
}

/** Labels and annotations are the webhook's to change, the rest of metadata stays. */
function withMetadataOf(converted: KubeObject, original: KubeObject): KubeObject {
  const { labels, annotations } = converted.metadata;
  const { labels: _, annotations: __, ...rest } = original.metadata;
  const metadata = { ...rest, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
  if (equalJson(metadata, converted.metadata)) return converted;
  return { ...converted, metadata } as KubeObject;
}
