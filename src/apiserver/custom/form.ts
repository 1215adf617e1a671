// Serves one version of a custom kind: how its objects are read, shown and stored.

import type { KubeObject, Mutable } from '../../api/meta.ts';
import { equalJson, isPlain, type Plain, setKey } from '../../api/patch/plain.ts';
import type { CustomForm, CustomVersion } from '../../api/structural/custom-form.ts';
import { applyStructuralDefaults, dropNulls, fillDefaults } from '../../api/structural/default.ts';
import { coerceEmbedded, coerceMetadata, dropUnreadable, repairEmbedded } from '../../api/structural/embedded.ts';
import { prune } from '../../api/structural/prune.ts';
import { shapeOfStructural } from '../../api/structural/shape.ts';
import { compileStructural, preserveAll, type Structural } from '../../api/structural/structural.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../api/type/apiextensions-v1.ts';
import { append } from '../../base/append.ts';
import type { Converter } from './conversion.ts';
import { sorted, sortedCopy } from './key-order.ts';

export interface FormOptions {
  readonly definition: CustomResourceDefinition;
  readonly version: CustomResourceDefinitionVersion;
  readonly converter: Converter;
}

/** The schema a version is served by: what is not structural only preserves. */
export function schemaOfVersion(version: CustomResourceDefinitionVersion): Structural {
  return compileStructural(version.schema?.openAPIV3Schema ?? preserveAll);
}

export interface ServedForm extends CustomForm {
  readonly structural: Structural;
  /** Prunes and defaults in place, once more: what admission put in. */
  settle(object: Mutable<KubeObject>): void;
}

export function createForm({ definition, version, converter }: FormOptions): ServedForm {
  const { spec } = definition;
  const apiVersion = `${spec.group}/${version.name}`;
  const storageVersion = `${spec.group}/${spec.versions.find(v => v.storage)?.name ?? version.name}`;
  const schema = version.schema?.openAPIV3Schema ?? preserveAll;
  // Made when first needed: most kinds of a large cluster see few requests.
  const structural = once(() => schemaOfVersion(version));
  const shapeIn = (v: CustomResourceDefinitionVersion, schema: Structural) =>
    shapeOfStructural(schema, !v.subresources?.status);
  const shape = once(() => shapeIn(version, structural()));
  const versions = new Map<string, CustomVersion>();
  const shown = new WeakMap<KubeObject, KubeObject>();

  function decode(value: Readonly<Plain>, unknown?: string[], applied = false): Mutable<KubeObject> {
    const object = sortedCopy(value) as Plain;
    if (applied && isPlain(object.metadata)) dropUnreadable(object.metadata);
    const metadata = coerceMetadata(object.metadata, 'metadata', unknown);
    // One that is applied is a change, though nobody keeps it.
    const isEmptied = (field: string) => applied && isEmptyList((object.metadata as Plain | undefined)?.[field]);
    for (const field of ['finalizers', 'ownerReferences']) if (isEmptied(field)) metadata[field] = [];
    object.metadata = metadata;
    settle(object, unknown);
    if (!applied) dropNulls(structural(), object);
    return sorted(object) as unknown as Mutable<KubeObject>;
  }

  function settle(object: Plain, unknown?: string[]): void {
    const found: string[] = [];
    prune(structural(), object, unknown && found);
    if (unknown) append(unknown, found.sort());
    coerceEmbedded(structural(), object, '', unknown);
    fillDefaults(structural(), object);
  }

  function showNow(converted: KubeObject): KubeObject {
    const object = sortedCopy(converted) as Plain;
    prune(structural(), object);
    repairEmbedded(structural(), object);
    applyStructuralDefaults(structural(), object);
    return equalJson(object, converted) ? converted : (sorted(object) as unknown as KubeObject);
  }

  return {
    get structural() {
      return structural();
    },
    schema,
    get shape() {
      return shape();
    },
    listKind: spec.names.listKind || `${spec.names.kind}List`,
    deprecation: version.deprecated
      ? version.deprecationWarning || `${apiVersion} ${spec.names.kind} is deprecated`
      : '',
    columns: version.additionalPrinterColumns ?? [],
    scale: version.subresources?.scale,
    closed: false,
    watches: new Set(),
    decode,
    settle: object => settle(object as unknown as Plain),
    canonical(draft) {
      const object = sorted(draft as unknown as Plain);
      const metadata = sorted(object.metadata as Plain);
      if (!metadata.resourceVersion) setKey(metadata, 'resourceVersion', '');
      for (const key of Object.keys(metadata)) if (isEmptyList(metadata[key])) delete metadata[key];
      object.metadata = sorted(metadata);
      return object as unknown as Mutable<KubeObject>;
    },
    prepare(objects) {
      const due = objects.filter(o => !shown.has(o) && !converter.isSync(o, apiVersion));
      if (!due.length) return undefined;
      return converter.convert(due, apiVersion).then(converted => {
        // A webhook puts fields in an order of its own.
        for (const [i, object] of due.entries()) shown.set(object, showNow(sortedCopy(converted[i]!) as KubeObject));
      });
    },
    show(object) {
      let made = shown.get(object);
      if (!made) {
        if (!converter.isSync(object, apiVersion)) return object;
        made = showNow(converter.convertSync(object, apiVersion));
        shown.set(object, made);
      }
      return made;
    },
    version(name) {
      const found = versions.get(name);
      if (found) return found;
      const other = spec.versions.find(v => `${spec.group}/${v.name}` === name);
      if (!other) return undefined;
      const otherShape = once(() => (other === version ? shape() : shapeIn(other, schemaOfVersion(other))));
      const made: CustomVersion = {
        get shape() {
          return otherShape();
        },
        convertNow: object => (converter.isSync(object, name) ? converter.convertSync(object, name) : undefined),
        convert: object => converter.convert([object], name).then(([converted]) => converted!),
      };
      versions.set(name, made);
      return made;
    },
    store(object) {
      if (apiVersion === storageVersion) return object;
      const plain = object as KubeObject;
      if (converter.isSync(plain, storageVersion))
        return converter.convertSync(plain, storageVersion) as Mutable<KubeObject>;
      return converter.convert([plain], storageVersion).then(([made]) => sortedCopy(made) as Mutable<KubeObject>);
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
