// Nodes without containers: real kubelets over a runtime, files and probes in memory, in the control plane's process.
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { simulatedRuntime } from '../cri/simulated.ts';
import { memoryHost } from '../kubelet/host/memory-host.ts';
import { createKubelet } from '../kubelet/kubelet.ts';
import type { MachineInfo } from '../kubelet/option.ts';
import { agreeableNetwork } from '../kubelet/probe/network.ts';
import type { ControlPlaneContext } from './components.ts';
import { serviceAddress } from './config.ts';
import { hostAddress, nodeNameOf } from './lab/kernel/lab-plan.ts';
import { simulatedUsage } from './simulated-usage.ts';

const gibibyte = 2 ** 30;

// The simulated runtime tells of every change, and nothing grows by itself: there is little to look after.
const upkeepMs = 60_000;
// Renewed each 40 seconds, within what the node controller grants (50).
const leaseDurationSeconds = 160;
// The signals of this machine are none of a simulated one's business.
const plenty = async () => ({});

const machineOf = (index: number): MachineInfo => ({
  machineId: `5131${String(index).padStart(28, '0')}`,
  systemUuid: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
  bootId: `00000000-0000-4000-9000-${String(index).padStart(12, '0')}`,
  kernelVersion: '6.18.0-simulated',
  osImage: 'simulated',
  operatingSystem: 'linux',
  architecture: 'amd64',
  cores: 8,
  memoryBytes: 32 * gibibyte,
  swapBytes: 0,
  ephemeralStorageBytes: 100 * gibibyte,
  hugepages: {},
});

export function createSimulatedNodes(context: ControlPlaneContext): Service {
  const { config, clock, random } = context;
  if (config.simulatedNodes === 0) return { name: 'simulated nodes', run: aborted };
  const log = context.log.with({ part: 'kubelet' });
  const client = context.client({ userAgent: 'kubelet' });
  const informers = createInformerFactory(client, { clock, random, log });
  const kubelets = Array.from({ length: config.simulatedNodes }, (_, i) => {
    const runtime = simulatedRuntime({ clock, random });
    context.nodeUsage?.set(nodeNameOf(i), simulatedUsage(runtime, clock));
    return createKubelet({
      nodeName: nodeNameOf(i),
      client,
      informers,
      runtime,
      clock,
      random,
      log: log.with({ node: nodeNameOf(i) }),
      rootDirectory: '/var/lib/kubelet',
      podLogsDirectory: '/var/log/pods',
      clusterDns: [serviceAddress(config.serviceCidr, 10)],
      clusterDomain: config.clusterDomain,
      maxPods: config.maxPods,
      nodeIps: [hostAddress('10.8.0.0/16', 10 + i)],
      machine: machineOf(i + 1),
      host: memoryHost(),
      probeNetwork: agreeableNetwork,
      failSwapOn: false,
      evictionSignals: plenty,
      relistMs: upkeepMs,
      upkeepMs,
      nodeStatusUpdateMs: upkeepMs,
      leaseDurationSeconds,
    });
  });
  const services: Service[] = [...kubelets, { name: 'informers', run: signal => informers.run(signal) }];
  return { name: 'simulated nodes', run: signal => runAll(services, signal) };
}
