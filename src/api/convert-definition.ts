// CustomResourceDefinitions in apiextensions.k8s.io/v1beta1: not served since Kubernetes 1.22, but what kube-apiserver puts
// into etcd to this day. What all versions share stands once there, beside them.
import type { KubeObject, Mutable } from './meta.ts';
import { equalJson } from './patch/plain.ts';

type Plain = Record<string, any>;

export const isEarlyDefinition = (object: { readonly apiVersion?: string; readonly kind?: string }): boolean =>
  object.kind === 'CustomResourceDefinition' && object.apiVersion === 'apiextensions.k8s.io/v1beta1';

/** The same definition in v1. */
export function convertDefinition(object: Mutable<KubeObject>): Mutable<KubeObject> {
  const { spec = {}, ...rest } = object as Plain;
  const { version, versions, validation, conversion, ...others } = spec as Plain;
  const { subresources, additionalPrinterColumns, selectableFields, ...kept } = others;
  const shared: Plain = {
    ...(validation ? { schema: validation } : {}),
    ...(subresources ? { subresources } : {}),
    ...(additionalPrinterColumns ? { additionalPrinterColumns } : {}),
    ...(selectableFields ? { selectableFields } : {}),
  };
  const named: Plain[] = versions?.length ? versions : [{ name: version, served: true, storage: true }];
  const out: Plain = { ...kept, versions: named.map(v => withColumns({ ...shared, ...v })) };
  if (conversion) out.conversion = convertConversion(conversion);
  // There it is true unless told otherwise.
  if (spec.preserveUnknownFields !== false) out.preserveUnknownFields = true;
  else delete out.preserveUnknownFields;
  return { ...rest, apiVersion: 'apiextensions.k8s.io/v1', spec: out } as unknown as Mutable<KubeObject>;
}

function withColumns(version: Plain): Plain {
  const { additionalPrinterColumns, ...rest } = version;
  if (!additionalPrinterColumns) return rest;
  const columns = additionalPrinterColumns.map(({ JSONPath, ...column }: Plain) => ({ ...column, jsonPath: JSONPath }));
  return { ...rest, additionalPrinterColumns: columns };
}

function convertConversion({ webhookClientConfig, conversionReviewVersions, ...conversion }: Plain): Plain {
  if (!webhookClientConfig && !conversionReviewVersions) return conversion;
  return {
    ...conversion,
    webhook: {
      ...(webhookClientConfig ? { clientConfig: webhookClientConfig } : {}),
      conversionReviewVersions: conversionReviewVersions ?? [],
    },
  };
}

/** What versions have and all of them may share, by its name there and its name in a version. */
const shareable = [
  ['validation', 'schema'],
  ['subresources', 'subresources'],
  ['additionalPrinterColumns', 'additionalPrinterColumns'],
  ['selectableFields', 'selectableFields'],
] as const;

/** The same definition, of v1, as kube-apiserver puts it into etcd; `object` is canonical. */
export function earlyDefinition(object: KubeObject): KubeObject {
  const { spec, ...rest } = object as Plain;
  const { group, names, scope, conversion, preserveUnknownFields = false } = spec as Plain;
  let versions: Plain[] = spec.versions.map(withEarlyColumns);
  const shared: Plain = {};
  for (const [name, field] of shareable) {
    const [first] = versions;
    if (first?.[field] === undefined || !versions.every(v => equalJson(v[field], first[field]))) continue;
    shared[name] = first[field];
    versions = versions.map(({ [field]: _, ...others }) => others);
  }
  const { validation, subresources, additionalPrinterColumns, selectableFields } = shared;
  const early: Plain = {
    group,
    version: versions[0]?.name,
    names,
    scope,
    ...(validation ? { validation } : {}),
    ...(subresources ? { subresources } : {}),
    versions,
    ...(additionalPrinterColumns ? { additionalPrinterColumns } : {}),
    ...(selectableFields ? { selectableFields } : {}),
    ...(conversion ? { conversion: earlyConversion(conversion) } : {}),
    preserveUnknownFields,
  };
  return inOrder({ ...rest, apiVersion: 'apiextensions.k8s.io/v1beta1' }, early);
}

/** `status` stands behind `spec`. */
function inOrder({ status, ...rest }: Plain, spec: Plain): KubeObject {
  return { ...rest, spec, ...(status ? { status } : {}) } as unknown as KubeObject;
}

function withEarlyColumns({ additionalPrinterColumns, selectableFields, ...version }: Plain): Plain {
  const columns = additionalPrinterColumns?.map(({ jsonPath, ...column }: Plain) => ({
    ...column,
    JSONPath: jsonPath,
  }));
  return {
    ...version,
    ...(columns ? { additionalPrinterColumns: columns } : {}),
    ...(selectableFields ? { selectableFields } : {}),
  };
}

function earlyConversion({ webhook, ...conversion }: Plain): Plain {
  if (!webhook) return conversion;
  const { clientConfig, conversionReviewVersions } = webhook as Plain;
  return {
    ...conversion,
    ...(clientConfig ? { webhookClientConfig: clientConfig } : {}),
    ...(conversionReviewVersions?.length ? { conversionReviewVersions } : {}),
  };
}
