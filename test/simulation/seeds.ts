/** Histories that run in every test: seeds 0 to 199. */
export const seeds = 200;
/**
 * Histories that once went wrong. 6936: a pod that came and went unseen was awaited for ever. 760: a Job acted on a copy
 * from before its own last write. 844, 1195, 1346: a Deployment took away too much, counting by a ReplicaSet's status of
 * before its last size. 9562, 11123: a binding's answer was lost, and its room given away. The others: what was wrong were the rules (a failing Job counts what still runs; a quota is
 * counted, pods are chosen and budgets know their pods with as old a picture as any).
 */
export const onceWrong: readonly number[] = [
  760, 844, 1058, 1195, 1346, 2270, 2820, 5646, 5874, 6936, 7447, 9562, 11123,
];
