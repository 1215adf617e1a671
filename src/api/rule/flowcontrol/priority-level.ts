// The rules of PriorityLevelConfigurations.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { inclusiveRangeError } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type {
  LimitedPriorityLevelConfiguration,
  LimitResponse,
  PriorityLevelConfiguration,
  QueuingConfiguration,
} from '../../type/flowcontrol-v1.ts';
import { validateFlowConditions } from './flow-condition.ts';
import { validateMandatoryLevel } from './mandatory.ts';

const SPEC = path('spec');
const EXEMPT = 'exempt';
const MAX_QUEUES = 10_000_000;
/** A flow's hand is dealt from so many bits of its hash. */
const MAX_HASH_BITS = 60;

function defaults({ spec }: Mutable<PriorityLevelConfiguration>): void {
  if (!spec) return;
  if (spec.type === 'Exempt') {
    spec.exempt ??= {};
    spec.exempt.nominalConcurrencyShares ??= 0;
    spec.exempt.lendablePercent ??= 0;
  }
  const { limited } = spec;
  if (!limited) return;
  limited.nominalConcurrencyShares ??= 30;
  limited.lendablePercent ??= 0;
  const queuing = limited.limitResponse?.queuing;
  if (!queuing) return;
  queuing.handSize ||= 8;
  queuing.queues ||= 64;
  queuing.queueLengthLimit ||= 50;
}

function validateShares(
  { nominalConcurrencyShares: shares, lendablePercent: lendable }: LimitedPriorityLevelConfiguration,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (shares !== undefined && shares < 0)
    errors.invalid(at.child('nominalConcurrencyShares'), shares, 'must be a non-negative integer');
  if (lendable !== undefined && (lendable < 0 || lendable > 100))
    errors.invalid(at.child('lendablePercent'), lendable, inclusiveRangeError(0, 100));
}

function validateResponse({ type, queuing }: LimitResponse, at: FieldPath, errors: FieldErrors): void {
  if (type === 'Reject') {
    if (queuing) errors.forbidden(at.child('queuing'), 'must be nil if limited.limitResponse.type is not Limited');
  } else if (type === 'Queue') {
    if (queuing) validateQueuing(queuing, at.child('queuing'), errors);
    else errors.required(at.child('queuing'), 'must not be empty if limited.limitResponse.type is Limited');
  } else errors.notSupported(at.child('type'), type, ['Queue', 'Reject']);
}

function validateQueuing(queuing: QueuingConfiguration, at: FieldPath, errors: FieldErrors): void {
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
  if (queueLengthLimit <= 0) errors.invalid(at.child('queueLengthLimit'), queueLengthLimit, 'must be positive');
  if (queues <= 0) errors.invalid(at.child('queues'), queues, 'must be positive');
  else if (queues > MAX_QUEUES) errors.invalid(at.child('queues'), queues, `must not be greater than ${MAX_QUEUES}`);
  if (handSize <= 0) errors.invalid(at.child('handSize'), handSize, 'must be positive');
  else if (handSize > queues)
    errors.invalid(at.child('handSize'), handSize, `should not be greater than queues (${queues})`);
  else if (Math.ceil(Math.log2(queues) * handSize) > MAX_HASH_BITS)
    errors.invalid(
      at.child('handSize'),
      handSize,
      `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${MAX_HASH_BITS}`,
    );
}

export const priorityLevelStrategy: Strategy<PriorityLevelConfiguration> = {
  statusKeeps: 'metadata',
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  default: defaults,
  prepareForCreate(level) {
    level.status = {};
  },
  validate({ metadata, spec, status }, errors, context) {
    if (context.subresource === 'status') validateFlowConditions(status?.conditions, errors);
    if (context.subresource !== '' || !spec) return;
    validateMandatoryLevel(metadata.name, spec, errors);
    const { type, limited, exempt } = spec;
    if ((metadata.name === EXEMPT) !== (type === 'Exempt'))
      errors.invalid(SPEC.child('type'), type, "type must be 'Exempt' if and only if `name` is 'exempt'");
    if (type === 'Exempt') {
      if (limited) errors.forbidden(SPEC.child('limited'), 'must be nil if the type is not Limited');
      if (exempt) validateShares(exempt, SPEC.child('exempt'), errors);
    } else if (type === 'Limited') {
      if (exempt) errors.forbidden(SPEC.child('exempt'), 'must be nil if the type is Limited');
      const at = SPEC.child('limited');
      if (!limited) {
        errors.required(at, 'must not be empty when type is Limited');
        return;
      }
      validateResponse(limited.limitResponse ?? { type: '' }, at.child('limitResponse'), errors);
      validateShares(limited, at, errors);
      const borrowed = limited.borrowingLimitPercent;
      if (borrowed !== undefined && borrowed < 0)
        errors.invalid(at.child('borrowingLimitPercent'), borrowed, 'if specified, must be a non-negative integer');
    } else errors.notSupported(SPEC.child('type'), type, ['Exempt', 'Limited']);
  },
};
