// The rules of PodGroups and Workloads.
import type { Mutable } from '../../meta.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { PodGroup, Workload } from '../../type/scheduling-v1alpha2.ts';
import { dropFields } from '../drop-fields.ts';

const fieldsOfGates: readonly [gate: string, fields: readonly string[]][] = [
  ['TopologyAwareWorkloadScheduling', ['schedulingConstraints']],
  ['DRAWorkloadResourceClaims', ['resourceClaims']],
  ['WorkloadAwarePreemption', ['disruptionMode', 'priorityClassName', 'priority']],
];

function drop(now: readonly object[], old: readonly object[], { featureEnabled }: RuleContext): void {
  for (const [gate, fields] of fieldsOfGates) if (!featureEnabled(gate)) dropFields(now, old, fields);
}

function dropFromGroup(group: Mutable<PodGroup>, old: PodGroup | undefined, context: RuleContext): void {
  if (context.subresource === '') drop([group.spec ?? {}], [old?.spec ?? {}], context);
  else if (!context.featureEnabled('DRAWorkloadResourceClaims'))
    dropFields([group.status ?? {}], [old?.status ?? {}], ['resourceClaimStatuses']);
}

export const podGroupStrategy: Strategy<PodGroup> = {
  prepareForCreate: (group, context) => dropFromGroup(group, undefined, context),
  prepareForUpdate: dropFromGroup,
};

const templatesOf = (workload: Workload | undefined) => workload?.spec?.podGroupTemplates ?? [];

export const workloadStrategy: Strategy<Workload> = {
  prepareForCreate: (workload, context) => drop(templatesOf(workload as Workload), [], context),
  prepareForUpdate: (workload, old, context) => drop(templatesOf(workload as Workload), templatesOf(old), context),
};
