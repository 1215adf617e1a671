// Takes the steps of histories on any server; what came of them, as testdata/apply-histories.jsonl holds it of
// apiextensions-apiserver v0.36.2 (test/interop/record-histories.ts asks again).
import { readFileSync } from 'node:fs';
import { widgets } from './custom/test-definition.ts';
import { applyPatch, type Caller, type Json, jsonPatch, mergePatch } from './test-caller.ts';
import { metadataFields, specFields, statusFields } from './test-histories.ts';
import type { History, Step } from './test-step.ts';
import type { World } from './test-worlds.ts';

function merged(value: Json, patch: Json): Json {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const out: Json = typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  for (const [key, part] of Object.entries(patch)) {
    if (part === null) delete out[key];
    else out[key] = merged(out[key], part);
  }
  return out;
}

/** Sends a step; the answer as it is recorded, with its times as `stepOf` names them. */
async function take(
  { api, group }: { readonly api: Caller; readonly group: string },
  name: string,
  one: Step,
  stepOf: (time: string) => number,
): Promise<Json> {
  const { how, by, version, at, force, dry } = one;
  const many = widgets(group, version);
  const query = `?fieldManager=${by}${force ? '&force=true' : ''}${dry ? '&dryRun=All' : ''}`;
  const url = `${many}/${name}${at ? `/${at}` : ''}`;
  const named = (body: Json) => ({
    apiVersion: `${group}/${version}`,
    kind: 'Widget',
    ...body,
    metadata: { ...body.metadata, name },
  });
  const read = () => api.send('GET', url);
  const send = async () => {
    if (how === 'delete') return api.send('DELETE', `${url}${dry ? '?dryRun=All' : ''}`);
    if (how === 'create') return api.send('POST', `${many}${query}`, named(one.body));
    if (how === 'apply') return api.send('PATCH', `${url}${query}`, named(one.body), applyPatch);
    if (how === 'merge') return api.send('PATCH', `${url}${query}`, one.body, mergePatch);
    if (how === 'json') return api.send('PATCH', `${url}${query}`, one.body, jsonPatch);
    const current = await read();
    if (current.code !== 200) return current;
    const { resourceVersion, uid } = current.object.metadata;
    const put = named(how === 'put' ? one.body : merged(current.object, one.body));
    put.metadata = { ...put.metadata, resourceVersion, uid };
    return api.send('PUT', `${url}${query}`, put);
  };
  const answer = shown(await send(), name, stepOf);
  // Whose the replicas are only the object itself tells.
  return at === 'scale' && answer.code < 400
    ? { code: answer.code, scale: answer, ...shown(await api.send('GET', `${many}/${name}`), name, stepOf) }
    : answer;
}

function shown({ code, object }: { code: number; object: Json }, name: string, stepOf: (time: string) => number): Json {
  const plain = (value: Json): Json => JSON.parse(JSON.stringify(value ?? null).replaceAll(name, 'NAME'));
  if (code >= 400) {
    // Of several managers in the order of a Go map.
    const causes = object.details?.causes?.map((cause: Json) => JSON.stringify(cause)).sort();
    return plain({ code, message: object.message, causes });
  }
  if (object.kind === 'Status') return { code };
  const {
    uid: _,
    resourceVersion: __,
    creationTimestamp: ___,
    managedFields,
    deletionTimestamp,
    ...metadata
  } = object.metadata;
  const entries = managedFields?.map(({ fieldsType: _, ...e }: Json) =>
    e.time === undefined ? e : { ...e, time: stepOf(e.time) },
  );
  return plain({
    code,
    ...object,
    apiVersion: undefined,
    kind: undefined,
    metadata: { ...metadata, ...(deletionTimestamp ? { deletionTimestamp: true } : {}), managedFields: entries },
  });
}

export const testdata = (world: World) =>
  new URL(`testdata/apply-histories${world.name === 'one' ? '' : `-${world.name}`}.jsonl`, import.meta.url);

export interface Recorded {
  readonly seed: number;
  /** To each step. */
  readonly answers: readonly Json[];
}

export const recordedIn = (lines: string): Recorded[] =>
  lines
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Recorded);

export const recorded = (world: World): Recorded[] => recordedIn(readFileSync(testdata(world), 'utf8'));

/** Takes the histories' first steps, then all their second ones, …; `tick` gives a time of a second of its own to each round. */
export async function play(
  api: Caller,
  { group }: World,
  histories: readonly History[],
  tick: () => Promise<number>,
): Promise<readonly (readonly Json[])[]> {
  const answers: Json[][] = histories.map(() => []);
  const starts: number[] = [];
  const stepOf = (time: string) => starts.findLastIndex(start => start <= Date.parse(time));
  for (let step = 0; histories.some(({ steps }) => steps.length > step); step++) {
    starts.push(await tick());
    const due = [...histories.entries()].filter(([, { steps }]) => steps.length > step);
    const worker = async () => {
      for (let next = due.shift(); next; next = due.shift()) {
        const [at, { seed, steps }] = next;
        answers[at]!.push(await take({ api, group }, `w${seed}`, steps[step]!, stepOf));
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  }
  return answers;
}

/** How often each of what histories are to reach is reached. */
export function countsOf(histories: readonly History[], answers: readonly (readonly Json[])[]): Map<string, number> {
  const hows = ['create', 'put', 'edit', 'merge', 'json', 'apply', 'delete'];
  const told = [...hows, 'put/status', 'edit/status', 'merge/status', 'apply/status', 'put/scale', 'merge/scale'];
  const fields = [...Object.keys(specFields), ...Object.keys(metadataFields), ...Object.keys(statusFields)];
  const counts = new Map(
    [
      ...told,
      ...fields,
      'forced',
      'dry run',
      'conflict',
      'two managers in conflict',
      'made again',
      'reset',
      'unchanged',
    ].map(what => [what, 0]),
  );
  const add = (what: string, really: unknown = true) => really && counts.set(what, (counts.get(what) ?? 0) + 1);
  for (const [at, { steps }] of histories.entries()) {
    let deleted = false;
    for (const [i, { how, at: where, force, dry, body }] of steps.entries()) {
      const { code, causes = [], metadata } = answers[at]![i];
      if (code >= 400 && code !== 409) continue;
      add(where ? `${how}/${where}` : how);
      add('forced', force);
      add('dry run', dry);
      add('conflict', how === 'apply' && code === 409);
      add(
        'two managers in conflict',
        how === 'apply' && new Set(causes.map((c: string) => JSON.parse(c).message)).size > 1,
      );
      add('made again', deleted && code === 201);
      deleted = deleted ? code !== 201 : how === 'delete' && code === 200 && !dry && !metadata?.deletionTimestamp;
      add('reset', JSON.stringify(body?.metadata?.managedFields) === '[{}]');
      add(
        'unchanged',
        metadata?.managedFields?.some((e: Json) => e.operation === 'Apply' && e.time === undefined),
      );
      for (const field of fields) for (const part of ['spec', 'metadata', 'status']) add(field, body?.[part]?.[field]);
    }
  }
  return counts;
}
