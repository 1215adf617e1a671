// The text exposition format of Prometheus for what is counted in place: prom-client takes 6 µs a line, all in one go.
import type { Sample } from './bucket-counts.ts';
import { numberText } from './metric-number.ts';

// Some ten milliseconds.
const linesAtOnce = 5000;

export interface MetricHead {
  readonly name: string;
  readonly help: string;
  readonly type: string;
}

/** The lines of one metric without the last newline. Long ones give way to others in between. */
export async function metricText(head: MetricHead, samples: readonly Sample[]): Promise<string> {
  const { name, help, type } = head;
  let text = `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}`;
  let labels: Sample['labels'] | undefined;
  let inner = '';
  for (const [i, s] of samples.entries()) {
    if (i % linesAtOnce === linesAtOnce - 1) await new Promise(resolve => setImmediate(resolve));
    if (s.labels !== labels) {
      labels = s.labels;
      inner = labelText(labels);
    }
    const all = s.le === undefined ? inner : `${inner}${inner && ','}le="${s.le}"`;
    text += `\n${s.metricName ?? name}${all && `{${all}}`} ${numberText(s.value)}`;
  }
  return text;
}

function labelText(labels: Sample['labels']): string {
  let text = '';
  for (const [name, value] of Object.entries(labels))
    text += `${text && ','}${name}="${escaped(value).replaceAll('"', '\\"')}"`;
  return text;
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
