import { Document, Scalar, type ScalarTag, type Tags, visit } from 'yaml';

/** A point alone is a number to nobody but the library. */
export const withoutPoint = (tags: Tags): Tags =>
  tags.map(tag =>
    typeof tag === 'object' && 'test' in tag && tag.test?.test('.')
      ? { ...tag, test: new RegExp(`^(?!\\.$)${tag.test.source}`) }
      : tag,
  );

/** Nothing is merged into what is written. */
const forWriting = (tags: Tags): Tags =>
  withoutPoint(tags.filter(tag => typeof tag !== 'object' || tag.tag !== 'tag:yaml.org,2002:merge'));

const options = {
  version: '1.1' as const,
  sortMapEntries: true,
  customTags: forWriting,
  // What stands in several places is written in each.
  aliasDuplicateObjects: false,
};
const layout = { indentSeq: false, lineWidth: 0, singleQuote: true } as const;

const octal = /^[-+]?0o[0-7_]+$/;
const documentMark = /^(?:---|\.\.\.)/;
/** What no text between single quotes, nor without any, can hold. */
const unprintable = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff]/;
/** Begins or holds what is syntax. */
const syntax = /^[ ,[\]{}#&*!|>'"%@`]|^[?-](?:$| )|: | #|[ :]$/;

/** How a text is written; undefined for plain, or as it has lines. */
function styleOf(text: string, tags: readonly ScalarTag[]): Scalar.Type | undefined {
  // What YAML 1.1 (Go's and Python's readers) would take for something else than a text.
  if (tags.some(tag => tag.default === true && tag.test?.test(text)) || octal.test(text) || text === '<<')
    return Scalar.QUOTE_DOUBLE;
  if (unprintable.test(text) || text.includes(' \n')) return Scalar.QUOTE_DOUBLE;
  if (text.includes('\n')) return undefined;
  return documentMark.test(text) || syntax.test(text) ? Scalar.QUOTE_SINGLE : undefined;
}

/**
 * YAML as Kubernetes writes it: keys in order; double quotes around texts that would be taken for a time, a number or a
 * truth value, single ones around those that would be taken for syntax.
 */
export function yamlText(value: unknown): string {
  const document = new Document(value, options);
  const tags = document.schema.tags as readonly ScalarTag[];
  visit(document, {
    Scalar(_, scalar) {
      const style = typeof scalar.value === 'string' ? styleOf(scalar.value, tags) : undefined;
      if (style) scalar.type = style;
    },
  });
  return document.toString(layout);
}
