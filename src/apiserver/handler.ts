// The pipeline of one HTTP request.
import { StatusError, unauthorized } from '../api/status.ts';
import type { APIService } from '../api/type/apiregistration-v1.ts';
import type { Log } from '../base/log.ts';
import { auditIdOf } from './audit/audit-id.ts';
import type { Auditor } from './audit/auditor.ts';
import type { Spent } from './audit/kernel/latency.ts';
import { anonymousUser, type UserInfo } from './authn/user.ts';
import { forbiddenError, type Verdict } from './authz/authorizer.ts';
import type { ApiContext } from './context.ts';
import { Deadline } from './deadline.ts';
import type { Gate, Passage } from './flowcontrol/inflight.ts';
import type { Exchange } from './http/exchange.ts';
import { isLongRunning } from './long-running.ts';
import type { RequestMetrics } from './metrics.ts';
import type { Filter } from './observe/filter-seconds.ts';
import { type RequestTrace, runTraced } from './observe/trace.ts';
import type { Tracer } from './observe/tracer.ts';
import { unknownPath } from './plain-refusal.ts';
import { attributesOf } from './request-attributes.ts';
import { parseRequest, type RequestInfo, trimSlashes } from './request-info.ts';
import type { RequestRules } from './request-rules.ts';
import { handleResource } from './resource-handler.ts';
import { nosniff, sendStatus, sendText } from './respond.ts';

/** Serves a path that is no resource; false when it is not its. */
export type PathHandler = (exchange: Exchange, user: UserInfo) => boolean | Promise<boolean>;

export interface HandlerOptions {
  readonly context: ApiContext;
  authenticate(exchange: Exchange): UserInfo | undefined | Promise<UserInfo | undefined>;
  /** Who the request acts as: the user, unless it asks to impersonate another and may. */
  impersonate(exchange: Exchange, user: UserInfo, info: RequestInfo): UserInfo | Promise<UserInfo>;
  readonly paths: readonly PathHandler[];
  /** Groups that other servers serve. */
  readonly aggregation?: {
    remoteFor(info: RequestInfo): APIService | undefined;
    serve(service: APIService, exchange: Exchange, user: UserInfo, auditId: string): Promise<void>;
  };
  /** Other servers of this cluster. */
  readonly peers?: {
    /** Asks one that serves what this one does not. */
    for(info: RequestInfo, exchange: Exchange): ((user: UserInfo, auditId: string) => Promise<void>) | undefined;
  };
  readonly auditor?: Auditor | undefined;
  /** Lets requests begin. */
  readonly gate?: Gate;
  readonly metrics: RequestMetrics;
  readonly rules: RequestRules;
  readonly tracer?: Tracer;
  readonly log: Log;
}

