// Probes and lifecycle handlers of a container.
import type { WholeNumber } from '../../../base/whole-number.ts';
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { GREATER_THAN_ZERO, isHttpHeaderName, isPortName, isValidPortNumber, NOT_NEGATIVE } from '../../name-rule.ts';
import type { Container, Lifecycle, LifecycleHandler, Probe, ProbeHandler } from '../../type/core-v1.ts';

const SCHEMES = ['HTTP', 'HTTPS'];
const SIGNALS =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT RTMAX RTMIN SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ';
const LINUX_SIGNALS = [
  ...SIGNALS.split(' '),
  ...Array.from({ length: 15 }, (_, i) => `RTMIN+${i + 1}`),
  ...Array.from({ length: 14 }, (_, i) => `RTMAX-${i + 1}`),
]
  .map(name => `SIG${name}`)
  .sort();
const WINDOWS_SIGNALS = ['SIGKILL', 'SIGTERM'];
const COUNTS = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

export function validateProbes(
  container: Container,
  graceSeconds: WholeNumber | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const { livenessProbe, readinessProbe, startupProbe } = container;
  if (livenessProbe) validateProbe(livenessProbe, graceSeconds, true, at.child('livenessProbe'), errors);
  if (readinessProbe) {
    const here = at.child('readinessProbe');
    validateProbe(readinessProbe, graceSeconds, false, here, errors);
    if (readinessProbe.terminationGracePeriodSeconds !== undefined)
      errors.invalid(
        here.child('terminationGracePeriodSeconds'),
        readinessProbe.terminationGracePeriodSeconds,
        'must not be set for readinessProbes',
      );
  }
  if (startupProbe) validateProbe(startupProbe, graceSeconds, true, at.child('startupProbe'), errors);
}

function validateProbe(
  probe: Probe,
  graceSeconds: WholeNumber | undefined,
  succeedsOnce: boolean,
  at: FieldPath,
  errors: FieldErrors,
): void {
  validateHandler(probe, graceSeconds, at, errors);
  for (const field of COUNTS) {
    const value = probe[field];
    if (value !== undefined && value < 0) errors.invalid(at.child(field), value, NOT_NEGATIVE);
  }
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0)
    errors.invalid(at.child('terminationGracePeriodSeconds'), grace, GREATER_THAN_ZERO);
  if (succeedsOnce && probe.successThreshold !== 1)
    errors.invalid(at.child('successThreshold'), probe.successThreshold ?? 0, 'must be 1');
}

export function validateLifecycle(
  lifecycle: Lifecycle | undefined,
  graceSeconds: WholeNumber | undefined,
  os: string | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!lifecycle) return;
  if (lifecycle.postStart) validateHandler(lifecycle.postStart, graceSeconds, at.child('postStart'), errors);
  if (lifecycle.preStop) validateHandler(lifecycle.preStop, graceSeconds, at.child('preStop'), errors);
  const signal = lifecycle.stopSignal;
  if (signal === undefined) return;
  if (!os) errors.forbidden(at.child('stopSignal'), 'may not be set for containers with empty `spec.os.name`');
  else {
    const known = os === 'windows' ? WINDOWS_SIGNALS : LINUX_SIGNALS;
    if (!known.includes(signal)) errors.notSupported(at.child('stopSignal'), signal, known);
  }
}

function validateHandler(
  handler: ProbeHandler & LifecycleHandler,
  graceSeconds: WholeNumber | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  let kinds = 0;
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  const first = (name: string): boolean => {
    if (kinds++ === 0) return true;
    errors.forbidden(at.child(name), 'may not specify more than 1 handler type');
    return false;
  };
  if (exec && first('exec') && !exec.command?.length) errors.required(at.child('exec', 'command'));
  if (httpGet && first('httpGet')) validateHttpGet(httpGet, at.child('httpGet'), errors);
  if (tcpSocket && first('tcpSocket')) validatePort(tcpSocket.port, at.child('tcpSocket', 'port'), errors);
  if (grpc && first('grpc')) validatePort(grpc.port, at.child('grpc', 'port'), errors);
  if (sleep && first('sleep') && graceSeconds !== undefined) {
    if (sleep.seconds < 0 || sleep.seconds > graceSeconds)
      errors.invalid(
        at.child('sleep'),
        sleep.seconds,
        `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`,
      );
  }
  if (kinds === 0) errors.required(at, 'must specify a handler type');
}

function validateHttpGet(get: NonNullable<ProbeHandler['httpGet']>, at: FieldPath, errors: FieldErrors): void {
  if (!get.path) errors.required(at.child('path'));
  validatePort(get.port, at.child('port'), errors);
  if (!get.scheme || !SCHEMES.includes(get.scheme)) errors.notSupported(at.child('scheme'), get.scheme ?? '', SCHEMES);
  for (const { name } of get.httpHeaders ?? [])
    for (const m of isHttpHeaderName(name)) errors.invalid(at.child('httpHeaders'), name, m);
}

/** A port number, or the name of a container port. */
export function validatePort(port: number | string, at: FieldPath, errors: FieldErrors): void {
  const complaints = typeof port === 'number' ? isValidPortNumber(port) : isPortName(port ?? '');
  for (const m of complaints) errors.invalid(at, port, m);
}
