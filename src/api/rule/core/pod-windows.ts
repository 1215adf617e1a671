// What containers of Windows nodes run as.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { PodSpec, WindowsSecurityContextOptions } from '../../type/core-v1.ts';

const MAX_CREDENTIAL_BYTES = 64 * 1024;
const MAX_DOMAIN = 256;
const MAX_USER = 104;
const NETBIOS = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
const DNS = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

export function validateWindowsOptions(
  { gmsaCredentialSpec: spec, runAsUserName }: WindowsSecurityContextOptions,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const here = at.child('gmsaCredentialSpec');
  if (spec === '') errors.invalid(here, spec, 'gmsaCredentialSpec cannot be an empty string');
  else if (spec !== undefined && Buffer.byteLength(spec) > MAX_CREDENTIAL_BYTES)
    errors.invalid(here, spec, 'gmsaCredentialSpec size must be under 64 KiB');
  if (runAsUserName !== undefined) validateUserName(runAsUserName, at.child('runAsUserName'), errors);
}

/** `user`, or `domain\user`. */
function validateUserName(name: string, at: FieldPath, errors: FieldErrors): void {
  const wrong = (why: string) => errors.invalid(at, name, why);
  const [user = '', domain, ...more] = name.split('\\').reverse();
  if (name === '') wrong('runAsUserName cannot be an empty string');
  else if (/[\u0000-\u001f\u007f]/.test(name)) wrong('runAsUserName cannot contain control characters');
  else if (more.length > 0) wrong('runAsUserName cannot contain more than one backslash');
  else {
    if (domain !== undefined && domain.length >= MAX_DOMAIN)
      wrong(`runAsUserName's Domain length must be under ${MAX_DOMAIN} characters`);
    if (domain !== undefined && !NETBIOS.test(domain) && !DNS.test(domain))
      wrong("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
    if (user === '') wrong("runAsUserName's User cannot be empty");
    else if (user.length > MAX_USER)
      wrong(`runAsUserName's User length must not be longer than ${MAX_USER} characters`);
    if (/^[. ]+$/.test(user)) wrong("runAsUserName's User cannot contain only periods or spaces");
    if (/["/\\:;|=,+*?<>@[\]]/.test(user))
      wrong(String.raw`runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`);
  }
}

/** Containers that are processes of their host: all of a pod or none, and in the host's network. */
export function validateHostProcesses(spec: PodSpec, at: FieldPath, errors: FieldErrors): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  let hostProcesses = 0;
  let all = 0;
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [i, { securityContext }] of (spec[list] ?? []).entries()) {
      const own = securityContext?.windowsOptions?.hostProcess;
      all++;
      if (own ?? ofPod) hostProcesses++;
      if (ofPod !== undefined && own !== undefined && own !== ofPod)
        errors.invalid(
          at.child(list).index(i).child('securityContext', 'windowsOptions', 'hostProcess'),
          own,
          `pod hostProcess value must be identical if both are specified, was ${ofPod}`,
        );
    }
  }
  if (hostProcesses === 0) return;
  if (hostProcesses !== all)
    errors.invalid(
      at,
      '',
      'If pod contains any hostProcess containers then all containers must be HostProcess containers',
    );
  if (!spec.hostNetwork)
    errors.invalid(
      at.child('hostNetwork'),
      false,
      'hostNetwork must be true if pod contains any hostProcess containers',
    );
}
