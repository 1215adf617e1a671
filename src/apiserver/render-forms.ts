// Tables, PartialObjectMetadata and YAML: forms other than the object's own JSON.

import { convert, storedVersion } from '../api/convert.ts';
import type { KubeObject } from '../api/meta.ts';
import { normalize } from '../api/normalize.ts';
import { apiVersionOf } from '../api/ref.ts';
import { builtinResources } from '../api/resource.ts';
import { lineOf } from '../base/bytes.ts';
import { jsonText } from '../base/json-text.ts';
import { parseExactJson } from '../base/whole-number.ts';
import { yamlText } from '../base/yaml-text.ts';
import { spending } from './observe/trace.ts';
import type { ListResult } from './registry/listing.ts';
import type { Stored } from './registry/stored.ts';
import {
  bookmarkOf,
  eventFrame,
  jsonRenderer,
  listHead,
  listMetadata,
  type Renderer,
  type RenderOptions,
} from './render.ts';
import type { Printer } from './table/printer.ts';

const comma = Buffer.from(',');
const end = Buffer.from(']}\n');
const nothing = Buffer.from('null}\n');

/** `meta.k8s.io` forms of a resource's JSON objects. */
export function formRenderer(
  options: RenderOptions,
  printerOf: (options: RenderOptions) => Printer,
): Renderer | undefined {
  const { accepted } = options;
  if (accepted.mediaType === 'application/vnd.kubernetes.protobuf') return undefined;
  const renderer =
    accepted.as === 'Table'
      ? tableRenderer(options, printerOf(options))
      : accepted.as
        ? partialRenderer(options)
        : jsonRenderer(options.resource);
  return accepted.mediaType === 'application/yaml' ? asYaml(renderer) : renderer;
}

function partialOf(object: KubeObject, version: string): object {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: orderedMetadata(object) };
}

const ordered = new WeakMap<KubeObject, unknown>();

/** Custom resources have their fields in the order of the alphabet, what is said in `meta.k8s.io` in that of the type. */
function orderedMetadata(object: KubeObject): unknown {
  if (builtinResources().typeNameOf(object.apiVersion ?? '', object.kind ?? '')) return object.metadata;
  const made = ordered.get(object) ?? normalize(metadataType, object.metadata);
  ordered.set(object, made);
  return made;
}

const metadataType = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

const bytes = (value: unknown): Buffer => Buffer.from(jsonText(value));
const line = (value: unknown): Buffer => lineOf(jsonText(value));

function partialRenderer({ resource, accepted }: RenderOptions): Renderer {
  const version = accepted.asVersion;
  const base = jsonRenderer(resource);
  return {
    ...base,
    parts: undefined,
    object: stored => line(partialOf(stored.object, version)),
    *list(result) {
      const head = listHead('PartialObjectMetadataList', `meta.k8s.io/${version}`, result);
      // A list that nothing was put into is none in Go.
      if (result.items.length === 0) return yield Buffer.concat([head.subarray(0, -1), nothing]);
      yield head;
      let first = true;
      for (const { object } of result.items) {
        if (!first) yield comma;
        first = false;
        yield bytes(partialOf(object, version));
      }
      yield end;
    },
    frame: (type, stored) => eventFrame(type, partialOf(stored.object, version)),
    initial: stored => [eventFrame('ADDED', partialOf(stored.object, version))],
    bookmark: (revision, initial) =>
      eventFrame(
        'BOOKMARK',
        bookmarkOf({ kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}` }, revision, initial),
      ),
  };
}

function tableRenderer({ resource, accepted, includeObject, now }: RenderOptions, printer: Printer): Renderer {
  const version = accepted.asVersion;
  const definitions = jsonText(printer.columns);
  const asStored = storedVersion(resource);
  const row = ({ object }: Stored) => ({
    cells: printer.cells(asStored ? convert(object, asStored) : object, now()),
    ...(printer.conditions?.(object) ? { conditions: printer.conditions(object) } : {}),
    object:
      includeObject === 'None'
        ? null
        : includeObject === 'Object'
          ? convert(object, apiVersionOf(resource))
          : partialOf(object, version),
  });
  const table = (metadata: unknown, rows: readonly unknown[], withColumns: boolean) =>
    `{"kind":"Table","apiVersion":"meta.k8s.io/${version}","metadata":${JSON.stringify(metadata)},"columnDefinitions":${withColumns ? definitions : 'null'},"rows":${jsonText(rows)}}`;
  const one = (stored: Stored, withColumns = true) =>
    table({ resourceVersion: stored.object.metadata.resourceVersion }, [row(stored)], withColumns);
  // Only the first table of a watch carries the columns.
  let told = false;
  const frame = (type: string, stored: Stored) => {
    const text = `{"type":"${type}","object":${one(stored, !told)}}\n`;
    told = true;
    return Buffer.from(text);
  };
  return {
    ...jsonRenderer(resource),
    parts: undefined,
    object: stored => lineOf(spending('TransformObject', () => one(stored))),
    *list(result: ListResult) {
      yield Buffer.from(
        `{"kind":"Table","apiVersion":"meta.k8s.io/${version}","metadata":${JSON.stringify(listMetadata(result))},"columnDefinitions":${definitions},"rows":[`,
      );
      let first = true;
      const { compare } = printer;
      const items = compare ? result.items.toSorted((a, b) => compare(a.object, b.object)) : result.items;
      for (const item of items) {
        if (!first) yield comma;
        first = false;
        yield bytes(spending('TransformObject', () => row(item)));
      }
      yield end;
    },
    frame,
    initial: stored => [frame('ADDED', stored)],
    bookmark: revision =>
      Buffer.from(`{"type":"BOOKMARK","object":${table({ resourceVersion: String(revision) }, [], false)}}\n`),
  };
}

function asYaml(renderer: Renderer): Renderer {
  const yaml = (json: Uint8Array) => Buffer.from(yamlText(parseExactJson(Buffer.from(json).toString())));
  return {
    ...renderer,
    parts: undefined,
    contentType: 'application/yaml',
    object: stored => yaml(renderer.object(stored)),
    *list(result) {
      yield yaml(Buffer.concat([...renderer.list(result)]));
    },
  };
}
