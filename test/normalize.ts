/**
 * What differs from run to run in kubectl's output, made the same. Words of fixed width keep it; where a word's width may
 * vary (ages, addresses), columns of that output are put two spaces apart.
 */
const fixed: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '00000000-0000-0000-0000-000000000000'],
  [/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '2026-01-01T00:00:00Z'],
  [
    /\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d [+-]\d{4}/g,
    'Thu, 01 Jan 2026 00:00:00 +0000',
  ],
  [/\b[0-9a-f]{64}\b/g, '0'.repeat(64)],
  // A random suffix after the hash of a pod template, of a job's name, of a token's volume, of an endpoint slice.
  [/(-[bcdf-hj-np-tv-z2456789]{8,10}-)[bcdf-hj-np-tv-z2456789]{5}\b/g, '$1xxxxx'],
  [/\b(hi-|web-|kube-api-access-|debugger-)[bcdf-hj-np-tv-z2456789]{5}\b/g, '$1xxxxx'],
  [/("?resourceVersion"?: )"\d+"/g, '$1"1"'],
  // containerd tells of users from 2.0 on, and says less of a program that is not there.
  [/^( +)user:\n\1 {2}linux:\n(?:\1 {4}.*\n)+/gm, ''],
  [/(?<=executable file not found in \$PATH): unknown$/gm, ''],
];

const varying: readonly (readonly [RegExp, string])[] = [
  // The hash of a pod template with the time of a restart in it.
  [/\bweb-[bcdf-hj-np-tv-z2456789]{7,10}(?=\b|-)/g, 'web-hash'],
  [/(pod-template-hash[=:] ?)[bcdf-hj-np-tv-z2456789]{7,10}\b/g, '$1hash'],
  [/(?<=^|[ (])(?<!for |cpu: +)(\d+[smhd]){1,2}(?=$|[ )](?!\(%\)))/gm, 'AGE'],
  // Nodes of a lab have the addresses .10, .11 and so on.
  [/\b10\.8\.\d+\.(1\d)\b/g, '10.8.x.$1'],
  [/\b10\.244\.\d\.\d+\b/g, '10.244.x.x'],
  [/\b10\.(9[6-9]|10\d|11[01])\.\d+\.\d+\b(?<!10\.96\.0\.10?)/g, '10.96.x.x'],
];

export function normalize(output: string): string {
  let text = output;
  for (const [pattern, by] of fixed) text = text.replace(pattern, by);
  let loose = text;
  for (const [pattern, by] of varying) loose = loose.replace(pattern, by);
  if (loose !== text) loose = loose.replace(/(?<=\S) {2,}(?=\S)/g, '  ');
  return loose
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n');
}
