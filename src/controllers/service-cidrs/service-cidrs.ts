// service-cidrs-controller: says which ServiceCIDRs serve, and keeps one that goes while addresses need it.
import { formatTime } from '../../api/meta.ts';
import { networkingV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { IPAddress, ServiceCIDR } from '../../api/type/networking-v1.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { protection, setFinalizer } from '../volume-protection/finalizer.ts';
import { firstOrphan, holds } from './kernel/range.ts';

const finalizer = 'networking.k8s.io/service-cidr-finalizer';
// An API server that does not know yet may still give addresses out of the range.
const graceMs = 10_000;

export function serviceCidrsController(): Controller {
  return {
    name: 'service-cidr-controller',
    serviceAccount: 'service-cidrs-controller',
    watches: [
      {
        resource: networkingV1.servicecidrs,
        // A range that comes may let an overlapping one go.
        keys: (range: ServiceCIDR, _old, context) => [range.metadata.name, ...overlapping(range, context)],
      },
      {
        resource: networkingV1.ipaddresses,
        keys: (address: IPAddress, _old, context, deleted) => (deleted ? goingAround(address, context) : []),
      },
    ],
    writes: ['servicecidrs', 'servicecidrs/status', 'events'],
    create: context => ({ reconcile: name => reconcile(name, context) }),
  };
}

function overlapping(range: ServiceCIDR, context: ControllerContext): string[] {
  const firstIp = (cidr: string) => cidr.split('/')[0]!;
  return context
    .lister(networkingV1.servicecidrs)
    .list()
    .filter(o => o.metadata.name !== range.metadata.name && o.metadata.deletionTimestamp)
    .filter(
      o =>
        [...(o.spec.cidrs ?? [])].some(c => holds(range, firstIp(c))) ||
        (range.spec.cidrs ?? []).some(c => holds(o, firstIp(c))),
    )
    .map(o => o.metadata.name);
}

function goingAround({ metadata }: IPAddress, context: ControllerContext): string[] {
  return context
    .lister(networkingV1.servicecidrs)
    .list()
    .filter(o => o.metadata.deletionTimestamp && holds(o, metadata.name))
    .map(o => o.metadata.name);
}

async function reconcile(name: string, context: ControllerContext): Promise<Result | undefined> {
  const { client } = context;
  const range = context.lister(networkingV1.servicecidrs).get(name);
  const action = range && protection(range, finalizer);
  if (!range) return undefined;
  if (range.metadata.deletionTimestamp) return action ? letGo(range, context) : undefined;
  if (action === 'add') await setFinalizer(client, networkingV1.servicecidrs, range, finalizer, true);
  if (!range.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True'))
    await setReady(range, 'True', '', 'Kubernetes Service CIDR is ready', context);
  return undefined;
}

async function letGo(range: ServiceCIDR, context: ControllerContext): Promise<Result | undefined> {
  const ips = context
    .lister(networkingV1.ipaddresses)
    .list()
    .map(a => a.metadata.name);
  const others = context.lister(networkingV1.servicecidrs).list();
  if (firstOrphan(range, others, ips) !== undefined) {
    const why =
      'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR';
    if (!range.status?.conditions?.some(c => c.type === 'Ready' && c.reason === 'Terminating'))
      await setReady(range, 'False', 'Terminating', why, context);
    return undefined;
  }
  const leftMs = Date.parse(range.metadata.deletionTimestamp!) + graceMs - context.clock.now();
  if (leftMs > 0) return { requeueAfterMs: leftMs };
  await setFinalizer(context.client, networkingV1.servicecidrs, range, finalizer, false);
  return undefined;
}

async function setReady(
  range: ServiceCIDR,
  status: 'True' | 'False',
  reason: string,
  message: string,
  { client, clock, events }: ControllerContext,
): Promise<void> {
  const condition = { type: 'Ready', status, reason, message, lastTransitionTime: formatTime(clock.now()) };
  try {
    await client.patch(
      networkingV1.servicecidrs,
      { name: range.metadata.name },
      { type: 'strategic', body: { status: { conditions: [condition] } } },
      { subresource: 'status' },
    );
  } catch (error) {
    if (isNotFound(error)) return;
    if (status === 'True')
      events.event(
        range,
        'Warning',
        'KubernetesServiceCIDRError',
        'The ServiceCIDR Status can not be set to Ready=True',
      );
    throw error;
  }
}