export function createHandler(options: HandlerOptions): (exchange: Exchange) => void {
  const { context, metrics, rules, tracer } = options;
  const guarded = context.featureEnabled('UnauthenticatedHTTP2DOSMitigation');
  const impersonating = context.featureEnabled('ConstrainedImpersonation')
    ? 'constrainedimpersonation'
    : 'impersonation';
  return arrived => {
    const isPreflight = rules.isPreflight(arrived);
    const audited = isPreflight ? undefined : options.auditor?.begin(arrived);
    const exchange = audited?.exchange ?? arrived;
    const auditId = audited?.exchange.auditId ?? auditIdOf(exchange, context.random);
    if (!audited) exchange.extraHeaders = { 'audit-id': auditId };
    const more = rules.headers(arrived);
    if (more) exchange.extraHeaders = { ...exchange.extraHeaders, ...more };
    if (isPreflight) {
      exchange.respond(204, { 'cache-control': 'no-cache, private' });
      return;
    }
    if (rules.endsConnection()) arrived.endConnection?.();
    const startMs = context.clock.monotonic();
    let info: RequestInfo | undefined;
    let passage: Passage | undefined;
    const warnings: string[] = [];
    let acting: UserInfo | undefined;
    let deadline: Deadline | undefined;
    let reached = false;
    let markMs = startMs;
    const spent: { -readonly [K in keyof Spent]?: Spent[K] } = {};
    const trace = tracer?.begin(exchange, startMs, () => acting);
    audited?.spent(() => ({ ...spent, ...(trace ? outgoingOf(trace) : {}), steps: trace?.steps }));
    (trace ? runTraced(trace, serve) : serve()).catch(error => {
      if (!(error instanceof StatusError)) {
        options.log.error('serving a request failed', {
          method: exchange.method,
          path: exchange.path,
          error: error instanceof Error ? (error.stack ?? error.message) : error,
        });
        audited?.panic(error);
      }
      if (info) audited?.refuse(info);
      try {
        trace?.begin('SerializeObject');
        sendStatus(exchange, error, warnings);
      } catch (sendError) {
        options.log.debug('answering failed', { error: sendError });
      }
      done(error instanceof StatusError ? error.code : 500);
    });

    function done(answered: number): void {
      deadline?.end();
      const code = deadline?.isPast ? 504 : answered;
      if (!exchange.upgrade) audited?.finish(code);
      if (deadline?.isPast && info) metrics.dropped(info, 504);
      // What was turned away before is counted by who did so.
      if (reached || !info?.isResource) metrics.observe(info, exchange, code, startMs);
      if (trace) tracer!.end(trace, { info, exchange, auditId, code, endMs: context.clock.monotonic() });
      leave();
    }

    /** Nobody allowed it, and somebody could not be asked. */
    function failAuthorization(exchange: Exchange, error: string): void {
      audited?.annotate('authorization.k8s.io/reason', 'internal error');
      const uri = JSON.stringify(exchange.uri);
      sendText(exchange, 500, `Internal Server Error: ${uri}: ${error}\n`);
      done(500);
    }

    /** `/apis/GROUP/VERSION/watch`: of what, it does not say. */
    function failParsing(exchange: Exchange): void {
      const why = `unable to determine kind and namespace from url, ${exchange.uri}`;
      const uri = JSON.stringify(exchange.uri);
      const headers = { 'content-type': 'text/plain; charset=utf-8', ...nosniff };
      exchange.respond(500, headers, `Internal Server Error: ${uri}: failed to create RequestInfo: ${why}\n`);
      done(500);
    }

    /** A filter is done, and the next one begins. Others time themselves than those counted here. */
    function timed(filter: Filter, part: FilterPart | undefined, counted = false): void {
      const nowMs = context.clock.monotonic();
      if (part) spent[part] = nowMs - markMs;
      if (counted) metrics.filtered(filter, nowMs - markMs);
      trace?.filter(filter, markMs, nowMs);
      markMs = nowMs;
    }

    function leave(): void {
      const p = passage;
      passage = undefined;
      p?.done();
    }

    async function serve(): Promise<void> {
      info = parseRequest(exchange.method, exchange.path, exchange.query);
      if (info.verb === 'watch' && trimSlashes(exchange.path).endsWith('/watch') && !info.resource) {
        failParsing(exchange);
        return;
      }
      const allowedMs = rules.allowedMs(info, exchange.query);
      if (allowedMs !== undefined) deadline = new Deadline(exchange, context.clock, startMs, allowedMs);
      let who: UserInfo | undefined;
      try {
        const authenticating = options.authenticate(exchange);
        who = authenticating instanceof Promise ? await authenticating : authenticating;
      } finally {
        // Who shows no name may not keep a connection that carries hundreds of requests at once.
        if (guarded && (!who || who.name === anonymousUser)) arrived.endConnection?.();
      }
      if (!who) throw unauthorized();
      timed('authentication', 'authenticationMs');
      const noted = audited?.identify(info, who);
      if (noted) await noted;
      if (audited) timed('audit', undefined, true);
      if (deadline?.isPast) {
        done(504);
        return;
      }
      let user: UserInfo;
      try {
        const becoming = options.impersonate(exchange, who, info);
        user = becoming instanceof Promise ? await becoming : becoming;
        acting = user;
      } catch (error) {
        throw error instanceof StatusError ? unsniffed(error) : error;
      }
      if (user !== who) audited?.actsAs(user);
      timed(impersonating, user === who ? undefined : 'impersonationMs', true);
      let queued: 'queueMs' | undefined;
      try {
        const entering = options.gate?.admit(info, user, exchange, startMs);
        queued = entering instanceof Promise ? 'queueMs' : undefined;
        passage = entering instanceof Promise ? await entering : entering;
      } catch (error) {
        timed('priorityandfairness', queued);
        metrics.dropped(info, error instanceof StatusError ? error.code : 500);
        throw error;
      }
      timed('priorityandfairness', queued);
      const attributes = attributesOf(info, user, exchange.query);
      const answer = context.authorizer.authorize(attributes);
      const { decision, reason, error }: Verdict = answer instanceof Promise ? await answer : answer;
      timed('authorization', 'authorizationMs');
      if (error && decision !== 'allow') {
        failAuthorization(exchange, error);
        return;
      }
      audited?.annotate('authorization.k8s.io/decision', decision === 'allow' ? 'allow' : 'forbid');
      audited?.annotate('authorization.k8s.io/reason', reason);
      if (decision !== 'allow') throw unsniffed(forbiddenError(attributes, reason));
      reached = true;
      if (isLongRunning(info)) metrics.began(info, exchange, startMs);
      const remote = options.aggregation?.remoteFor(info);
      const askPeer = remote ? undefined : options.peers?.for(info, exchange);
      if (remote) {
        // Nobody here sees where a watch elsewhere stops beginning.
        if (info.verb === 'watch') leave();
        audited?.passOn();
        await options.aggregation!.serve(remote, exchange, user, auditId);
      } else if (askPeer) {
        if (info.verb === 'watch') leave();
        audited?.passOn();
        await askPeer(user, auditId);
      } else if (info.isResource) await handleResource({ context, exchange, info, user, warnings, audited, deadline });
      else if (!(await servePath(exchange, user))) throw unknownPath(context, exchange.path);
      done(exchange.sentCode || (exchange.upgrade ? 101 : 200));
    }
  };

  async function servePath(exchange: Exchange, user: UserInfo): Promise<boolean> {
    for (const path of options.paths) if (await path(exchange, user)) return true;
    return false;
  }
}

type FilterPart = 'authenticationMs' | 'impersonationMs' | 'queueMs' | 'authorizationMs';

/** Objects take another form while they are written. */
function outgoingOf(trace: RequestTrace) {
  const transformMs = trace.spentMs('TransformObject');
  const serializeMs = trace.spentMs('SerializeObject') - transformMs;
  return { transformMs, serializeMs, writeMs: trace.spentMs('WriteResponse') };
}

/** A refusal to act at all quotes what the client sent: no browser is to take it for a page. */
function unsniffed(error: StatusError): StatusError {
  for (const [name, value] of Object.entries(nosniff)) error.withHeader(name, value);
  return error;
}
