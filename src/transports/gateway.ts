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
import type { Placement } from "../hub/hub_options.ts";
import type { Page, Session } from "../hub/session.ts";
import type { Transport } from "../hub/transport.ts";
import { BodyReader } from "../web/body_reader.ts";
import { errorResponse } from "../web/errors.ts";
import { type OriginPolicy, type OwnPlace, type PageHeaders, Pages } from "../web/origins.ts";
import type { Connection } from "../web/remote.ts";
import { OriginNotices } from "./origin_notices.ts";
import { type Comer, Room, type RoomSettings } from "./room.ts";
import type { SocketOptions } from "./socket.ts";

const logger = getLogger(["chloe", "transports"]);

/** What a client says that it is is kept for whoever looks after the server, up to so many characters. */
const MAX_CLIENT_LENGTH = 100;

/** What is known of a browser before it has a session. */
export interface Peer extends Comer {
  readonly headers: Headers;
  /** Where its page is from. */
  readonly page: Page | null;
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

/** What of the gateway can be changed while it runs, by `configure`. */
export interface GatewaySettings extends RoomSettings {
  readonly originPolicy: OriginPolicy;
  /** Whether nobody begins a session without a token. */
  readonly tokenRequired?: boolean;
}

/** What the gateway is set up with. */
export interface GatewayOptions extends GatewaySettings {
  readonly hub: Hub;
  readonly commands: CommandContext;
  /** Who is asked about new sessions; `null` where nobody is. */
  readonly admit: Admit | null;
}

/** The way in: every transport asks here whether to take a request, and begins its sessions here. */
export class Gateway {
  readonly hub: Hub;
  readonly commands: CommandContext;
  /** Reads what comes by HTTP. */
  readonly bodies: BodyReader;
  readonly room: Room;
  readonly #admit: Admit | null;
  readonly #pages = new Pages();
  #settings: GatewaySettings;
  /** How many `connect` began. */
  #connects = 0;
  readonly #notices = new OriginNotices();

  constructor(options: GatewayOptions) {
    this.hub = options.hub;
    this.commands = options.commands;
    this.#admit = options.admit;
    this.#settings = options;
    this.room = new Room(options.hub, options);
    this.bodies = new BodyReader({ maxBytes: this.maxMessageBytes });
  }

  /**
   * Puts other settings in force. Sessions of pages whose origin may not connect any more are ended, and told
   * not to come back.
   */
  configure(settings: GatewaySettings): void {
    const { originPolicy } = this.#settings;
    this.#settings = settings;
    this.room.configure(settings);
    if (settings.originPolicy === originPolicy) return;
    const verdicts = new Map<Page, boolean>();
    let count = 0;
    this.hub.flush();
    for (const session of [...this.hub.sessions.values()]) {
      const { page } = session;
      if (page === null || session.released) continue;
      const known = verdicts.get(page);
      const isAllowed = known ?? this.#mayStay(page);
      if (known === undefined) verdicts.set(page, isAllowed);
      if (isAllowed) continue;
      count++;
      session.end(CLOSES.policy);
    }
    if (count > 0) {
      logger.info("Ended {count} sessions of pages whose origin may not connect any more", {
        count,
      });
    }
  }

  #mayStay(page: Page | null): boolean {
    return page === null || this.#settings.originPolicy(page, page.own).allowed;
  }

