// Tolerations of several sources in one list.
import { semanticEqual } from '../../api/rule/record.ts';
import type { Toleration } from '../../api/type/core-v1.ts';

/** Without what another one covers; of equal ones the first stays. As fast as the list is long, which anybody may make. */
export function mergeTolerations(all: readonly Toleration[]): Toleration[] {
  const later = new Coverage();
  const coveredLater = all.toReversed().map(t => {
    const isCovered = later.around(t).some(l => textOf(l) !== textOf(t) && covers(l, t));
    later.add(t);
    return isCovered;
  });
  const before = new Coverage();
  return all.filter((t, i) => {
    if (coveredLater[all.length - 1 - i] || before.has(t) || before.around(t).some(k => covers(k, t))) return false;
    before.add(t);
    return true;
  });
}

/** Is all that `narrow` bears borne by `wide`? */
export function covers(wide: Toleration, narrow: Toleration): boolean {
  if (semanticEqual(wide, narrow)) return true;
  const { key = '', operator = 'Equal', value = '', effect = '', tolerationSeconds } = wide;
  const isAnyKey = key === '' && operator === 'Exists';
  if (key !== (narrow.key ?? '') && !isAnyKey) return false;
  if (effect && effect !== narrow.effect) return false;
  if (effect === 'NoExecute' && tolerationSeconds !== undefined) {
    const asked = narrow.tolerationSeconds;
    if (asked === undefined || asked > tolerationSeconds) return false;
  }
  if (operator === 'Exists') return true;
  return operator === 'Equal' && narrow.operator === 'Equal' && (narrow.value ?? '') === value;
}

const textOf = ({ key, operator, value, effect, tolerationSeconds }: Toleration) =>
  JSON.stringify([key, operator, value, effect, tolerationSeconds]);

/** Those that bear the same taints, however long. */
const groupOf = ({
  key = '',
  operator = 'Equal',
  value = '',
  effect = '',
}: Omit<Toleration, 'effect'> & { effect?: string }) =>
  JSON.stringify([operator, key, effect, operator === 'Exists' ? '' : value]);

/** The groups that may have one that covers it. */
function groupsAround(t: Toleration): string[] {
  const effects: string[] = t.effect ? ['', t.effect] : [''];
  const keys = t.key ? ['', t.key] : [''];
  const exist = keys.flatMap(key => effects.map(effect => groupOf({ key, operator: 'Exists', effect })));
  const equal = t.operator === 'Equal' ? effects.map(effect => groupOf({ ...t, effect })) : [];
  return [...exist, ...equal, groupOf(t)];
}

/** Seconds; of some no end. */
const spanOf = ({ effect, tolerationSeconds = Infinity }: Toleration) =>
  effect === 'NoExecute' ? tolerationSeconds : Infinity;

/** Of each group the two that last longest: others cover nothing that these do not. */
class Coverage {
  readonly #groups = new Map<string, readonly Toleration[]>();
  readonly #texts = new Set<string>();

  add(t: Toleration): void {
    const text = textOf(t);
    if (this.#texts.has(text)) return;
    this.#texts.add(text);
    const group = groupOf(t);
    const [first, second] = this.#groups.get(group) ?? [];
    if (!first || spanOf(t) > spanOf(first)) this.#groups.set(group, first ? [t, first] : [t]);
    else if (!second || spanOf(t) > spanOf(second)) this.#groups.set(group, [first, t]);
  }

  has(t: Toleration): boolean {
    return this.#texts.has(textOf(t));
  }

  /** All that may cover it. */
  around(t: Toleration): readonly Toleration[] {
    return groupsAround(t).flatMap(group => this.#groups.get(group) ?? []);
  }
}
