import type { ContainerRuntime } from '../cri/runtime.ts';
import { isRuntimeNotFound } from '../cri/runtime-error.ts';
import type { ContainerStats, ListContainerStatsRequest } from '../cri/type.ts';

const tries = 3;

/** containerd fails the whole list for one container that ends while it looks; the next list is without that one. */
export async function listContainerStats(
  runtime: Pick<ContainerRuntime, 'ListContainerStats'>,
  request: ListContainerStatsRequest = {},
): Promise<readonly ContainerStats[]> {
  for (let left = tries; ; left--) {
    try {
      return (await runtime.ListContainerStats(request)).stats ?? [];
    } catch (error) {
      if (left <= 1 || !isRuntimeNotFound(error)) throw error;
    }
  }
}
