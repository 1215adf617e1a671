// The FlowSchemas and PriorityLevelConfigurations every cluster has, kept as Kubernetes keeps them.
import type { Draft, KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { flowcontrolV1 } from '../../api/refs.ts';
import { readFacts } from '../../api/resource.ts';
import { deepEqual } from '../../api/rule/record.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/type/flowcontrol-v1.ts';
import type { Client } from '../../client/client.ts';

const autoUpdate = 'apf.kubernetes.io/autoupdate-spec';

type Named<T> = { readonly name: string; readonly spec: T };
interface Facts {
  readonly mandatoryPriorityLevelConfigurations: Named<PriorityLevelConfiguration['spec']>[];
  readonly suggestedPriorityLevelConfigurations: Named<PriorityLevelConfiguration['spec']>[];
  readonly mandatoryFlowSchemas: Named<FlowSchema['spec']>[];
  readonly suggestedFlowSchemas: Named<FlowSchema['spec']>[];
}

let loaded: Facts | undefined;

function facts(): Facts {
  loaded ??= readFacts<Facts>('priority-and-fairness.json');
  return loaded;
}

/** In force even while their objects are missing. */
export const mandatoryLevels = () =>
  facts().mandatoryPriorityLevelConfigurations.map(unstored<PriorityLevelConfiguration>);
export const mandatorySchemas = () => facts().mandatoryFlowSchemas.map(unstored<FlowSchema>);

const unstored = <T>({ name, spec }: Named<object>): T => ({ metadata: { name }, spec, status: {} }) as T;

type Kind = KubeObject & { readonly spec: object };

/** Creates and corrects; an object somebody took over (annotation "false", or changed without one) stays as it is. */
export async function ensureFlowControl(client: Client): Promise<void> {
  const levels = flowcontrolV1.prioritylevelconfigurations as unknown as ResourceRef<Kind>;
  const schemas = flowcontrolV1.flowschemas as unknown as ResourceRef<Kind>;
  await Promise.all([
    ensureAll(client, levels, facts().mandatoryPriorityLevelConfigurations, true),
    ensureAll(client, levels, facts().suggestedPriorityLevelConfigurations, false),
  ]);
  await Promise.all([
    ensureAll(client, schemas, facts().mandatoryFlowSchemas, true),
    ensureAll(client, schemas, facts().suggestedFlowSchemas, false),
  ]);
}

function ensureAll(client: Client, resource: ResourceRef<Kind>, wanted: readonly Named<object>[], mandatory: boolean) {
  return Promise.all(wanted.map(w => ensure(client, resource, w, mandatory)));
}

async function ensure(client: Client, resource: ResourceRef<Kind>, wanted: Named<object>, mandatory: boolean) {
  const { name, spec } = wanted;
  try {
    const current = await client.get(resource, { name });
    const annotation = current.metadata.annotations?.[autoUpdate];
    const ours = mandatory || annotation === 'true' || (annotation === undefined && current.metadata.generation === 1);
    const settled = annotation === (ours ? 'true' : 'false');
    // Defaults fill in what the facts leave out.
    const same = !ours || deepEqual(current.spec, { ...current.spec, ...spec });
    if (settled && same) return;
    await client.update(resource, {
      ...current,
      metadata: {
        ...current.metadata,
        annotations: { ...current.metadata.annotations, [autoUpdate]: ours ? 'true' : 'false' },
      },
      ...(ours ? { spec } : {}),
    } as Draft<Kind>);
  } catch (error) {
    if (isConflict(error)) return;
    if (!isNotFound(error)) throw error;
    await create(client, resource, { metadata: { name, annotations: { [autoUpdate]: 'true' } }, spec } as Draft<Kind>);
  }
}

async function create(client: Client, resource: ResourceRef<Kind>, object: Draft<Kind>): Promise<void> {
  try {
    await client.create(resource, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
