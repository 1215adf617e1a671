/** Pods that still take room: the selection of the scheduler's informer. */
export const livePods = { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' };
