// The query of pods/log: checked as PodLogOptions, then put as the kubelet wants it.
import { parseTime } from '../../../api/meta.ts';
import { badRequest, invalid } from '../../../api/status.ts';

export interface PodLogOptions {
  readonly container: string;
  readonly insecureSkipTLSVerifyBackend: boolean;
  /** For the kubelet. */
  readonly query: URLSearchParams;
}

/** As Go's strconv says it. */
function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^[+-]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

function truth(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text !== null && text !== 'false' && text !== '0';
}

const streams = ['All', 'Stderr', 'Stdout'];

/** Throws 400 or 422. */
export function readPodLogOptions(query: URLSearchParams, podName: string): PodLogOptions {
  const causes: { reason: string; field: string; message: string }[] = [];
  const cause = (reason: string, field: string, message: string) => void causes.push({ reason, field, message });
  const atLeast = (name: string, least: number, words: string): number | undefined => {
    const value = integer(query, name);
    if (value !== undefined && value < least) cause('FieldValueInvalid', name, `Invalid value: ${value}: ${words}`);
    return value;
  };
  const tailLines = atLeast('tailLines', 0, 'must be greater than or equal to 0');
  const limitBytes = atLeast('limitBytes', 1, 'must be greater than 0');
  const sinceTime = query.get('sinceTime') || undefined;
  if (sinceTime && parseTime(sinceTime) === undefined)
    throw badRequest(
      `parsing time ${JSON.stringify(sinceTime)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(sinceTime)} as "2006"`,
    );
  const bothTimes = sinceTime && query.get('sinceSeconds');
  const sinceSeconds = bothTimes ? undefined : atLeast('sinceSeconds', 1, 'must be greater than 0');
  if (bothTimes)
    cause('FieldValueForbidden', '', 'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified');
  const stream = query.get('stream') || undefined;
  if (stream && !streams.includes(stream))
    cause(
      'FieldValueNotSupported',
      'stream',
      `Unsupported value: ${JSON.stringify(stream)}: supported values: ${streams.map(s => `"${s}"`).join(', ')}`,
    );
  else if (stream && stream !== 'All' && tailLines !== undefined)
    cause('FieldValueForbidden', '', 'Forbidden: `tailLines` and specific `stream` are mutually exclusive for now');
  if (causes.length) throw invalid({ group: '', resource: 'PodLogOptions' }, podName, causes);
  const out = new URLSearchParams();
  for (const name of ['follow', 'previous', 'timestamps']) if (truth(query, name)) out.set(name, 'true');
  const values = { sinceSeconds, sinceTime, tailLines, limitBytes, stream };
  for (const [name, value] of Object.entries(values)) if (value !== undefined) out.set(name, String(value));
  return {
    container: query.get('container') ?? '',
    insecureSkipTLSVerifyBackend: truth(query, 'insecureSkipTLSVerifyBackend'),
    query: out,
  };
}
