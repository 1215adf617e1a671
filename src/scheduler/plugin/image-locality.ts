import type { Pod } from '../../api/type/core-v1.ts';
import type { Handle, Plugin } from '../framework.ts';

const mebibyte = 1024 * 1024;
/** Images smaller than this together are not worth moving for; beyond the other it makes no difference, for each container. */
const minBytes = 23 * mebibyte;
const maxBytesPerContainer = 1000 * mebibyte;

const withTag = (image: string) => (image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image);

export function imagesOf({ spec }: Pod): string[] {
  return [
    ...(spec.initContainers ?? []).map(c => c.image),
    ...spec.containers.map(c => c.image),
    ...(spec.volumes ?? []).flatMap(v => (v.image ? [v.image.reference] : [])),
  ].map(image => withTag(image ?? ''));
}

/** Prefers nodes that have the pod's images, the more so the more nodes have them, so that pods do not heap on one node. */
export const imageLocality = ({ cluster }: Handle): Plugin => ({
  name: 'ImageLocality',
  sign: ({ pod }) => imagesOf(pod).join(' '),
  score(_state, { pod }, node) {
    if (node.images.size === 0) return 0;
    const total = cluster.nodes.length;
    const images = imagesOf(pod);
    let bytes = 0;
    for (const image of images) {
      const state = node.images.get(image);
      if (state) bytes += Math.trunc(state.sizeBytes * (state.nodes.size / total));
    }
    const maxBytes = maxBytesPerContainer * images.length;
    const bounded = Math.min(Math.max(bytes, minBytes), maxBytes);
    return Math.trunc((100 * (bounded - minBytes)) / (maxBytes - minBytes));
  },
});
