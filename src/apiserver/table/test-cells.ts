// What the tests of cells make objects of.
import { formatTime } from '../../api/meta.ts';

export const now = Date.parse('2026-03-01T12:00:00Z');
export const ago = (seconds: number) => formatTime(now - seconds * 1000);

/** An object, but its name and age where they are `x` and five minutes, and its cells. */
export type State = readonly [object: object, ...cells: unknown[]];

export const is = (type: string, status = 'True', more: object = {}) => ({ type, status, ...more });
export const named = (over: object) => ({
  metadata: { name: 'x', namespace: 'n', creationTimestamp: ago(300), ...over },
});
export const deleted = named({ deletionTimestamp: ago(1) });
export const selector = { matchLabels: { b: '2', a: '1' }, matchExpressions: [{ key: 'k', operator: 'Exists' }] };

export const justAge: readonly State[] = [
  [{}, 'x', '5m'],
  [named({ creationTimestamp: ago(90_061) }), 'x', '25h'],
  [named({ creationTimestamp: undefined }), 'x', '<unknown>'],
];
