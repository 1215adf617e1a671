// Definitions with schemas that no server takes today: they lie in a store since before, put there beside it.
import { readFileSync } from 'node:fs';
import type { Json } from '../test-caller.ts';

export const group = 'stored.example.com';
export const testdata = new URL('testdata/stored.json', import.meta.url);

export interface StoredCase {
  /** Of each version, the last of which is stored; null: without one. */
  readonly schemas: readonly (Json | null)[];
  /** The condition NonStructuralSchema but its time and the generation it is of. */
  readonly condition?: Json;
}

export const cases = (): StoredCase[] => JSON.parse(readFileSync(testdata, 'utf8')) as StoredCase[];

export const storedDefinition = ({ schemas }: StoredCase, i: number): Json => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: `w${i}s.${group}`,
    uid: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
    creationTimestamp: '2026-01-01T00:00:00Z',
    generation: 1,
  },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: `w${i}s`, singular: `w${i}`, kind: `W${i}`, listKind: `W${i}List` },
    conversion: { strategy: 'None' },
    versions: schemas.map((openAPIV3Schema, v) => ({
      name: `v${v + 1}`,
      served: true,
      storage: v === schemas.length - 1,
      ...(openAPIV3Schema === null ? {} : { schema: { openAPIV3Schema } }),
    })),
  },
});

export const storedKey = (crd: Json): string =>
  `/registry/apiextensions.k8s.io/customresourcedefinitions/${crd.metadata.name}`;

export const nonStructural = (crd: Json): Json | undefined => {
  const found = crd.status?.conditions?.find((c: Json) => c.type === 'NonStructuralSchema');
  if (!found) return undefined;
  const { lastTransitionTime: _, observedGeneration: __, ...said } = found;
  return said;
};
