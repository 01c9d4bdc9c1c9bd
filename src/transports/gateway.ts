import type { Codec } from "../protocol/codec.ts";
import { getLogger } from "@logtape/logtape";
import { channelName } from "../protocol/channel_name.ts";
import type { ConnectionClaims } from "../protocol/claims.ts";
import {
  type Close,
  CLOSES,
  errorBody,
  type ErrorCode,
  ERRORS,
  ProtocolError,
} from "../protocol/codes.ts";
import type { Connect, Json } from "../protocol/frames.ts";
import { nativeCodec } from "../protocol/native.ts";
import { subscribeAll, subscribedText } from "../hub/admission.ts";
import { applyToken, type CommandContext, expiresIn } from "../hub/commands.ts";
import type { Hub } from "../hub/hub.ts";
import type { Session } from "../hub/session.ts";
import type { Transport } from "../hub/transport.ts";
import { BodyReader } from "../web/body_reader.ts";
import { errorResponse } from "../web/errors.ts";
import type { OriginPolicy } from "../web/origins.ts";

const logger = getLogger(["chloe", "transports"]);

/** What a client says that it is is kept for whoever looks after the server, up to so many characters. */
const MAX_CLIENT_LENGTH = 100;

/** What is known of a browser before it has a session. */
export interface Peer {
  readonly address: string;
  readonly headers: Headers;
}

/** What is known of a session that may open. */
interface Admitted {
  readonly id?: string;
  readonly user?: string;
  readonly channels?: readonly string[];
  readonly data?: Json;
  /** How many of the session's events have gone to the app already. */
  readonly seq?: number;
}

/** What the app says of somebody who wants to connect. */
export type Admission =
  | ({ readonly ok: true } & Omit<Admitted, "id">)
  | { readonly ok: false; readonly code: ErrorCode };

/**
 * How a reader spells the channels that it asked for. It gets no other, whatever it may enter: it could not
 * leave them.
 */
export type Labels = ReadonlyMap<string, string>;

/** Asks the app whether a session with this id may open; `user` is whom its token names. */
export type Admit = (
  id: string,
  peer: Peer,
  connect: Connect & { readonly user: string | null },
) => Promise<Admission>;

/** What the gateway is set up with. */
export interface GatewayOptions {
  readonly hub: Hub;
  readonly commands: CommandContext;
  readonly originPolicy: OriginPolicy;
  /** Who is asked about new sessions; `null` where nobody is. */
  readonly admit: Admit | null;
  /** Whether nobody begins a session without a token. */
  readonly tokenRequired?: boolean;
  /** Sockets, streams and polls that may be held at once. */
  readonly maxConnections: number;
}

/** The way in: every transport asks here whether to take a request, and begins its sessions here. */
export class Gateway {
  readonly hub: Hub;
  readonly commands: CommandContext;
  /** Reads what comes by HTTP. */
  readonly bodies: BodyReader;
  readonly #options: GatewayOptions;

  constructor(options: GatewayOptions) {
    this.hub = options.hub;
    this.commands = options.commands;
    this.#options = options;
    this.bodies = new BodyReader({ maxBytes: this.maxMessageBytes });
  }

  /** Whether the app is asked about new sessions, and so may put them into channels. */
  get asksApp(): boolean {
    return this.#options.admit !== null;
  }

  /** The most bytes that come at once: a WebSocket message, an HTTP body. */
  get maxMessageBytes(): number {
    return this.commands.maxBytes * 4;
  }

  /**
   * Looks at a request before anything else does.
   *
   * @returns The headers that every answer to it carries, or the refusal to answer it with.
   */
  enter(
    headers: Headers,
  ): { readonly cors: Record<string, string> } | { readonly refusal: Response } {
    const verdict = this.#options.originPolicy(headers);
    if (!verdict.allowed) {
      this.hub.counters.originsRefused++;
      const origin = verdict.origin.slice(0, 200);
      if (origin === "null") {
        logger.warn("Refused a page of no origin, such as a file: serve it by http to let it in");
      } else {
        logger.warn(
          "Refused a page of origin {origin}: to let it in, add that to `origins` in the configuration",
          { origin },
        );
      }
      return {
        refusal: errorResponse(
          403,
          "origin_refused",
          "Pages of that origin may not connect here: add it to `origins` in Chloe's configuration",
        ),
      };
    }
    return { cors: verdict.cors === null ? NO_CORS : corsHeaders(verdict.cors) };
  }

