import { stringify } from 'yaml';

/**
 * YAML as Kubernetes writes it: keys in order, and quotes around what YAML 1.1 (Go's and Python's readers) would take for
 * a time, a number or a truth value. What stands in several places is written in each.
 */
export const yamlText = (value: unknown): string =>
  stringify(value, {
    version: '1.1',
    aliasDuplicateObjects: false,
    sortMapEntries: true,
    indentSeq: false,
    lineWidth: 0,
  });
