// The rules of Events, of the core group and of events.k8s.io.
import { type FieldErrors, path } from '../../field-error.ts';
import { goNameOf, goValue } from '../../go-value.ts';
import { IMMUTABLE, isDns1123Subdomain, isQualifiedName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { Event as CoreEvent, ObjectReference } from '../../type/core-v1.ts';
import type { Event } from '../../type/events-v1.ts';
import { deepEqual } from '../record.ts';

const MAX_CHARACTERS = 128;
const MAX_NOTE = 1024;
const MISMATCH = 'does not match event.namespace';

/** What both forms say, and what its fields are called. */
interface Common {
  readonly namespace: string;
  readonly eventTime: string | undefined;
  readonly about: ObjectReference;
  readonly controller: string;
  readonly controllerField: string;
  readonly instance: string;
  readonly action: string;
  readonly reason: string;
  readonly message: string;
}

function validateCommon(event: Common, errors: FieldErrors): void {
  const { namespace, eventTime, about } = event;
  const at = path('involvedObject.namespace');
  if (!eventTime) {
    const expected = about.namespace ? namespace === about.namespace : namespace === '' || namespace === 'default';
    if (!expected) errors.invalid(at, about.namespace ?? '', MISMATCH);
  } else {
    if (!about.namespace && namespace !== 'default' && namespace !== 'kube-system') errors.invalid(at, '', MISMATCH);
    validateReport(event, errors);
  }
  for (const m of isDns1123Subdomain(namespace)) errors.invalid(path('namespace'), namespace, m);
}

function validateReport(event: Common, errors: FieldErrors): void {
  const controllerAt = path(event.controllerField);
  if (!event.controller) errors.required(controllerAt);
  for (const m of isQualifiedName(event.controller)) errors.invalid(controllerAt, event.controller, m);
  const limited = { reportingInstance: event.instance, action: event.action, reason: event.reason };
  for (const [field, value] of Object.entries(limited)) {
    if (!value) errors.required(path(field));
    if (Buffer.byteLength(value) > MAX_CHARACTERS)
      errors.invalid(path(field), '', `can have at most ${MAX_CHARACTERS} characters`);
  }
  if (Buffer.byteLength(event.message) > MAX_NOTE)
    errors.invalid(path('message'), '', `can have at most ${MAX_NOTE} characters`);
}

function commonOfCore(e: CoreEvent): Common {
  return {
    namespace: e.metadata.namespace ?? '',
    eventTime: e.eventTime,
    about: e.involvedObject ?? {},
    controller: e.reportingComponent ?? '',
    controllerField: 'reportingComponent',
    instance: e.reportingInstance ?? '',
    action: e.action ?? '',
    reason: e.reason ?? '',
    message: e.message ?? '',
  };
}

function commonOf(e: Event): Common {
  return {
    namespace: e.metadata.namespace ?? '',
    eventTime: e.eventTime,
    about: e.regarding ?? {},
    controller: e.reportingController ?? '',
    controllerField: 'reportingController',
    instance: e.reportingInstance ?? '',
    action: e.action ?? '',
    reason: e.reason ?? '',
    message: e.note ?? '',
  };
}

export const coreEventStrategy: Strategy<CoreEvent> = {
  nameRule: 'pathSegment',
  allowCreateOnUpdate: true,
  validate: (event, errors) => validateCommon(commonOfCore(event), errors),
};

function validateSeries({ series }: Event, errors: FieldErrors): void {
  if (!series) return;
  if (series.count < 2) errors.invalid(path('series.count'), '', 'should be at least 2');
  if (!series.lastObservedTime) errors.required(path('series.lastObservedTime'));
}

/** What only the old form may say, by the names the rules give it. */
function validateNothingOld(event: Event, errors: FieldErrors): void {
  const { deprecatedSource: source } = event;
  const unset = {
    firstTimestamp: event.deprecatedFirstTimestamp,
    lastTimestamp: event.deprecatedLastTimestamp,
    count: event.deprecatedCount,
    source: source?.component || source?.host,
  };
  for (const [field, value] of Object.entries(unset)) if (value) errors.invalid(path(field), '', 'needs to be unset');
}

// Only the series of an event goes on; the names are those of the stored form.
const FIXED = {
  involvedObject: 'regarding',
  reason: 'reason',
  message: 'note',
  source: 'deprecatedSource',
  firstTimestamp: 'deprecatedFirstTimestamp',
  lastTimestamp: 'deprecatedLastTimestamp',
  count: 'deprecatedCount',
  type: 'type',
  eventTime: 'eventTime',
  action: 'action',
  related: 'related',
  reportingController: 'reportingController',
  reportingInstance: 'reportingInstance',
} as const satisfies Record<string, keyof Event>;

const shown = (event: Event, key: keyof Event): unknown =>
  (goValue('events.v1.Event', event) as Readonly<Record<string, unknown>>)[goNameOf(key)];

export const eventStrategy: Strategy<Event> = {
  nameRule: 'dnsSubdomain',
  allowCreateOnUpdate: true,
  validate(event, errors, { old }) {
    validateCommon(commonOf(event), errors);
    if (!old || !deepEqual(event.series, (old as Event).series)) validateSeries(event, errors);
    // Stored ones may come from the old form.
    if (event.metadata.resourceVersion) return;
    if (!event.eventTime) errors.required(path('eventTime'));
    if (event.type !== 'Normal' && event.type !== 'Warning')
      errors.invalid(path('type'), '', `has invalid value: ${event.type ?? ''}`);
    validateNothingOld(event, errors);
  },
  validateUpdate(now, old, errors) {
    for (const [field, key] of Object.entries(FIXED))
      if (!deepEqual(now[key], old[key])) errors.invalid(path(field), shown(now, key), IMMUTABLE);
  },
};
