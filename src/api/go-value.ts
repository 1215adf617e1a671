// Values as Go has them: a type's fields by Go's names, each with what stands for nothing where it is not set.
import { type FieldSchema, schemaOf, type TypeRef } from './schema.ts';

const initials = /^(api|csi|dns|fc|fs|grpc|http|id|ip|nfs|os|pkix|rbd|tcp|tls|ttl|uid|url)(?=[A-Z]|$)/;

/** `podIP` is PodIP, `uid` UID, an object's `metadata` ObjectMeta. */
export const goNameOf = (name: string, type?: TypeRef): string =>
  name === 'metadata' && type?.kind === 'struct'
    ? schemaOf(type.name).shortName
    : name.replace(initials, word => word.toUpperCase()).replace(/^./, c => c.toUpperCase());

/**
 * As error messages show values of types the server keeps objects in, which have no names for JSON. Undefined gives
 * null, as a pointer does.
 */
export function goValue(typeName: string, value: object | null | undefined): unknown {
  return value ? render({ kind: 'struct', name: `io.k8s.api.${typeName}` }, value) : null;
}

function render(type: TypeRef, value: unknown): unknown {
  if (type.kind === 'list') return (value as unknown[]).map(item => render(type.item, item));
  if (type.kind !== 'struct') return value;
  const fields = schemaOf(type.name).fields.map(field => {
    const member = (value as Readonly<Record<string, unknown>>)[field.name];
    return [
      goNameOf(field.name, field.type),
      member === undefined || member === null ? nothing(field) : render(field.type, member),
    ];
  });
  return Object.fromEntries(fields);
}

function nothing({ type, pointer }: FieldSchema): unknown {
  if (pointer || type.kind === 'list' || type.kind === 'map') return null;
  if (type.kind === 'struct') return render(type, {});
  if (type.scalar === 'string') return '';
  if (type.scalar === 'bool') return false;
  return type.scalar === 'int32' || type.scalar === 'int64' ? 0 : null;
}
