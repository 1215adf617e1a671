// Field selectors: `metadata.name=web,status.phase!=Running`. Backslash escapes `\`, `,` and `=` in values.

export interface FieldTerm {
  readonly field: string;
  readonly op: '=' | '!=';
  readonly value: string;
}

export interface FieldSelector {
  readonly terms: readonly FieldTerm[];
  readonly empty: boolean;
  /** `get` gives '' for a field the object does not have. */
  matchesFields(get: (field: string) => string): boolean;
  /** The value the field must have, if the selector says so. */
  requiredValue(field: string): string | undefined;
  toString(): string;
}

/** The text is no field selector. `message` is Kubernetes' wording. */
export class FieldSelectorError extends Error {
  override name = 'FieldSelectorError';
}

class Terms implements FieldSelector {
  readonly terms: readonly FieldTerm[];

  constructor(terms: readonly FieldTerm[]) {
    this.terms = terms;
  }

  get empty(): boolean {
    return this.terms.length === 0;
  }

  matchesFields(get: (field: string) => string): boolean {
    for (const { field, op, value } of this.terms) if ((get(field) === value) !== (op === '=')) return false;
    return true;
  }

  requiredValue(field: string): string | undefined {
    return this.terms.find(t => t.field === field && t.op === '=')?.value;
  }

  toString(): string {
    return this.terms.map(t => `${t.field}${t.op}${escapeFieldValue(t.value)}`).join(',');
  }
}

const noTerms: FieldSelector = new Terms([]);

export const fieldSelectorOf = (terms: readonly FieldTerm[]): FieldSelector =>
  terms.length ? new Terms(terms) : noTerms;

export const escapeFieldValue = (value: string): string => value.replace(/[\\,=]/g, '\\$&');

/** Throws FieldSelectorError. */
export function parseFieldSelector(text: string): FieldSelector {
  const terms: FieldTerm[] = [];
  // In this order they are complained of, too.
  for (const part of splitTerms(text).sort()) {
    if (part === '') continue;
    // A backslash escapes nothing in the name of a field.
    const m = /^(.*?)(==|!=|=)(.*)$/s.exec(part);
    if (!m) throw new FieldSelectorError(`invalid selector: '${text}'; can't understand '${part}'`);
    // An operator alone asks for nothing.
    if (m[1] || m[3]) terms.push({ field: m[1]!, op: m[2] === '!=' ? '!=' : '=', value: unescapeFieldValue(m[3]!) });
  }
  return fieldSelectorOf(terms);
}

// At commas that no backslash precedes.
function splitTerms(text: string): string[] {
  const out: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === ',') {
      out.push(text.slice(start, i));
      start = i + 1;
    }
  }
  out.push(text.slice(start));
  return out;
}

function unescapeFieldValue(value: string): string {
  if (!/[\\,=]/.test(value)) return value;
  let out = '';
  for (let i = 0; i < value.length; i++) {
    const c = value[i]!;
    if (c === '\\') {
      const next = value[++i] ?? '';
      if (!next || !'\\,='.includes(next))
        throw new FieldSelectorError(`invalid field selector: invalid escape sequence: \\${next}`);
      out += next;
    } else if (c === ',' || c === '=')
      throw new FieldSelectorError(`invalid field selector: unescaped character in value: ${c.codePointAt(0)}`);
    else out += c;
  }
  return out;
}
