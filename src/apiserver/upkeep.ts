// What the server keeps in order by itself while it runs: flow control objects, service ranges and addresses.
import type { KubeObject } from '../api/meta.ts';
import type { IPAddress } from '../api/type/networking-v1.ts';
import type { Client } from '../client/client.ts';
import { createEventRecorder } from '../client/event-recorder.ts';
import { DefaultServiceCidr } from './allocation/default-service-cidr.ts';
import type { PortLedger } from './allocation/port-ledger.ts';
import { repairAddresses } from './allocation/service-cidrs.ts';
import { type Finding, isHeld, portFindings } from './allocation/service-repair.ts';
import { type ApiContext, registryOf } from './context.ts';
import { ensureFlowControl } from './flowcontrol/bootstrap.ts';
import { settleDangling } from './flowcontrol/dangling.ts';

const flowControlAfterMs = 60_000;
const repairAfterMs = 180_000;
/** A service without its address: others could get it. Until then the service's own end may have been told. */
const lostAfterMs = 1000;
/** After a failure. */
const rangeAfterMs = 10_000;

/** Resolves when everything is there; goes on until `signal`. */
export async function startUpkeep(
  context: ApiContext,
  client: Client,
  signal: AbortSignal,
  serviceCidrs: readonly string[],
  nodePorts: { readonly range: readonly [number, number]; readonly ledger?: PortLedger | undefined },
): Promise<void> {
  const { clock, random, log } = context;
  const cacheOf = (group: string, resource: string) => registryOf(context, group, resource).cache;
  const schemas = cacheOf('flowcontrol.apiserver.k8s.io', 'flowschemas');
  const levels = cacheOf('flowcontrol.apiserver.k8s.io', 'prioritylevelconfigurations');
  const services = cacheOf('', 'services');
  const addresses = cacheOf('networking.k8s.io', 'ipaddresses');
  const cidrs = cacheOf('networking.k8s.io', 'servicecidrs');
  const recorder = (component: string) => createEventRecorder(client, { component, clock, random, log });
  const ipEvents = recorder('ipallocator-repair-controller');
  const portEvents = recorder('portallocator-repair-controller');
  const tell = (what: 'clusterip' | 'nodeport', one: string, events: typeof ipEvents, finding: Finding) => {
    const { about, reason, message, error } = finding;
    events.event(about as unknown as KubeObject, 'Warning', reason, message);
    context.counts.repair(`apiserver_${what}_repair_${one}_errors_total`, error);
  };
  const attempt = async (what: string, act: () => Promise<void>) => {
    try {
      await act();
    } catch (error) {
      if (!signal.aborted) log.error(`${what} failed`, { error });
    }
  };
  const dangling = oneAtATime(() =>
    attempt('setting conditions of flow schemas', () => settleDangling(client, { schemas, levels }, clock)),
  );
  const flowControl = () => attempt('writing flow control objects', () => ensureFlowControl(client));
  const repairIps = () =>
    attempt('repairing service addresses', async () => {
      const { findings, againMs } = await repairAddresses(client, { services, addresses, cidrs }, clock.now());
      for (const finding of findings) tell('clusterip', 'ip', ipEvents, finding);
      if (againMs !== undefined) ipsLater.within(againMs);
    });
  const repairPorts = () =>
    attempt('repairing node ports', async () => {
      const { range, ledger } = nodePorts;
      const { lost, suspects } = (await ledger?.repair()) ?? { lost: new Set(), suspects: false };
      for (const finding of portFindings(services, range, lost)) tell('nodeport', 'port', portEvents, finding);
      if (suspects) portsLater.onEvent();
    });
  const ipsLater = later(context, repairAfterMs, repairIps);
  const portsLater = later(context, repairAfterMs, repairPorts);

  const range = new DefaultServiceCidr({
    client,
    clock,
    events: recorder('kubernetes-service-cidr-controller'),
    cidrs: serviceCidrs,
  });
  const rangeLater = later(context, rangeAfterMs, () => defaultRange());
  const defaultRange = oneAtATime(() =>
    attempt('writing the default service range', () =>
      range.sync().catch(error => {
        rangeLater.onEvent();
        throw error;
      }),
    ),
  );

  await Promise.all([flowControl(), defaultRange(), repairIps(), repairPorts()]);
  const flowLater = later(context, flowControlAfterMs, flowControl);
  const stops = [
    ...[schemas, levels].flatMap(cache => [cache.listen({ onEvent: () => void dangling() }), cache.listen(flowLater)]),
    services.listen(ipsLater),
    services.listen(portsLater),
    addresses.listen({
      onEvent({ type, stored }) {
        if (type === 'DELETED' && isHeld(stored.object as IPAddress, services)) ipsLater.within(lostAfterMs);
        else ipsLater.onEvent();
      },
    }),
    cidrs.listen({ name: 'kubernetes', onEvent: () => void defaultRange() }),
  ];
  await dangling();
  signal.addEventListener('abort', () => {
    for (const stop of stops) stop();
    flowLater.cancel();
    ipsLater.cancel();
    portsLater.cancel();
    rangeLater.cancel();
  });
}

/** Acts once, a while after the first of several changes, or earlier when asked to; without either never. */
export function later({ clock }: Pick<ApiContext, 'clock'>, afterMs: number, act: () => Promise<void>) {
  let timer: { cancel(): void } | undefined;
  let dueMs = Number.POSITIVE_INFINITY;
  const within = (ms: number) => {
    const atMs = clock.monotonic() + ms;
    if (atMs >= dueMs) return;
    timer?.cancel();
    dueMs = atMs;
    timer = clock.after(ms, () => {
      dueMs = Number.POSITIVE_INFINITY;
      void act();
    });
  };
  return { onEvent: () => within(afterMs), within, cancel: () => timer?.cancel() };
}

/** What is asked for while it runs is done once more after it. */
function oneAtATime(act: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let again = false;
  return function run(): Promise<void> {
    if (running) {
      again = true;
      return running;
    }
    running = act().finally(() => {
      running = undefined;
      if (!again) return undefined;
      again = false;
      return run();
    });
    return running;
  };
}