  /** Why no further connection can be held now, or `null`. */
  noRoom(cors: Record<string, string>): Response | null {
    const { counters } = this.hub;
    if (counters.connections < this.#options.maxConnections) return null;
    counters.connectionsRefused++;
    return errorResponse(503, "full", ERRORS.full.message, { ...cors, "retry-after": "5" });
  }

  /** Why no further session can begin now, or `null`. Those that are there may still come back. */
  noNewSession(): ProtocolError | null {
    const { hub } = this;
    if (this.commands.draining) return new ProtocolError("shutting_down", CLOSES.shutdown);
    if (!hub.full) return null;
    hub.counters.sessionsRefused++;
    return new ProtocolError("full", CLOSES.full);
  }

  /**
   * Begins a session over `transport`, or brings one back: writes `connected` and what waits.
   *
   * @returns At once, unless the app has to be asked.
   * @throws ProtocolError where it cannot be.
   */
  begin(connect: Connect, peer: Peer, transport: Transport): Session | Promise<Session> {
    const { hub } = this;
    // The answer has a line for each: what is asked for bounds how long that can be.
    if (Object.keys(connect.subscribe ?? {}).length > hub.maxSubscriptions) {
      throw new ProtocolError(
        "too_many_subscriptions",
        CLOSES.badFrame,
        `connect.subscribe: names more than ${hub.maxSubscriptions} channels`,
      );
    }
    return this.#withClaims(connect.token, (claims) => {
      return this.#begin(connect, claims, peer, transport);
    });
  }

  #begin(
    connect: Connect,
    claims: ConnectionClaims | null,
    peer: Peer,
    transport: Transport,
  ): Session | Promise<Session> {
    const { hub } = this;
    let formerId: string | null = null;
    if (connect.resume !== undefined) {
      const session = this.find(connect.resume);
      const isOwn = session === null || isSameUser(session, claims);
      if (session !== null && isOwn) {
        if (claims === null && hub.isTokenOver(session)) {
          throw new ProtocolError("token_expired", CLOSES.tokenExpired);
        }
        if (this.goOn(session, connect.received ?? 0)) {
          const granted = claims === null ? [] : applyToken(hub, session, claims);
          return this.#welcome(session, transport, connect, { resumed: true, granted });
        }
        // Its page cannot come back to it any more; one that says less than it did before was overtaken.
        if ((connect.received ?? 0) >= session.outbox.acknowledged) {
          session.end(session.transport === null ? null : CLOSES.replaced);
        }
      }
      // Also where too much was let go: what was not for that session is not for the one that follows it.
      if (isOwn) formerId = hub.idOfSecret(connect.resume);
      hub.counters.resumesMissed++;
    }
    const { client = null } = connect;
    return this.#ifAdmitted(peer, connect, claims, (admission) => {
      const session = this.#create(nativeCodec, { admission, claims, peer, client, formerId });
      return this.#welcome(session, transport, connect, {
        resumed: false,
        ...(admission.data !== undefined && { data: admission.data }),
        granted: [...(admission.channels ?? []), ...(claims?.channels ?? [])],
      });
    });
  }

  /**
   * Begins a session of a protocol that knows no `connect` and no resume.
   *
   * @returns At once, unless a token is to be checked or the app to be asked.
   * @throws ProtocolError where it cannot be.
   */
  openSession(
    codec: Codec,
    { peer, graceMs, token, labels }: {
      readonly peer: Peer;
      readonly graceMs?: number;
      readonly token?: string | undefined;
      readonly labels?: Labels;
    },
  ): Session | Promise<Session> {
    return this.#withClaims(token, (claims) => {
      return this.#ifAdmitted(peer, {}, claims, (admission) => {
        return this.#create(codec, {
          admission,
          claims,
          peer,
          ...(graceMs !== undefined && { graceMs }),
          ...(labels !== undefined && { labels }),
        });
      });
    });
  }

  /** Goes on with what a token says; without one, or where no keys are configured, with `null`. */
  #withClaims(
    token: string | undefined,
    begin: (claims: ConnectionClaims | null) => Session | Promise<Session>,
  ): Session | Promise<Session> {
    const { tokens } = this.commands;
    if (tokens === null || token === undefined) return begin(null);
    return tokens.connection(token).then((verified) => {
      if (verified.ok) return begin(verified.claims);
      const { code, message } = verified;
      const close: Close = code === "token_expired"
        ? CLOSES.tokenExpired
        : ERRORS[code].retry
        ? CLOSES.full
        : CLOSES.refused;
      throw new ProtocolError(code, close, message);
    });
  }

  /** Whose request it is, in a form that outlives the request where that is needed. */
  peerOf({ headers }: Request, address: string): Peer {
    // After an upgrade Deno 2.9 lets nobody read the request's own headers.
    return { address, headers: this.#options.admit === null ? headers : new Headers(headers) };
  }

  /** Every way to a new session leads through here: is there room, and does the app let it in? */
  #ifAdmitted(
    peer: Peer,
    connect: Connect,
    claims: ConnectionClaims | null,
    open: (admission: Admitted) => Session | Promise<Session>,
  ): Session | Promise<Session> {
    const refused = this.noNewSession();
    if (refused !== null) throw refused;
    const { admit, tokenRequired = false } = this.#options;
    if (tokenRequired && claims === null) {
      throw new ProtocolError("bad_token", CLOSES.refused, "Send a token with connect");
    }
    if (admit === null) return open({});
    const id = this.hub.createId();
    const user = claims?.user ?? null;
    return admit(id, peer, { ...connect, user }).then((admission) => {
      if (admission.ok) return open({ ...admission, id });
      const close = admission.code === "connect_refused" ? CLOSES.refused : CLOSES.full;
      throw new ProtocolError(admission.code, close);
    });
  }

  #create(
    codec: Codec,
    { admission: { id, user, seq, channels = [] }, claims, peer, client = null, ...more }: {
      readonly admission: Admitted;
      readonly claims: ConnectionClaims | null;
      readonly peer: Peer;
      readonly client?: string | null;
      readonly formerId?: string | null;
      readonly graceMs?: number;
      readonly labels?: Labels;
    },
  ): Session {
    const { formerId, graceMs, labels } = more;
    const { hub } = this;
    const session = hub.openSession(codec, {
      user: user ?? claims?.user ?? null,
      tokenUser: claims?.user ?? null,
      about: {
        address: peer.address,
        client: client?.slice(0, MAX_CLIENT_LENGTH) ?? null,
        openedAtMs: hub.timeOfDayAt(hub.now()),
      },
      ...(id !== undefined && { id }),
      ...(seq !== undefined && { seq }),
      ...(formerId !== undefined && { formerId }),
      ...(graceMs !== undefined && { graceMs }),
    });
    const enter = (names: readonly string[], info: string | null) => {
      const wanted = names.filter((name) => labels?.has(name) ?? true);
      for (const name of wanted) {
        hub.subscribe(session, name, { label: labels?.get(name) ?? name, info });
      }
      return wanted;
    };
    enter(channels, null);
    if (claims !== null) {
      const wanted = enter(claims.channels, claims.info);
      applyToken(hub, session, { ...claims, channels: wanted });
    }
    return session;
  }

  /** The session that a secret stands for. */
  find(secret: string): Session | null {
    return this.hub.findBySecret(secret, nativeCodec);
  }

  /** Notes how much a session received. @returns Whether it can go on from there on a new transport. */
  goOn(session: Session, received: number): boolean {
    if (received < session.outbox.base || !session.acknowledge(received)) return false;
    session.heard();
    return true;
  }

  /**
   * Says `connected`, and goes on with what waits.
   *
   * @returns At once, unless somebody has to be asked about a channel first.
   */
  #welcome(
    session: Session,
    transport: Transport,
    { subscribe = {} }: Connect,
    { resumed, data, granted = [] }: { resumed: boolean; data?: Json; granted?: readonly string[] },
  ): Session | Promise<Session> {
    const { hub } = this;
    if (resumed) hub.counters.sessionsResumed++;
    const asked = new Set(Object.keys(subscribe).map(channelName));
    const begins = granted.filter((name) => !asked.has(name)).map((name) => {
      // Who is in stays in; who is not hears why.
      const code = hub.subscribe(session, name);
      const text = code === null
        ? subscribedText(hub, session, name, undefined)
        : JSON.stringify({ error: errorBody(code) });
      return `${JSON.stringify(name)}:${text}`;
    });

    const connected = (members: readonly string[]): Session => {
      // The app or the grace time ended it while somebody was asked.
      if (session.ended) throw new ProtocolError("unknown_session", CLOSES.fault);
      if (hub.isTokenOver(session)) {
        hub.wheel.schedule(session, hub.now() + hub.bounds.graceMs);
        throw new ProtocolError("token_expired", CLOSES.tokenExpired);
      }
      session.attach(transport);
      const expires = expiresIn(hub, session);
      const head = JSON.stringify({
        session: session.id,
        resume: hub.secretOf(session),
        resumed,
        from: session.outbox.from,
        lastId: session.lastId,
        ping: hub.bounds.pingMs / 1000,
        maxBytes: this.commands.maxBytes,
        ...(expires !== null && { expires }),
        ...(data !== undefined && { data }),
      });
      const subscribed = [...begins, ...members].join();
      transport.control(`{"connected":${head.slice(0, -1)},"subscribed":{${subscribed}}}}`);
      session.flush();
      return session;
    };

    // It is told why it is over, and nothing else.
    if (session.released) return connected([]);
    let answers: readonly string[] | null = null;
    let later: ((members: readonly string[]) => void) | null = null;
    subscribeAll(this.commands, session, subscribe, { resumed }, (members) => {
      answers = members;
      later?.(members);
    });
    if (answers !== null) return connected(answers);
    // Whoever is asked has a time to answer in: nobody's grace time ends it before.
    hub.wheel.cancel(session);
    return new Promise<readonly string[]>((resolve) => later = resolve).then(connected);
  }
}

/** Whether a token, where there is one, is of the user whose session this is. */
function isSameUser(session: Session, claims: ConnectionClaims | null): boolean {
  return claims === null || claims.user === session.tokenUser;
}

/** The frames that tell a peer without a session why it is turned away. */
export function farewell({ code, close, message }: ProtocolError): string {
  const error = nativeCodec.error(null, errorBody(code, message));
  return `${error}\n${nativeCodec.bye(close)}`;
}

const NO_CORS: Record<string, string> = { vary: "Origin" };

function corsHeaders(origin: string): Record<string, string> {
  return { "access-control-allow-origin": origin, vary: "Origin" };
}
