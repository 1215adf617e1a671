// VolumeAttachments of this controller.
import { createHash } from 'node:crypto';
import type { Draft } from '../../api/meta.ts';
import type { PersistentVolume } from '../../api/type/core-v1.ts';
import type { VolumeAttachment } from '../../api/type/storage-v1.ts';

/** Index of attachments by their volume. */
export const attachmentsByVolume = 'attachdetach/volume';

/** '' when it carries the volume within. */
export const volumeOf = ({ spec }: VolumeAttachment): string => spec.source.persistentVolumeName ?? '';

/** The same volume on the same node always has the same name. */
export function attachmentName({ spec }: PersistentVolume, node: string): string {
  const { driver = '', volumeHandle = '' } = spec?.csi ?? {};
  return `csi-${createHash('sha256').update(`${volumeHandle}${driver}${node}`).digest('hex')}`;
}

export const newAttachment = (name: string, volume: PersistentVolume, node: string): Draft<VolumeAttachment> => ({
  metadata: { name },
  spec: {
    attacher: volume.spec!.csi!.driver,
    nodeName: node,
    source: { persistentVolumeName: volume.metadata.name },
  },
});
