// What is asked of a node's own logs: /logs/?query=SERVICE or ?query=/FILE.

export interface SystemLogQuery {
  readonly services: readonly string[];
  /** Below the log directory; alone. */
  readonly file?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  readonly tailLines?: number;
  /** 0 is the present boot of the machine, -1 the one before. */
  readonly boot?: number;
  /** A regular expression of Perl's kind. */
  readonly pattern?: string;
}

const maxTailLines = 100_000;
const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const quoted = (text: unknown) => JSON.stringify(text);

/** Throws what is wrong with it. */
export function readSystemLogQuery(asked: URLSearchParams): SystemLogQuery {
  const names = asked.getAll('query');
  if (names.length === 0 || names.includes('')) throw new Error('query: Required value: a service or a file');
  const files = names.filter(name => /[/\\]/.test(name));
  const services = names.filter(name => !files.includes(name));
  const [file] = files;
  if (file !== undefined && names.length > 1) throw new Error('query: Invalid value: one file, or services');
  if (file?.split(/[/\\]/).includes('..'))
    throw new Error(`query: Invalid value: ${quoted(file)}: must not contain '..'`);
  // The first sign makes no option of it.
  for (const name of services)
    if (!/^[a-zA-Z0-9_][a-zA-Z0-9_.:@-]*$/.test(name))
      throw new Error(`query: Invalid value: ${quoted(name)}: must be the name of a service`);
  const options = {
    ...timeOf(asked, 'sinceTime', 'sinceMs'),
    ...timeOf(asked, 'untilTime', 'untilMs'),
    ...numberOf(asked, 'tailLines', 0, maxTailLines),
    ...numberOf(asked, 'boot', -(2 ** 31), 0),
    ...(asked.get('pattern') ? { pattern: asked.get('pattern')! } : {}),
  };
  if (file !== undefined && Object.keys(options).length)
    throw new Error('query: Invalid value: a file is given as a whole');
  const { sinceMs, untilMs } = options as SystemLogQuery;
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs > untilMs)
    throw new Error('untilTime: Invalid value: must be after sinceTime');
  return { services, ...(file === undefined ? {} : { file }), ...options };
}

function timeOf(asked: URLSearchParams, name: string, as: string): object {
  const text = asked.get(name);
  if (!text) return {};
  const ms = rfc3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new Error(`${name}: Invalid value: ${quoted(text)}: must be a time as 2006-01-02T15:04:05Z`);
  return { [as]: ms };
}

function numberOf(asked: URLSearchParams, name: string, min: number, max: number): object {
  const text = asked.get(name);
  if (!text) return {};
  const number = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= min && number <= max))
    throw new Error(`${name}: Invalid value: ${quoted(text)}: must be an integer between ${min} and ${max}, inclusive`);
  return { [name]: number };
}

/** What journalctl is called with for one service. */
export function journalArguments(q: SystemLogQuery, service: string): readonly string[] {
  const seconds = (ms: number) => `@${(ms / 1000).toFixed(3)}`;
  return [
    ...['--utc', '--no-pager', '--quiet', '--output=short-precise'],
    ...(q.sinceMs === undefined ? [] : [`--since=${seconds(q.sinceMs)}`]),
    ...(q.untilMs === undefined ? [] : [`--until=${seconds(q.untilMs)}`]),
    ...(q.tailLines === undefined ? [] : [`--lines=${q.tailLines}`]),
    ...(q.boot === undefined ? [] : [`--boot=${q.boot}`]),
    ...(q.pattern === undefined ? [] : [`--grep=${q.pattern}`]),
    `--unit=${service}`,
  ];
}

/** Where a service may write that has nothing in the journal. */
export const serviceFiles = (service: string): readonly string[] => [
  service,
  `${service}.log`,
  `${service}/${service}.log`,
];