  /** Whether the app is asked about new sessions, and so may put them into channels. */
  get asksApp(): boolean {
    return this.#admit !== null;
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
    headers: PageHeaders,
    own?: OwnPlace,
  ): { readonly cors: Record<string, string> } | { readonly refusal: Response } {
    const verdict = this.#settings.originPolicy(headers, own);
    if (!verdict.allowed) {
      this.hub.counters.originsRefused++;
      this.#notices.refused(verdict.origin, this.hub.now());
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
      hub.counters.limitsHit.subscriptions++;
      throw new ProtocolError(
        "too_many_subscriptions",
        CLOSES.badFrame,
        `connect.subscribe: names more than ${hub.maxSubscriptions} channels`,
      );
    }
    const order = ++this.#connects;
    return this.#withClaims(connect.token, (claims) => {
      return this.#begin(connect, claims, { peer, transport, order });
    });
  }

  #begin(
    connect: Connect,
    claims: ConnectionClaims | null,
    { peer, transport, order }: {
      readonly peer: Peer;
      readonly transport: Transport;
      readonly order: number;
    },
  ): Session | Promise<Session> {
    const { hub } = this;
    const { page } = peer;
    // Its request was let in a while ago.
    if (!this.#mayStay(page)) throw originRemoved();
    let formerId: string | null = null;
    if (connect.resume !== undefined) {
      const session = this.find(connect.resume);
      const isOwn = session === null || isSameUser(session, claims);
      if (session !== null && isOwn) {
        if (claims === null && hub.isTokenOver(session)) {
          throw new ProtocolError("token_expired", CLOSES.tokenExpired);
        }
        refuseLate(session, connect);
        refuseOvertaken(session, { transport, order });
        if (this.goOn(session, connect.received ?? 0)) {
          session.page = page;
          const granted = claims === null ? [] : applyToken(hub, session, claims);
          return this.#welcome(session, transport, connect, { order, resumed: true, granted });
        }
        endUnreachable(session);
      }
      // Also where too much was let go: what was not for that session is not for the one that follows it.
      if (isOwn) formerId = hub.idOfSecret(connect.resume);
      hub.counters.resumesMissed++;
    }
    const { client = null } = connect;
    return this.#ifAdmitted({ peer, claims }, connect, (admission) => {
      const session = this.#create(nativeCodec, { admission, claims, peer, client, formerId });
      return this.#welcome(session, transport, connect, {
        order,
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
    { peer, graceMs, token, labels, onlyReads = false }: {
      readonly peer: Peer;
      /** Nothing can come from its browser. */
      readonly onlyReads?: boolean;
      readonly graceMs?: number;
      readonly token?: string | undefined;
      readonly labels?: Labels;
    },
  ): Session | Promise<Session> {
    return this.#withClaims(token, (claims) => {
      return this.#ifAdmitted({ peer, claims, onlyReads }, {}, (admission) => {
        const session = this.#create(codec, {
          admission,
          claims,
          peer,
          ...(graceMs !== undefined && { graceMs }),
          ...(labels !== undefined && { labels }),
        });
        if (session.released) throw originRemoved();
        return session;
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

  /**
   * Whose request it is, in a form that outlives the request where that is needed.
   *
   * @param entered The headers by which it was let in, where they are not its own.
   */
  peerOf({ headers }: Request, connection: Connection, entered: PageHeaders = headers): Peer {
    const { remoteAddress: address } = connection;
    return {
      address,
      addressKey: this.room.keyOf(address),
      // After an upgrade Deno 2.9 lets nobody read the request's own headers.
      headers: this.#admit === null ? headers : new Headers(headers),
      page: this.#pages.of(entered, connection),
    };
  }

  /** What a peer's socket is made with. */
  socketOptions({ addressKey }: Peer): SocketOptions {
    return { hub: this.hub, addressKey, maxEarlyLength: this.maxMessageBytes };
  }

  /** Every way to a new session leads through here: is there room, and does the app let it in? */
  #ifAdmitted(
    { peer, claims, onlyReads = false }: {
      readonly peer: Peer;
      readonly claims: ConnectionClaims | null;
      readonly onlyReads?: boolean;
    },
    connect: Connect,
    open: (admission: Admitted) => Session | Promise<Session>,
  ): Session | Promise<Session> {
    if (this.commands.draining) throw new ProtocolError("shutting_down", CLOSES.shutdown);
    const refused = this.room.noSession(peer, { onlyReads });
    if (refused !== null) throw refused;
    const { tokenRequired = false } = this.#settings;
    const admit = this.#admit;
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
      addressKey: peer.addressKey,
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
    session.page = peer.page;
    const enter = (names: readonly string[], placement: Placement) => {
      const wanted = names.filter((name) => labels?.has(name) ?? true);
      for (const name of wanted) {
        hub.subscribe(session, name, { label: labels?.get(name) ?? name, ...placement });
      }
      return wanted;
    };
    enter(channels, { byApp: true });
    if (claims !== null) {
      const wanted = enter(claims.channels, { info: claims.info });
      applyToken(hub, session, { ...claims, channels: wanted });
    }
    // The app was asked, and has to hear that it is over.
    if (!this.#mayStay(peer.page)) session.end(CLOSES.policy);
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
    connect: Connect,
    { order, resumed, data, granted = [] }: {
      readonly order: number;
      readonly resumed: boolean;
      readonly data?: Json;
      readonly granted?: readonly string[];
    },
  ): Session | Promise<Session> {
    const { hub } = this;
    if (resumed) hub.counters.sessionsResumed++;
    const { subscribe = {}, received = 0 } = connect;
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
      if (resumed) {
        try {
          refuseOvertaken(session, { transport, order });
        } catch (error) {
          hub.wheel.schedule(session, hub.now() + hub.bounds.graceMs);
          throw error;
        }
      }
      // Meanwhile the old transport may have taken so much, unheard, that what its page lacks was let go.
      if (resumed && received < session.outbox.base) {
        hub.wheel.schedule(session, hub.now() + hub.bounds.graceMs);
        refuseLate(session, connect);
        endUnreachable(session);
        throw new ProtocolError("unknown_session", CLOSES.fault);
      }
      if (hub.isTokenOver(session)) {
        hub.wheel.schedule(session, hub.now() + hub.bounds.graceMs);
        throw new ProtocolError("token_expired", CLOSES.tokenExpired);
      }
      session.pingMs = hub.bounds.pingMs;
      session.connectOrder = order;
      session.attach(transport);
      const expires = expiresIn(hub, session);
      const head = JSON.stringify({
        session: session.id,
        resume: hub.secretOf(session),
        resumed,
        from: session.outbox.from,
        lastId: session.lastId,
        ping: session.pingMs / 1000,
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

/**
 * Refuses a `connect` that says less than its page said since: it comes late, and its page listens to another
 * transport.
 */
function refuseLate(session: Session, { received = Infinity }: Connect): void {
  if (received < session.outbox.acknowledged) {
    throw new ProtocolError("taken_over", CLOSES.replaced);
  }
}

/**
 * Refuses a `connect` whose page gave it up while its token was checked or the app was asked: it is gone, or has
 * gone on by one that began later. What it listens to now is not to be taken from it.
 */
function refuseOvertaken(
  session: Session,
  { transport, order }: { readonly transport: Transport; readonly order: number },
): void {
  if (order < session.connectOrder || !transport.writable) {
    throw new ProtocolError("taken_over", CLOSES.replaced);
  }
}

/** Ends a session to which its page cannot come back any more. */
function endUnreachable(session: Session): void {
  session.end(session.transport === null ? null : CLOSES.replaced);
}

/** The frames that tell a peer without a session why it is turned away. */
export function farewell({ code, close, message }: ProtocolError): string {
  const error = nativeCodec.error(null, errorBody(code, message));
  return `${error}\n${nativeCodec.bye(close)}`;
}

function originRemoved(): ProtocolError {
  return new ProtocolError(
    "connect_refused",
    CLOSES.policy,
    "Pages of that origin may not connect here any more",
  );
}

const NO_CORS: Record<string, string> = { vary: "Origin" };

function corsHeaders(origin: string): Record<string, string> {
  return { "access-control-allow-origin": origin, vary: "Origin" };
}
