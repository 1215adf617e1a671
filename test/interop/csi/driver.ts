/**
 * A CSI driver whose volumes are directories of this machine: identity, controller and node over one socket, and the
 * registration that a node driver's registrar does. For tests; runs in a privileged pod.
 *   driver.ts ENDPOINT-HERE ENDPOINT-OF-KUBELET REGISTRATION-HERE DATA NODE
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { serveGrpc } from '../../../src/cri/grpc-server.ts';
import { RuntimeError } from '../../../src/cri/runtime-error.ts';
import { csiMethods } from '../../../src/kubelet/csi/csi-client.ts';
import { registrationMethods } from '../../../src/kubelet/plugin/plugin-registration.ts';

const name = 'hostdir.k8ts.test';
const topologyKey = 'topology.hostdir.k8ts.test/machine';
const [socket = '', endpoint = '', registration = '', data = '', node = ''] = process.argv.slice(2);

interface Meta {
  bytes: number;
  /** What the node was told to grow it to. */
  nodeBytes: number;
  attached: string[];
  ephemeral?: Record<string, string>;
}

const directory = (id: string) => join(data, id);
const metaPath = (id: string) => join(directory(id), 'meta.json');
const fail = (code: ConstructorParameters<typeof RuntimeError>[1], text: string): never => {
  throw new RuntimeError('', code, text);
};
function load(id: string): Meta {
  if (!existsSync(metaPath(id))) fail('NotFound', `no volume ${id}`);
  return JSON.parse(readFileSync(metaPath(id), 'utf8'));
}
function save(id: string, meta: Meta): void {
  mkdirSync(join(directory(id), 'content'), { recursive: true });
  writeFileSync(metaPath(id), JSON.stringify(meta));
}

const isMounted = (path: string) =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some(line => line.split(' ')[1] === path);
function bind(from: string, to: string, readOnly = false): void {
  mkdirSync(to, { recursive: true });
  if (isMounted(to)) return;
  execFileSync('mount', ['-o', 'bind', from, to]);
  if (readOnly) execFileSync('mount', ['-o', 'remount,bind,ro', to]);
}
function unbind(path: string): void {
  if (isMounted(path)) execFileSync('umount', [path]);
}

const bytesOf = (range: { required_bytes?: number } | undefined) => range?.required_bytes || 1 << 20;
const topology = { segments: { [topologyKey]: 'one' } };
const rpcs = (...types: string[]) => ({ capabilities: types.map(type => ({ rpc: { type } })) });

