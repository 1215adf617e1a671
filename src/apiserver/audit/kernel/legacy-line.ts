import type { Event } from '../../../api/type/audit-v1.ts';

/** An event as one line of words: --audit-log-format=legacy. */
export function legacyLine(event: Event): string {
  const { user, impersonatedUser: as, objectRef, responseStatus } = event;
  const quoted = (text: string | undefined, absent: string) => JSON.stringify(text || absent);
  const listed = (names: readonly string[] | undefined, absent: string) =>
    JSON.stringify(names?.length ? names.map(n => JSON.stringify(n)).join(',') : absent);
  const fields = [
    `id=${JSON.stringify(event.auditID)}`,
    `stage=${JSON.stringify(event.stage)}`,
    `ip=${quoted(event.sourceIPs?.[0], '<unknown>')}`,
    `method=${JSON.stringify(event.verb)}`,
    `user=${quoted(user.username, '<none>')}`,
    `groups=${listed(user.groups, '<none>')}`,
    `as=${quoted(as?.username, '<self>')}`,
    `asgroups=${listed(as?.groups, '<lookup>')}`,
    `user-agent=${JSON.stringify(event.userAgent ?? '')}`,
    `namespace=${quoted(objectRef?.namespace, '<none>')}`,
    `uri=${JSON.stringify(event.requestURI)}`,
    `response=${quoted(responseStatus?.code ? String(responseStatus.code) : undefined, '<deferred>')}`,
  ];
  return `${event.stageTimestamp ?? ''} AUDIT: ${fields.join(' ')}`;
}
