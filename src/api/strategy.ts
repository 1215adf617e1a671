import type { WholeNumber } from '../base/whole-number.ts';
import type { FieldErrors } from './field-error.ts';
import type { KubeObject, Mutable } from './meta.ts';

/** What a rule may need to know of the request. */
export interface RuleContext {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Subresource written: '' for the object itself, 'status', 'scale', 'ephemeralcontainers', 'resize', 'binding'. */
  readonly subresource: string;
  readonly featureEnabled: (gate: string) => boolean;
  /** What an update started from; for the functions that validate. */
  readonly old?: KubeObject;
  /** Who asks; on create. For kinds that note it (CertificateSigningRequest). */
  readonly user?: {
    readonly name: string;
    readonly uid?: string;
    readonly groups: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
}

export type NameRule = 'dnsSubdomain' | 'dnsLabel' | 'dns1035Label' | 'pathSegment' | 'any';

/**
 * What schemas cannot state about one kind, written by hand beside it. All functions are pure; those that take a
 * Mutable object change it in place: it is a private copy. Order on a write: decode, `default`, admission,
 * `prepareForCreate|Update` (drops what the writer may not set), `validate`, `validateUpdate`.
 */
export interface Strategy<T extends KubeObject = KubeObject> {
  readonly nameRule?: NameRule;
  /** What else is wrong with a name, or with what one is to begin with, that `nameRule` allows. */
  nameComplaints?(name: string, object: T): readonly string[];
  /** Defaults beyond those in the schema. Called for create, update and patch, after decoding; idempotent. */
  default?(object: Mutable<T>): void;
  /** Clears status and other fields a creator may not set, sets initial values. Generation is the registry's. */
  prepareForCreate?(object: Mutable<T>, context: RuleContext): void;
  /**
   * Restores what this writer may not change. The registry has by then taken care of metadata, of `status` on a main
   * update and of everything but `status` on a status update.
   */
  prepareForUpdate?(object: Mutable<T>, old: T, context: RuleContext): void;
  validate?(object: T, errors: FieldErrors, context: RuleContext): void;
  /** Called besides `validate` (which is called for main and status updates as well unless `context.subresource` says otherwise). */
  validateUpdate?(object: T, old: T, errors: FieldErrors, context: RuleContext): void;
  /** For Warning headers; `old` is absent on create. */
  warnings?(object: T, old: T | undefined, context: RuleContext): string[];
  /** PUT to a name that does not exist creates it. */
  readonly allowCreateOnUpdate?: boolean;
  /** PUT without resourceVersion is taken as last-write-wins. Default true. */
  readonly allowUnconditionalUpdate?: boolean;
  /** Does `generation` count changes of this kind? Default: it has a spec and a generation (see the table). */
  readonly hasGeneration?: boolean;
  /** What a status update leaves of metadata as it was, of a kind where that is not free to change; custom resources: all. */
  readonly statusKeeps?: 'labels' | 'metadata';
  /** Seconds to grant when the delete request names none; undefined: this kind is deleted at once. */
  gracePeriodSeconds?(object: T, requested: WholeNumber | undefined): WholeNumber | undefined;
  /** More than metadata.finalizers keeps a deleted object (a namespace's spec.finalizers). */
  holdsDeletion?(object: T): boolean;
  /** Further changes when an object is marked as being deleted (a namespace's phase). */
  markDeleted?(object: Mutable<T>): void;
  /** Default propagation when a delete request names none: 'background' unless stated. */
  readonly defaultPropagation?: 'orphan' | 'background';
}
