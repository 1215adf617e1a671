// CustomResourceDefinitions in apiextensions.k8s.io/v1beta1: not served since Kubernetes 1.22, but what kube-apiserver has
// in etcd to this day. What all versions share stands once there, beside them.
import type { KubeObject, Mutable } from './meta.ts';

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
