import type { KubeObject } from '../api/meta.ts';
import { badRequest } from '../api/status.ts';

/** Does an object pass the namespace, label and field selector? Fields are read from the object by their path. */
export function fakeSelector(options: {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}): (object: KubeObject) => boolean {
  const { namespace, labelSelector = '', fieldSelector = '' } = options;
  const labels = labelTests(labelSelector);
  const fields = fieldTests(fieldSelector);
  return object =>
    (!namespace || object.metadata.namespace === namespace) &&
    labels.every(t => t(object.metadata.labels ?? {})) &&
    fields.every(t => t(object));
}

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

function labelTests(text: string): LabelTest[] {
  return splitOutsideParentheses(text).map((part): LabelTest => {
    const set = /^\s*(\S+)\s+(in|notin)\s*\(([^)]*)\)\s*$/.exec(part);
    if (set) {
      const [, key, operator, list] = set;
      const values = list!.split(',').map(v => v.trim());
      return l => (operator === 'in') === (l[key!] !== undefined && values.includes(l[key!]!));
    }
    const equality = /^\s*([^\s!=]+)\s*(==|=|!=)\s*(\S*)\s*$/.exec(part);
    if (equality) {
      const [, key, operator, value] = equality;
      return l => (operator === '!=') !== (l[key!] === value);
    }
    const exists = /^\s*(!?)\s*([^\s!=<>]+)\s*$/.exec(part);
    if (exists) return l => (exists[1] === '!') !== (l[exists[2]!] !== undefined);
    throw badRequest(`unable to parse requirement: found '${part}'`);
  });
}

function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^(]*\))/).filter(s => s.trim() !== '');
}

function fieldTests(text: string): ((object: KubeObject) => boolean)[] {
  return text
    .split(',')
    .filter(Boolean)
    .map(part => {
      const match = /^([^!=]+)(==|=|!=)(.*)$/.exec(part);
      if (!match) throw badRequest(`invalid selector: '${part}'; can't understand '${part}'`);
      const [, path, operator, value] = match;
      const steps = path!.trim().split('.');
      return object => (operator === '!=') !== (fieldOf(object, steps) === value);
    });
}

function fieldOf(object: unknown, steps: readonly string[]): string {
  let at: unknown = object;
  for (const step of steps) at = (at as Record<string, unknown> | undefined)?.[step];
  return at === undefined || at === null ? '' : String(at);
}