const handlers = {
  GetPluginInfo: () => ({ name, vendor_version: '1' }),
  GetPluginCapabilities: () => ({
    capabilities: [
      { service: { type: 'CONTROLLER_SERVICE' } },
      { service: { type: 'VOLUME_ACCESSIBILITY_CONSTRAINTS' } },
      { volume_expansion: { type: 'ONLINE' } },
    ],
  }),
  Probe: () => ({ ready: { value: true } }),

  ControllerGetCapabilities: () => rpcs('CREATE_DELETE_VOLUME', 'PUBLISH_UNPUBLISH_VOLUME', 'EXPAND_VOLUME'),
  CreateVolume(q: any) {
    const id = `vol-${q.name}`;
    const bytes = bytesOf(q.capacity_range);
    if (!existsSync(metaPath(id))) save(id, { bytes, nodeBytes: bytes, attached: [] });
    const volume_context = { 'csi.storage.k8s.io/made-by': name };
    return { volume: { volume_id: id, capacity_bytes: bytes, volume_context, accessible_topology: [topology] } };
  },
  DeleteVolume({ volume_id }: any) {
    if (existsSync(metaPath(volume_id)) && load(volume_id).attached.length)
      fail('FailedPrecondition', `volume ${volume_id} is attached`);
    rmSync(directory(volume_id), { recursive: true, force: true });
    return {};
  },
  ControllerPublishVolume({ volume_id, node_id }: any) {
    const meta = load(volume_id);
    if (meta.attached.some(n => n !== node_id)) fail('FailedPrecondition', `${volume_id} is attached elsewhere`);
    save(volume_id, { ...meta, attached: [node_id] });
    return { publish_context: { attachedTo: node_id } };
  },
  ControllerUnpublishVolume({ volume_id, node_id }: any) {
    if (!existsSync(metaPath(volume_id))) return {};
    const meta = load(volume_id);
    save(volume_id, { ...meta, attached: meta.attached.filter(n => n !== node_id) });
    return {};
  },
  ControllerExpandVolume({ volume_id, capacity_range }: any) {
    const bytes = bytesOf(capacity_range);
    save(volume_id, { ...load(volume_id), bytes });
    return { capacity_bytes: bytes, node_expansion_required: true };
  },
  ValidateVolumeCapabilities: ({ volume_capabilities }: any) => ({ confirmed: { volume_capabilities } }),

  NodeGetInfo: () => ({ node_id: `id-${node}`, max_volumes_per_node: 7, accessible_topology: topology }),
  NodeGetCapabilities: () => rpcs('STAGE_UNSTAGE_VOLUME', 'EXPAND_VOLUME', 'GET_VOLUME_STATS'),
  NodeStageVolume({ volume_id, staging_target_path, publish_context }: any) {
    if (publish_context.attachedTo !== `id-${node}`) fail('FailedPrecondition', `attached to another node`);
    load(volume_id);
    bind(join(directory(volume_id), 'content'), staging_target_path);
    return {};
  },
  NodeUnstageVolume({ staging_target_path }: any) {
    unbind(staging_target_path);
    return {};
  },
  NodePublishVolume({ volume_id, staging_target_path, target_path, readonly, volume_context }: any) {
    const isOwn = volume_context['csi.storage.k8s.io/ephemeral'] === 'true';
    if (isOwn) {
      save(volume_id, { bytes: 1, nodeBytes: 1, attached: [], ephemeral: volume_context });
      const about = join(directory(volume_id), 'content', 'pod');
      writeFileSync(about, volume_context['csi.storage.k8s.io/pod.name']);
    } else if (!isMounted(staging_target_path)) fail('FailedPrecondition', `${volume_id} is not staged`);
    bind(isOwn ? join(directory(volume_id), 'content') : staging_target_path, target_path, readonly);
    return {};
  },
  NodeUnpublishVolume({ volume_id, target_path }: any) {
    unbind(target_path);
    if (existsSync(target_path)) rmdirSync(target_path);
    if (existsSync(metaPath(volume_id)) && load(volume_id).ephemeral) rmSync(directory(volume_id), { recursive: true });
    return {};
  },
  NodeExpandVolume({ volume_id, volume_path, capacity_range }: any) {
    if (!isMounted(volume_path)) fail('NotFound', `nothing at ${volume_path}`);
    const nodeBytes = bytesOf(capacity_range);
    save(volume_id, { ...load(volume_id), nodeBytes });
    return { capacity_bytes: nodeBytes };
  },
  NodeGetVolumeStats({ volume_id, volume_path }: any) {
    if (!isMounted(volume_path)) fail('NotFound', `nothing at ${volume_path}`);
    const { nodeBytes } = load(volume_id);
    const used = readdirSync(volume_path).length;
    return { usage: [{ unit: 'BYTES', total: nodeBytes, used, available: nodeBytes - used }] };
  },
};

for (const path of [socket, registration]) {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
}
mkdirSync(data, { recursive: true });
const logged = Object.fromEntries(
  Object.entries(handlers).map(([method, handle]) => [
    method,
    (request: any) => {
      const line = (outcome: string) => console.log(`${method} ${JSON.stringify(request)}: ${outcome}`);
      try {
        const answer = (handle as (q: any) => object)(request);
        if (method !== 'Probe') line('done');
        return answer;
      } catch (error) {
        line(String(error));
        throw error;
      }
    },
  ]),
);
await serveGrpc(socket, csiMethods(), logged);
await serveGrpc(registration, registrationMethods(), {
  GetInfo: () => ({ type: 'CSIPlugin', name, endpoint, supported_versions: ['1.0.0'] }),
  NotifyRegistrationStatus: (status: object) => {
    console.log(`registration: ${JSON.stringify(status)}`);
    return {};
  },
});
process.on('SIGTERM', () => {
  rmSync(registration, { force: true });
  process.exit(0);
});
