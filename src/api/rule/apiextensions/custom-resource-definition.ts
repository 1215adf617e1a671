// Rules of CustomResourceDefinitions.
import { cloneDeep, type KubeObject, type Mutable } from '../../meta.ts';
import { equalJson } from '../../patch/plain.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import { unrecognizedFormats } from '../../structural/unrecognized-format.ts';
import type { CustomResourceDefinition } from '../../type/apiextensions-v1.ts';
import {
  validateAcceptedNames,
  validateDefinition,
  validateDefinitionUpdate,
  validateStoredVersions,
} from './definition-validation.ts';

type Crd = CustomResourceDefinition;

const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export const customResourceDefinitionStrategy: Strategy<Crd & KubeObject> = {
  allowUnconditionalUpdate: false,
  default(object) {
    const { names, conversion } = object.spec ?? {};
    if (names) {
      if (!names.singular && names.kind) insertName(object, 'singular', names.kind.toLowerCase());
      if (!names.listKind && names.kind) insertName(object, 'listKind', `${names.kind}List`);
    }
    if (object.spec && !conversion) object.spec.conversion = { strategy: 'None' };
    // An empty one is none.
    if (conversion?.webhook && !conversion.webhook.clientConfig && !conversion.webhook.conversionReviewVersions?.length)
      delete (conversion as Mutable<typeof conversion>).webhook;
    const service = conversion?.webhook?.clientConfig?.service;
    if (service && service.port === undefined) service.port = 443;
  },
  prepareForCreate(object) {
    object.status = { storedVersions: storageVersions(object).slice(0, 1) } as Mutable<Crd['status']>;
  },
  prepareForUpdate(object, old, { subresource }: RuleContext) {
    if (subresource === 'status') {
      if (!object.status?.storedVersions?.length)
        object.status = { ...object.status, storedVersions: storageVersions(object).slice(0, 1) } as Mutable<
          Crd['status']
        >;
      return;
    }
    const status = cloneDeep(old.status ?? {}) as Mutable<Crd['status']>;
    const stored = status.storedVersions ?? [];
    for (const v of storageVersions(object)) if (!stored.includes(v)) stored.push(v);
    status.storedVersions = stored;
    object.status = status;
  },
  validate(object, errors, context) {
    if (context.subresource === 'status') {
      validateAcceptedNames(object, errors);
      return;
    }
    validateDefinition(object, errors, context);
    validateStoredVersions(object, errors);
  },
  validateUpdate: validateDefinitionUpdate,
  warnings: ({ spec }, old) => formatWarnings(spec ?? {}, old?.spec),
  // Its objects go first: a definition to be deleted is marked, and its finalizer keeps it.
  holdsDeletion: object => object.metadata.deletionTimestamp === undefined,
  markDeleted(object) {
    const finalizers = object.metadata.finalizers ?? [];
    if (finalizers.includes(cleanupFinalizer)) return;
    object.metadata.finalizers = [...finalizers, cleanupFinalizer];
    const status = (object.status ?? {}) as Mutable<Crd['status']>;
    status.conditions = [
      ...(status.conditions ?? []).filter(c => c.type !== 'Terminating'),
      {
        type: 'Terminating',
        status: 'True',
        lastTransitionTime: object.metadata.deletionTimestamp!,
        reason: 'InstanceDeletionPending',
        message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
      },
    ];
    object.status = status;
  },
};

// Of schemas that were there already nobody is told again.
function formatWarnings({ versions }: Partial<Crd['spec']>, old: Partial<Crd['spec']> | undefined): string[] {
  const found = new Set<string>();
  const before = new Map(old?.versions?.toReversed().map(v => [v.name, v.schema]));
  for (const { name, schema } of versions ?? []) {
    const was = before.get(name);
    if (schema?.openAPIV3Schema && !(was && equalJson(schema, was))) unrecognizedFormats(schema.openAPIV3Schema, found);
  }
  return [...found].map(format => `unrecognized format ${JSON.stringify(format)}`);
}

const storageVersions = (object: { spec: Crd['spec'] }): string[] =>
  (object.spec?.versions ?? []).filter(v => v.storage).map(v => v.name);

// A canonical object keeps the order of its fields.
function insertName(object: Mutable<Crd>, field: 'singular' | 'listKind', value: string): void {
  const names: Mutable<Crd['spec']['names']> = { ...object.spec.names };
  names[field] = value;
  const { plural, singular, shortNames, kind, listKind, categories } = names;
  object.spec.names = {
    plural,
    ...(singular ? { singular } : {}),
    ...(shortNames ? { shortNames } : {}),
    kind,
    ...(listKind ? { listKind } : {}),
    ...(categories ? { categories } : {}),
  };
}
