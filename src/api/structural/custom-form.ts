// What a kind made from a CustomResourceDefinition does where a built-in kind has its generated type.

import type { KubeObject, Mutable } from '../meta.ts';
import type { Shape } from '../shape.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceSubresourceScale,
  JSONSchemaProps,
} from '../type/apiextensions-v1.ts';

/** A version of a custom kind as owners of fields see it. */
export interface CustomVersion {
  readonly shape: Shape;
  /** Undefined where a webhook has to be asked. */
  convertNow(object: KubeObject): KubeObject | undefined;
  /** Rejects with a StatusError when a webhook fails. */
  convert(object: KubeObject): Promise<KubeObject>;
}

/** One served version of a custom kind. A new one is made whenever its definition changes. */
export interface CustomForm {
  readonly shape: Shape;
  /** The schema as the definition states it. */
  readonly schema: JSONSchemaProps;
  readonly listKind: string;
  /** Told with every answer; '' when the version is not deprecated. */
  readonly deprecation: string;
  /** Empty: name and age. */
  readonly columns: readonly CustomResourceColumnDefinition[];
  readonly scale: CustomResourceSubresourceScale | undefined;
  /** Its definition is going: nothing new is taken. */
  closed: boolean;
  /** Ends the watches of this version: called when its definition changes or goes. */
  readonly watches: Set<() => void>;
  /**
   * A private copy with keys in order: metadata coerced, pruned, defaulted. `unknown` gets the paths of dropped fields.
   * Throws a StatusError (400) when metadata has fields of a wrong type. What was `applied` keeps its nulls, and may have
   * any time in metadata.
   */
  decode(value: Readonly<Record<string, unknown>>, unknown?: string[], applied?: boolean): Mutable<KubeObject>;
  /** An object under construction as it is to be stored: keys in order wherever others put theirs. */
  canonical(object: Mutable<KubeObject>): Mutable<KubeObject>;
  /** Converts stored objects by webhook where that is needed, so that `show` can answer. Undefined: nothing to do. */
  prepare(objects: readonly KubeObject[]): Promise<void> | undefined;
  /**
   * The stored object as this version shows it: converted, pruned, defaulted. Made once for each object. Where a webhook
   * has to convert and was not asked (`prepare`), the object as it is.
   */
  show(object: KubeObject): KubeObject;
  /** A version of the kind, served or not; undefined when there is none of that name. */
  version(apiVersion: string): CustomVersion | undefined;
  /** An object of this version in the version that is stored. */
  store(object: Mutable<KubeObject>): Mutable<KubeObject> | Promise<Mutable<KubeObject>>;
}
