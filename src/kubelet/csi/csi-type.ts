// What the kubelet says to a CSI driver and what it hears: fields of csi.v1 by their own names.

export type AccessModeName =
  | 'SINGLE_NODE_WRITER'
  | 'MULTI_NODE_READER_ONLY'
  | 'MULTI_NODE_MULTI_WRITER'
  | 'SINGLE_NODE_SINGLE_WRITER'
  | 'SINGLE_NODE_MULTI_WRITER';

export interface VolumeCapability {
  readonly block?: object;
  readonly mount?: {
    readonly fs_type: string;
    readonly mount_flags: readonly string[];
    readonly volume_mount_group: string;
  };
  readonly access_mode: { readonly mode: AccessModeName };
}

type Texts = Readonly<Record<string, string>>;

export interface StageRequest {
  readonly volume_id: string;
  readonly publish_context: Texts;
  readonly staging_target_path: string;
  readonly volume_capability: VolumeCapability;
  readonly secrets: Texts;
  readonly volume_context: Texts;
}

export interface PublishRequest extends StageRequest {
  readonly target_path: string;
  readonly readonly: boolean;
}

export interface ExpandRequest {
  readonly volume_id: string;
  readonly volume_path: string;
  readonly staging_target_path: string;
  readonly capacity_range: { readonly required_bytes: number };
  readonly volume_capability: VolumeCapability;
  readonly secrets: Texts;
}

export interface VolumeUsage {
  readonly available: number;
  readonly total: number;
  readonly used: number;
  readonly unit: 'UNKNOWN' | 'BYTES' | 'INODES';
}

export interface VolumeStats {
  readonly usage: readonly VolumeUsage[];
  readonly volume_condition?: { readonly abnormal: boolean; readonly message: string };
}

export interface NodeInfo {
  readonly node_id: string;
  readonly max_volumes_per_node: number;
  readonly accessible_topology?: { readonly segments: Texts };
}

export type NodeCapability =
  | 'STAGE_UNSTAGE_VOLUME'
  | 'GET_VOLUME_STATS'
  | 'EXPAND_VOLUME'
  | 'VOLUME_CONDITION'
  | 'SINGLE_NODE_MULTI_WRITER'
  | 'VOLUME_MOUNT_GROUP';

/** The node service of a driver. Paths are as the driver names them. */
export interface CsiNodeService {
  NodeGetInfo(request: object): Promise<NodeInfo>;
  NodeGetCapabilities(
    request: object,
  ): Promise<{ readonly capabilities: readonly { readonly rpc?: { readonly type: NodeCapability } }[] }>;
  NodeStageVolume(request: StageRequest): Promise<object>;
  NodeUnstageVolume(request: { volume_id: string; staging_target_path: string }): Promise<object>;
  NodePublishVolume(request: PublishRequest): Promise<object>;
  NodeUnpublishVolume(request: { volume_id: string; target_path: string }): Promise<object>;
  NodeGetVolumeStats(request: {
    volume_id: string;
    volume_path: string;
    staging_target_path: string;
  }): Promise<VolumeStats>;
  NodeExpandVolume(request: ExpandRequest): Promise<{ readonly capacity_bytes: number }>;
}
