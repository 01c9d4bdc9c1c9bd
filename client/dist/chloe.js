"use strict";
(() => {
  // client/constants.ts
  var CONNECT_TIMEOUT_MS = 15e3;
  var PROBE_MS = 3e3;
  var LOYAL_ROUNDS = 2;
  var STABLE_MS = 5e3;
  var UPGRADE_AFTER_MS = 2e4;
  var UPGRADE_AFTER_MAX_MS = 6e5;
  var BACKOFF_BASE_MS = 500;
  var BACKOFF_CAP_MS = 2e4;
  var LOST = 3;
  var SILENT_PERIODS = 1.5;
  var RENEW_AFTER = 750;
  var UP_TIMEOUT_MS = 15e3;
  var SHORTEST_HOLD_MS = 1e3;
  var ACKNOWLEDGE_FRAMES = 100;
  var ACKNOWLEDGE_LENGTH = 32768;
  var FIRST_MAX_BYTES = 16384;
  var MAX_PENDING_LENGTH = 4194304;
  var PENDING_OVERHEAD = 400;
  var MAX_BUFFERED = 2e4;
  var DRAIN_MS = 100;
  var CHECK_MS = 1e4;
  var ANSWER_MS = 3e3;
  var NO_CONNECT = 3003;
  var TOKEN_EXPIRED = 3006;
  var TAKEN_OVER = 3501;

  // client/backoff.ts
  function backoff(failures, random) {
    return random * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures);
  }
  function within([from, to], random) {
    return from + random * (to - from);
  }

  // client/errors.ts
  var NOBODYS_FAULT = /^(closed|unknown_outcome)$/;
  var ChloeError = class extends Error {
    constructor(code, message, retry = false, channel) {
      super(message);
      this.name = "ChloeError";
      this.code = code;
      this.retry = retry;
      this.channel = channel;
    }
  };
  function fetchToken(give, channel) {
    return Promise.resolve(channel).then(give).catch((error) => {
      throw new ChloeError("no_token", `No token: ${error}`, true, channel);
    });
  }
  function refusal(body, channel) {
    return new ChloeError(body.code, body.message, body.retry, channel);
  }

  // client/transports/transport.ts
  function parse(line) {
    try {
      const frame = JSON.parse(line);
      const isFrame = typeof frame === "object" && !Array.isArray(frame);
      return isFrame && !(frame.error && frame.error.retry === void 0) ? frame : null;
    } catch (e) {
      return null;
    }
  }

  // client/connection.ts
  function createConnection({ base, kinds, environment, session, listener }) {
    const { now, random } = environment;
    let state = "idle";
    let favourite = environment.worked.get(base);
    let failedRounds = 0;
    let round = [];
    let current = null;
    let ready = false;
    let rival = null;
    let refused;
    let failures = 0;
    let openedAt = 0;
    let heardAt = 0;
    let silenceMs = 0;
    let timer;
    let upgradeTimer;
    let upgradeMs = UPGRADE_AFTER_MS;
    let upgrades = 0;
    let unwatch = () => {
    };
    function become(next2, why) {
      state = next2;
      listener.changed(next2, why);
    }
    function after(ms, then) {
      environment.clearTimeout(timer);
      timer = environment.setTimeout(then, ms);
    }
    function limit(ms) {
      after(ms, () => lost("no answer"));
    }
    function begin() {
      drop();
      round = [];
      const waiting = current = {};
      become("connecting");
      const start = () => {
        if (current !== waiting) return;
        round = failedRounds < LOYAL_ROUNDS && kinds.includes(favourite) ? [favourite] : [...kinds];
        next();
      };
      const wait = current === waiting && listener.ready();
      if (!wait) return start();
      limit(CONNECT_TIMEOUT_MS);
      wait.then(start, (error) => current === waiting && lost(String(error)));
    }
    function next() {
      refused = void 0;
      current = { kind: round.shift() };
      limit(round[0] ? PROBE_MS : CONNECT_TIMEOUT_MS);
      dial(current);
    }
    function dial(line) {
      const lostLine = (reason, why) => {
        if (line === current) lost(reason, why);
        else if (line === rival) rival = null;
      };
      try {
        line.transport = line.kind.open({
          base,
          environment,
          connect(isThrough) {
            if (line === rival) {
              rival = null;
              drop();
              current = line;
              limit(PROBE_MS);
            } else if (isThrough) limit(CONNECT_TIMEOUT_MS);
            return listener.connectLine();
          },
          session
        }, {
          text(text) {
            if (line === current) heardAt = now();
            for (const each of text.split("\n")) each && line === current && read2(each);
          },
          lost: lostLine
        });
      } catch (error) {
        lostLine(String(error));
      }
    }
    function upgradeLater() {
      const kind = kinds[upgrades++ % kinds.indexOf(favourite)];
      if (!kind) return;
      environment.clearTimeout(upgradeTimer);
      upgradeTimer = environment.setTimeout(() => {
        upgradeTimer = environment.setTimeout(() => {
          hangUp(rival);
          rival = null;
          if (ready) upgradeLater();
        }, PROBE_MS);
        dial(rival = { kind });
      }, upgradeMs);
      upgradeMs = Math.min(upgradeMs * 2, UPGRADE_AFTER_MAX_MS);
    }
    function read2(line) {
      const frame = parse(line);
      if (!frame) {
        lost("not Chloe");
      } else if (frame.bye) {
        lost(frame.bye.reason, frame.bye);
      } else if (frame.connected) {
        connected(frame.connected);
      } else if (ready) {
        listener.frame(frame, line.length);
      } else if (frame.error) {
        refused = refusal(frame.error);
      }
    }
    function connected(answer) {
      const line = current;
      openedAt = now();
      silenceMs = answer.ping * 1e3 * SILENT_PERIODS;
      environment.worked.set(base, favourite = line.kind);
      failedRounds = 0;
      ready = true;
      const before = state;
      state = "connected";
      watch();
      upgradeLater();
      listener.begun(answer);
      if (current === line && before !== state) become("connected");
    }
    function watch() {
      const left = heardAt + silenceMs - now();
      if (left <= 0) lost("silence");
      else after(left, watch);
    }
    function wake({ type }) {
      if (type === "offline") {
        if (ready) lost(type);
      } else if (state === "waiting") begin();
      else if (ready) watch();
    }
    function hangUp(line, code) {
      if (line && line.transport) line.transport.close(code);
    }
    function drop(code) {
      environment.clearTimeout(timer);
      environment.clearTimeout(upgradeTimer);
      hangUp(rival, code);
      const line = current;
      rival = current = null;
      ready = false;
      hangUp(line, code);
    }
    function lost(reason, { code = 1006, error = refused, reconnect, after: window } = {}) {
      const wasReady = ready;
      drop();
      const closing = { code, reason, error };
      const spoken = error && error.code;
      const expired = code === TOKEN_EXPIRED || spoken === "token_expired";
      const isFinal = expired ? !listener.expired() : code === TAKEN_OVER ? false : reconnect !== void 0 ? !reconnect : error ? !error.retry && spoken !== "unknown_session" && spoken !== "unsupported" : /^(100[389]|3[5-9]..)$/.test(String(code));
      if (isFinal) return end(closing);
      const lasted = wasReady && now() - openedAt >= STABLE_MS;
      if (wasReady) {
        failures = lasted ? LOST : Math.max(failures, LOST);
      } else if (state === "connected") {
        return begin();
      } else {
        const answered = code !== NO_CONNECT && (reconnect || spoken && spoken !== "unsupported");
        if (!answered && round[0]) return next();
        failedRounds++;
      }
      const named = window ? within(window, random()) : 0;
      after(lasted && named || Math.max(named, backoff(failures, random())), begin);
      failures++;
      become("waiting", closing);
    }
    function end(why) {
      drop(why.code);
      unwatch();
      become("closed", why);
    }
    return {
      get state() {
        return state;
      },
      get ready() {
        return ready;
      },
      get acknowledges() {
        return current.kind.acknowledges;
      },
      get transport() {
        return state === "connected" ? current.kind.name : null;
      },
      open() {
        if (state !== "idle" && state !== "closed") return;
        failures = 0;
        unwatch = environment.watch(wake);
        begin();
      },
      send: (line) => current.transport.send(line),
      reopen: lost,
      close: end
    };
  }

  // client/deferred.ts
  function deferred() {
    let resolve;
    let reject;
    const promise = new Promise((yes, no) => {
      resolve = yes;
      reject = no;
    });
    return {
      promise,
      settle(error, value) {
        if (!error) return resolve(value);
        if (error.retry || NOBODYS_FAULT.test(error.code)) promise.catch(() => {
        });
        reject(error);
      }
    };
  }

  // client/environment.ts
  var worked = /* @__PURE__ */ new Map();
  function surroundings() {
    return {
      WebSocket: self.WebSocket,
      fetch: (url, init) => fetch(url, init),
      setTimeout: (callback, ms) => setTimeout(callback, ms),
      clearTimeout: (timer) => clearTimeout(timer),
      worked,
      now: Date.now,
      watch(listener) {
        const each = (call) => {
          if (call) ["online", "offline", "visibilitychange"].map((type) => call(type, listener));
        };
        each(self.addEventListener);
        return () => each(self.removeEventListener);
      },
      random: Math.random,
      report: (error) => {
        if (!("document" in self)) return console.error(error);
        setTimeout(() => {
          throw error;
        });
      }
    };
  }

  // client/handlers.ts
  function createHandlers(report) {
    const guard = (handler, ...args) => {
      try {
        handler(...args);
      } catch (error) {
        report(error);
      }
    };
    const lists = /* @__PURE__ */ new Map();
    const list = (name) => lists.get(name) || [];
    return {
      guard,
      on(name, handler) {
        lists.set(name, [...list(name), handler]);
        return () => {
          lists.set(name, list(name).filter((other) => other !== handler));
        };
      },
      emit(name, ...args) {
        const handlers = list(name);
        for (const handler of handlers) guard(handler, ...args);
        return handlers.length > 0;
      }
    };
  }

  // client/session.ts
  function createSession() {
    let id = null;
    let secret = null;
    let maxBytes = FIRST_MAX_BYTES;
    let received = 0;
    let at = 0;
    let lastId = 0;
    let newFrames = 0;
    let newLength = 0;
    let pending = /* @__PURE__ */ new Map();
    let pendingLength = 0;
    const acknowledge = () => {
      newFrames = newLength = 0;
      return received;
    };
    const lineOf = (id2, body) => `{"id":${id2},${body}}`;
    function command(body, reply, sent) {
      const line = lineOf(lastId + 1, body);
      if (id && new TextEncoder().encode(line).length > maxBytes) {
        return void reply(new ChloeError("too_large", `Send at most ${maxBytes} bytes`));
      }
      if (pendingLength + body.length > MAX_PENDING_LENGTH) {
        return void reply(new ChloeError("queue_full", "Too much waits", true));
      }
      keep(++lastId, { body, reply, sent });
      return line;
    }
    function keep(id2, command2) {
      pending.set(id2, command2);
      pendingLength += command2.body.length + PENDING_OVERHEAD;
    }
    function fail(code) {
      const old = pending;
      pending = /* @__PURE__ */ new Map();
      pendingLength = lastId = 0;
      for (const { body, reply, sent } of old.values()) {
        if (!sent && code !== "closed") command(body, reply, false);
        else reply(new ChloeError(code, "session ended"));
      }
    }
    return {
      get state() {
        return { id, secret, received, lastId, maxBytes };
      },
      restore(state, unanswered) {
        ({ id, secret, received, lastId, maxBytes } = state);
        for (const [id2, body, reply] of unanswered) keep(id2, { body, reply, sent: true });
      },
      resumption: () => secret ? { resume: secret, received: acknowledge() } : {},
      receipt: () => JSON.stringify({ received: acknowledge() }),
      receiptDue: () => newFrames >= ACKNOWLEDGE_FRAMES || newLength >= ACKNOWLEDGE_LENGTH,
      start(connected) {
        maxBytes = connected.maxBytes;
        if (connected.resumed && connected.from > received) return null;
        id = connected.session;
        secret = connected.resume;
        at = connected.from;
        if (!connected.resumed) {
          received = at;
          fail("unknown_outcome");
        }
        const lines = [];
        lastId = connected.lastId;
        for (const [id2, each] of pending) {
          if (id2 <= connected.lastId) continue;
          lastId = id2;
          each.sent = true;
          lines.push(lineOf(id2, each.body));
        }
        return lines;
      },
      countFrom(from) {
        at = from;
      },
      take(length) {
        if (++at <= received) return false;
        received = at;
        newFrames++;
        newLength += length;
        return true;
      },
      command,
      answered(id2) {
        const found = pending.get(id2);
        if (!found) return;
        pending.delete(id2);
        pendingLength -= found.body.length + PENDING_OVERHEAD;
        return found.reply;
      },
      end(code) {
        id = secret = null;
        fail(code);
      }
    };
  }

  // client/version.ts
  var CLIENT = `chloe.js/${true ? "0.1.0" : "source"}`;

  // client/link.ts
  function createLink(given) {
    const { options, environment, listener } = given;
    const session = createSession();
    let token;
    let renewAt = NaN;
    const connection = given.connect({
      ...given,
      session,
      listener: {
        ready,
        expired() {
          token = void 0;
          return typeof options.token === "function";
        },
        connectLine,
        begun,
        frame,
        changed: listener.changed
      }
    });
    function ready() {
      const { token: given2 } = options;
      if (typeof given2 !== "function") token = given2;
      else if (token === void 0) return replace(given2);
      return null;
    }
    function replace(give) {
      return fetchToken(give).then((text) => {
        token = text || null;
      }, (error) => {
        listener.failed(error);
        throw error;
      });
    }
    function renew() {
      const { token: given2 } = options;
      if (!(environment.now() > renewAt) || typeof given2 !== "function") return;
      renewAt = NaN;
      replace(given2).then(() => {
        command(`"refresh":${JSON.stringify({ token })}`, renewLater);
      }, () => {
      });
    }
    function renewLater(_error, { expires } = {}) {
      renewAt = environment.now() + expires * RENEW_AFTER;
    }
    function connectLine() {
      const connect = { token: token || void 0, client: CLIENT, ...session.resumption() };
      const left = session.state.maxBytes - 3 * JSON.stringify({ connect, subscribe: {} }).length;
      return JSON.stringify({ connect: { ...connect, subscribe: listener.forConnect(left) } });
    }
    function begun(answer) {
      const lines = session.start(answer);
      if (!lines) {
        session.end("unknown_outcome");
        return connection.reopen("frames missing");
      }
      for (const line of lines) connection.send(line);
      renewLater(null, answer);
      listener.begun(answer);
    }
    function frame(frame2, length) {
      renew();
      if ("from" in frame2) return session.countFrom(frame2.from);
      const isPing = length === "{}".length;
      const isNew = !isPing && session.take(length);
      if (connection.acknowledges && (isPing || session.receiptDue())) {
        connection.send(session.receipt());
      }
      if (!isNew) return;
      const { id, ok, error } = frame2;
      if (id) {
        const reply = session.answered(id);
        if (reply) reply(error && refusal(error), ok);
      } else if (error) {
        listener.failed(refusal(error));
      } else {
        listener.pushed(frame2);
      }
    }
    function command(body, reply) {
      const { state, ready: ready2 } = connection;
      if (state === "closed") {
        return reply(new ChloeError("closed", "Closed: connect() first"));
      }
      const line = session.command(body, reply, ready2);
      if (line && ready2) connection.send(line);
    }
    return { session, connection, command };
  }

  // client/transports/http.ts
  function openHttp({ environment, base, session }, listener, listen) {
    const abort = new AbortController();
    const outbox = [];
    let posting = false;
    const start = (work) => void Promise.resolve().then(work).catch(fail);
    const fail = (error) => {
      abort.abort();
      listener.lost(String(error), { error: error instanceof ChloeError ? error : void 0 });
    };
    const post = async (path, body) => {
      const response = await environment.fetch(`${base}/chloe/${path}`, {
        method: "POST",
        body,
        signal: abort.signal
      });
      if (response.ok) return response;
      const { error } = parse(await response.text()) || {};
      throw error ? refusal(error) : new Error(`/chloe/${path} answered ${response.status}`);
    };
    const speak = async () => {
      if (posting) return;
      posting = true;
      while (outbox[0]) {
        const timer = environment.setTimeout(() => fail("no answer"), UP_TIMEOUT_MS);
        try {
          await (await post("up", batch(position(session), outbox, 4 * session.state.maxBytes))).text();
        } finally {
          environment.clearTimeout(timer);
        }
      }
      posting = false;
    };
    start(() => listen(post));
    return {
      send(line) {
        outbox.push(line);
        start(speak);
      },
      close: () => abort.abort()
    };
  }
  function position(session) {
    return JSON.stringify(session.resumption());
  }
  function batch(head, outbox, maxBody) {
    let body = head;
    do
      body += "\n" + outbox.shift();
    while (outbox[0] && (body.length + outbox[0].length) * 3 < maxBody);
    return body;
  }

  // client/transports/event_stream.ts
  var eventStream = {
    name: "events",
    acknowledges: true,
    supported: () => self.ReadableStream,
    open(options, listener) {
      return openHttp(options, listener, async (post) => {
        const response = await post("events", options.connect());
        const reader = response.body.getReader();
        const decoder = new TextDecoder();
        let rest = "";
        while (response.ok) {
          const { done, value } = await reader.read();
          if (done) throw new Error("closed");
          const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
          rest = lines.pop();
          for (const line of lines) listener.text(line.replace(/^data: /, ""));
        }
      });
    }
  };

  // client/transports/long_poll.ts
  var longPoll = {
    name: "poll",
    acknowledges: false,
    supported: () => true,
    open(options, listener) {
      const { environment, connect, session } = options;
      return openHttp(options, listener, async (post) => {
        const ask = async (body) => (await post("poll", body)).text();
        listener.text(await ask(connect()) || "nothing");
        for (; ; ) {
          const asked = environment.now();
          const text = await ask(position(session));
          if (text.length > 2) listener.text(text);
          else if (environment.now() - asked < SHORTEST_HOLD_MS) {
            await new Promise((resolve) => environment.setTimeout(resolve, SHORTEST_HOLD_MS));
          }
        }
      });
    }
  };

  // client/transports/websocket.ts
  var OPEN = 1;
  var websocket = {
    name: "websocket",
    acknowledges: true,
    supported: ({ WebSocket }) => WebSocket,
    open
  };
  function open(options, listener) {
    const { environment, base, connect } = options;
    const socket = new environment.WebSocket(`${base.replace(/^http/, "ws")}/chloe/ws`);
    const send = (line) => {
      if (socket.readyState === OPEN) socket.send(line);
    };
    socket.onerror = () => {
    };
    socket.onopen = () => send(connect(true));
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") listener.text(data);
    };
    socket.onclose = ({ code, reason }) => {
      listener.lost(reason || "closed", { code });
    };
    return {
      send,
      close(code) {
        socket.onopen = null;
        socket.close(code);
      }
    };
  }

  // client/options.ts
  var home = { url: null };
  var KINDS = [websocket, eventStream, longPoll];
  function addressOf({ url, host, port }, home2) {
    if (!url && !host && !port && home2) return home2;
    const page = self.location;
    if (url && !/^((http|ws)s?:\/)?\//.test(url)) {
      throw new TypeError(`Not an address of http: ${url}`);
    }
    const address = new URL(
      // The scheme is the page's, where that is http or https: a page that came by https may not speak plainly.
      url || `${/^http/.test(page) ? "" : "http:"}//${host || "localhost"}:${port || 8901}`,
      page
    );
    return (address.origin + address.pathname).replace(/^ws/, "http").replace(/\/+$/, "");
  }
  function homeOf(scriptUrl) {
    const own = /^(https?:\/\/[^?#]+)\/chloe([.-]min)?\.m?js([?#]|$)/.exec(scriptUrl);
    return own && own[1];
  }
  function kindsOf({ transports }, environment) {
    const names = (transports || []).filter((name) => typeof name === "string");
    const kinds = names.map((name) => {
      const kind = KINDS.find((kind2) => kind2.name === name);
      if (!kind) throw new TypeError(`Not a transport: ${name}`);
      return kind;
    });
    const usable = (kinds[0] ? kinds : KINDS).filter((kind) => kind.supported(environment));
    if (!usable[0]) throw new TypeError("No transport");
    return usable;
  }

  // client/tabs/group.ts
  function createGroup(session, term) {
    return { term, session, members: {}, pending: {} };
  }
  function apply(group, event) {
    const { members, pending } = group;
    if ("joined" in event) members[event.joined] = { lastId: 0, channels: [] };
    else if ("left" in event) delete members[event.left];
    else if ("taken" in event) {
      const { taken, as } = event;
      const [name, id, body] = taken;
      pending[as] = taken;
      if (as) group.session = { ...group.session, lastId: as };
      const member = members[name];
      if (!member) return;
      member.lastId = id;
      const { subscribe, unsubscribe } = read(body);
      if (subscribe) member.channels = [...member.channels, subscribe.channel];
      if (unsubscribe) leave(member, unsubscribe.channel);
    } else if ("answered" in event) {
      const { answered, to, frame } = event;
      const taken = pending[answered];
      delete pending[answered];
      if (!taken || !("error" in frame)) return;
      const { subscribe } = read(taken[2]);
      if (subscribe && members[to]) leave(members[to], subscribe.channel);
    } else if ("unsubscribed" in event.pushed) {
      for (const name of Object.keys(members)) leave(members[name], event.pushed.channel);
    }
  }
  function subscribersOf({ members }, channel) {
    const names = Object.keys(members).filter((name) => members[name].channels.includes(channel));
    return names[0] ? names : null;
  }
  function read(body) {
    return JSON.parse(`{${body}}`);
  }
  function leave(member, channel) {
    member.channels = member.channels.filter((other) => other !== channel);
  }

  // client/tabs/hub.ts
  function createTabHub({ base, options, kinds, environment }, { Bus, locks }, name, group) {
    const bus = new Bus(name);
    const term = Math.max(group.term, environment.now()) + Math.random();
    group = { ...JSON.parse(JSON.stringify(group)), term };
    const end = new AbortController();
    const watched = /* @__PURE__ */ new Set();
    const leaving = /* @__PURE__ */ new Set();
    let events = [];
    let why;
    const link = createLink({
      base,
      options,
      kinds,
      environment,
      connect: createConnection,
      listener: {
        forConnect: () => ({}),
        begun,
        pushed,
        failed: (error) => emit({ pushed: { error: plain(error) }, to: null }),
        changed(_state, reason) {
          why = reason && { ...reason, error: reason.error && plain(reason.error) };
          announce();
          for (const member of [...leaving]) if (leaving.delete(member)) leave2(member);
        }
      }
    });
    const { session, connection } = link;
    function post(message) {
      if (!end.signal.aborted) bus.postMessage(message);
    }
    function flush() {
      if (!events[0]) return;
      const { received } = session.state;
      post({ term, events, received });
      events = [];
      group.session = { ...group.session, received };
    }
    function emit(event) {
      apply(group, event);
      if (events.push(event) === 1) void Promise.resolve().then(flush);
    }
    function announce() {
      flush();
      post({ term, state: connection.state, why, group });
    }
    function begun(answer) {
      if (!answer.resumed) {
        flush();
        group = createGroup(session.state, term);
      }
      group.session = session.state;
    }
    function pushed(frame) {
      const { channel } = frame;
      const to = subscribersOf(group, channel);
      const leave3 = `"unsubscribe":${JSON.stringify({ channel })}`;
      const isLeaving = !to && Object.values(group.pending).some((taken) => taken[2] === leave3);
      emit({ pushed: frame, to: isLeaving ? [] : to });
    }
    function watch(member) {
      if (watched.has(member)) return;
      watched.add(member);
      locks.request(`${name} ${member}`, { signal: end.signal }, () => {
        watched.delete(member);
        leave2(member);
      }).catch(() => {
      });
    }
    function leave2(member) {
      const gone = group.members[member];
      if (!gone) return;
      if (connection.state !== "connected") return void leaving.add(member);
      emit({ left: member });
      for (const channel of gone.channels) {
        if (!subscribersOf(group, channel)) {
          issue("", 0, `"unsubscribe":${JSON.stringify({ channel })}`);
        }
      }
    }
    function issue(member, id, body) {
      const as = session.state.lastId + 1;
      emit({ taken: [member, id, body], as });
      flush();
      link.command(body, replyTo(as, member, id));
    }
    function replyTo(as, to, id) {
      return (error, ok) => {
        const answer = error ? { error: plain(error) } : { ok };
        emit({ answered: as, to, frame: { id, ...answer } });
      };
    }
    bus.onmessage = ({ data }) => {
      if (!("from" in data)) {
        if (data.term > term) stop();
        return;
      }
      const { from } = data;
      const known = group.members[from];
      if ("hello" in data) {
        if (connection.state === "connected" && (!known || data.hello !== group.session.secret)) {
          emit({ joined: from });
          watch(from);
        }
        announce();
      } else if (known && connection.ready && data.term === term && data.id === known.lastId + 1) {
        const { id, body } = data;
        const { unsubscribe } = read(body);
        const others = unsubscribe && subscribersOf(group, unsubscribe.channel);
        if (others && others.some((other) => other !== from)) {
          emit({ taken: [from, id, body], as: 0 });
          emit({ answered: 0, to: from, frame: { id, ok: {} } });
        } else {
          issue(from, id, body);
        }
      }
    };
    session.restore(
      group.session,
      Object.keys(group.pending).map((as) => {
        const [member, id, body] = group.pending[+as];
        return [+as, body, replyTo(+as, member, id)];
      })
    );
    for (const member of Object.keys(group.members)) watch(member);
    connection.open();
    function stop() {
      if (end.signal.aborted) return;
      flush();
      end.abort();
      bus.close();
      connection.close({ code: 3e3, reason: "" });
    }
    return stop;
  }
  function plain({ code, message, retry }) {
    return { code, message, retry };
  }

  // client/tabs/platform.ts
  function platformOf(environment) {
    const { BroadcastChannel: platformBus, navigator } = self;
    const { BroadcastChannel: Bus = platformBus, locks = navigator && navigator.locks } = environment;
    return Bus && locks ? { Bus, locks } : null;
  }

  // client/tabs/member.ts
  function createTabConnection(given) {
    const { base, environment, session, listener } = given;
    const platform = platformOf(environment);
    if (!platform) return createConnection(given);
    const { Bus, locks } = platform;
    const name = `chloe ${base}`;
    let me = "";
    let group;
    let state = "idle";
    let bus;
    let stopHub = null;
    let claims = new AbortController();
    let timer;
    let unwatch = () => {
    };
    const post = (message) => bus.postMessage(message);
    const hello = () => post({ from: me, hello: session.state.secret });
    function become(next, why) {
      if (state === next) return;
      state = next;
      listener.changed(next, why);
    }
    function hold(lock, steal, held, lost) {
      const { signal } = claims;
      locks.request(
        lock,
        steal ? { steal } : { signal },
        () => new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve());
          if (signal.aborted) resolve();
          else held();
        })
      ).catch(() => signal.aborted || lost());
    }
    function claim(steal) {
      const { signal } = claims;
      let stop;
      let isLost = false;
      hold(name, steal, () => {
        const lead = () => {
          if (isLost || signal.aborted) return;
          if (stopHub) stopHub();
          stopHub = stop = createTabHub(given, platform, name, group);
        };
        if (group.session.secret) environment.setTimeout(lead, DRAIN_MS);
        else lead();
      }, () => {
        isLost = true;
        if (stop) stop();
        claim(false);
      });
    }
    function check() {
      hello();
      after(ANSWER_MS, () => claim(true));
    }
    function after(ms, then) {
      environment.clearTimeout(timer);
      timer = environment.setTimeout(then, ms);
    }
    function hear({ data }) {
      if ("from" in data || data.term < group.term) return;
      after(CHECK_MS, check);
      if ("events" in data) {
        for (const event of data.events) {
          apply(group, event);
          const isHeard = state === "connected" || "pushed" in event && "error" in event.pushed;
          if (!isHeard) continue;
          if ("answered" in event) event.to === me && take(event.frame);
          else if ("pushed" in event && (!event.to || event.to.includes(me))) take(event.pushed);
        }
        group.session = { ...group.session, received: data.received };
        return;
      }
      const { why } = data;
      group = data.group;
      if (data.state === "connected") return begin();
      if (data.state === "closed") end();
      become(data.state, why && { ...why, error: why.error && refusal(why.error) });
    }
    function take(frame) {
      listener.frame(frame, 3);
    }
    function begin() {
      const { id, secret, maxBytes } = group.session;
      const member = group.members[me];
      const resumed = secret === session.state.secret;
      if (!member) return hello();
      if (state === "connected" && resumed) return;
      state = "connected";
      listener.begun({
        session: id,
        resume: secret,
        resumed,
        from: resumed ? session.state.received : 0,
        lastId: member.lastId,
        ping: 0,
        // The ids of all tabs' commands together may be longer than this one's.
        maxBytes: maxBytes - 16,
        subscribed: {}
      });
      if (state === "connected") listener.changed(state);
    }
    function close(why) {
      end();
      become("closed", why);
    }
    function end() {
      environment.clearTimeout(timer);
      unwatch();
      claims.abort();
      if (stopHub) stopHub();
      if (bus) bus.close();
    }
    return {
      get state() {
        return state;
      },
      get transport() {
        return state === "connected" ? "tabs" : null;
      },
      open() {
        if (state !== "idle" && state !== "closed") return;
        claims = new AbortController();
        me = String(Math.random());
        group = createGroup(session.state, 0);
        bus = new Bus(name);
        bus.onmessage = hear;
        unwatch = environment.watch(check);
        become("connecting");
        hold(`${name} ${me}`, false, () => {
          claim(false);
          check();
        }, () => close({ code: 1006, reason: "no locks" }));
      },
      send: (line) => {
        const { id } = JSON.parse(line);
        post({ from: me, term: group.term, id, body: line.slice(line.indexOf(",") + 1, -1) });
        after(ANSWER_MS, () => claim(true));
      },
      get ready() {
        return state === "connected";
      },
      acknowledges: false,
      reopen: hello,
      close
    };
  }

  // client/subscriptions.ts
  var ALL_CHANNEL = "/all";
  function nameOf(text) {
    return text === ALL_CHANNEL ? text : String(text).replace(/^\//, "");
  }
  function createSubscriptions({ isConnected, command, failed, handlers: { emit, guard } }) {
    const wanted = /* @__PURE__ */ new Map();
    const asked = /* @__PURE__ */ new Map();
    const leaving = [];
    let named = [];
    let hadSession = false;
    function reconcile() {
      if (!isConnected()) return;
      for (const [channel, { subscription }] of asked) {
        if (wanted.get(channel) === subscription) continue;
        asked.delete(channel);
        leaving.push(channel);
        command(`"unsubscribe":${JSON.stringify({ channel })}`, () => {
          leaving.splice(leaving.indexOf(channel), 1);
        });
      }
      for (const subscription of wanted.values()) {
        if (subscription.channel !== ALL_CHANNEL && !asked.has(subscription.channel)) {
          ask(subscription);
        }
      }
    }
    function ask(subscription) {
      const { channel, position: position2, options: { token, info } } = subscription;
      const asking = { subscription };
      const send = (text, error) => {
        if (asked.get(channel) === asking) {
          if (error) answered(subscription, error);
          else if (isConnected()) {
            subscription.recovers = true;
            const body = { channel, since: position2, token: text || void 0, info };
            command(
              `"subscribe":${JSON.stringify(body)}`,
              (error2, ok) => answered(subscription, error2, ok)
            );
          } else asked.delete(channel);
        }
      };
      asked.set(channel, asking);
      if (typeof token !== "function") send(token);
      else fetchToken(token, channel).then(send, (error) => send(null, error));
    }
    function answered(subscription, why, answer = {}) {
      const { channel, began } = subscription;
      if (wanted.get(channel) !== subscription) return;
      if (why) {
        if (NOBODYS_FAULT.test(why.code)) return;
        asked.delete(channel);
        const error = refusal(why, channel);
        if (!began || !why.retry) {
          wanted.delete(channel);
          for (const { ended } of subscription.subscribers) if (ended) ended(error);
        }
        return began ? failed(error) : settle(subscription, error);
      }
      subscription.recovers = false;
      const { epoch, offset, recovered, messages, presence } = answer;
      subscription.position = epoch ? { epoch, offset } : void 0;
      if (began && !recovered) emit("gap", channel, null);
      settle(subscription);
      for (const push of messages || []) deliver({ ...push, channel });
      if (presence) present(subscription, presence);
    }
    function settle(subscription, error) {
      subscription.began = true;
      subscription.start.settle(error);
    }
    function deliver(push) {
      const { channel, data, offset } = push;
      const subscription = wanted.get(channel);
      let isTaken = asked.has(channel) || leaving.includes(channel);
      if (subscription) {
        const { position: position2, subscribers, recovers } = subscription;
        if (position2 && offset) {
          if (recovers) return;
          position2.offset = offset;
        }
        isTaken = false;
        for (const { handler } of subscribers) {
          if (!handler) continue;
          guard(handler, data, push);
          isTaken = true;
        }
      }
      if (!isTaken) emit("message", data, push);
    }
    function present({ subscribers }, who) {
      for (const { presence } of subscribers) if (presence) guard(presence, who);
    }
    return {
      add(text, subscriber) {
        const channel = nameOf(text);
        JSON.stringify(subscriber.info);
        const subscription = wanted.get(channel) || {
          channel,
          subscribers: [],
          options: {},
          start: deferred()
        };
        wanted.set(channel, subscription);
        subscription.subscribers = [...subscription.subscribers, subscriber];
        subscription.options = { ...subscription.options, ...subscriber };
        if (channel === ALL_CHANNEL) settle(subscription);
        else reconcile();
        return subscription.start.promise;
      },
      remove(text, handler) {
        const channel = nameOf(text);
        const subscription = wanted.get(channel);
        if (!subscription) return;
        subscription.subscribers = subscription.subscribers.filter((each) => {
          const stays = handler && each.handler !== handler;
          if (!stays && each.ended) each.ended();
          return stays;
        });
        if (subscription.subscribers[0]) return;
        wanted.delete(channel);
        settle(subscription, new ChloeError("closed", "unsubscribed"));
        reconcile();
      },
      forConnect(left) {
        const subscribe = /* @__PURE__ */ Object.create(null);
        named = [];
        for (const subscription of wanted.values()) {
          const { channel, position: position2, options: { token, info } } = subscription;
          if (channel === ALL_CHANNEL || typeof token === "function") continue;
          const entry = { ...position2, token, info };
          left -= 3 * JSON.stringify([channel, entry]).length;
          if (left < 0) break;
          subscribe[channel] = entry;
          named.push(subscription);
        }
        return subscribe;
      },
      begun({ resumed, subscribed }) {
        if (!resumed) {
          if (hadSession) emit("gap", ALL_CHANNEL, null);
          hadSession = true;
          asked.clear();
          for (const subscription of named) {
            const { channel } = subscription;
            const answer = subscribed[channel];
            if (!answer) continue;
            asked.set(channel, { subscription });
            answered(subscription, answer.error, answer);
          }
        }
        reconcile();
      },
      pushed(frame) {
        if ("data" in frame) return deliver(frame);
        const { channel, unsubscribed, expires, gap, presence } = frame;
        const subscription = wanted.get(channel);
        if (unsubscribed || expires) {
          asked.delete(channel);
          if (expires || unsubscribed.code === "token_expired") reconcile();
          else if (subscription) answered(subscription, unsubscribed);
        } else if (gap) {
          emit("gap", channel, gap.missed);
        } else if (subscription) {
          present(subscription, presence || frame);
        }
      },
      closed(error) {
        for (const subscription of wanted.values()) {
          if (subscription.began) continue;
          wanted.delete(subscription.channel);
          settle(subscription, error);
        }
      }
    };
  }

  // client/client.ts
  function json(value) {
    const text = JSON.stringify(value);
    if (!text) throw new TypeError("not JSON");
    return text;
  }
  function createClient(base, options) {
    const environment = { ...surroundings(), ...options.environment };
    const handlers = createHandlers(environment.report);
    let opening = null;
    const subscriptions = createSubscriptions({
      isConnected: () => connection.state === "connected",
      command: (body, reply) => command(body, reply),
      failed,
      handlers
    });
    const { session, connection, command } = createLink({
      base,
      options,
      environment,
      kinds: kindsOf(options, environment),
      connect: options.shareTabs ? createTabConnection : createConnection,
      listener: { ...subscriptions, failed, changed }
    });
    function connect(callback) {
      const { promise } = opening = opening || deferred();
      if (connection.state === "connected") opened();
      else connection.open();
      if (callback) promise.then(() => handlers.guard(callback), () => {
      });
      return promise;
    }
    function opened(error) {
      const waiting = opening;
      opening = null;
      if (waiting) waiting.settle(error);
    }
    function ask(body, pick) {
      const { promise, settle } = deferred();
      command(body, (error, ok) => settle(error, ok && pick(ok)));
      return promise;
    }
    function failed(error) {
      if (!handlers.emit("error", error)) environment.report(error);
    }
    function changed(state, why) {
      if (state === "closed") {
        const { reason, error } = why;
        const closed = new ChloeError("closed", `Closed: ${reason}`);
        session.end("closed");
        subscriptions.closed(closed);
        opened(error || closed);
      }
      handlers.emit("state", state, why);
      if (state === "connected") opened();
      else if (state === "closed") handlers.emit("close", why);
    }
    return { handlers, session, subscriptions, connection, connect, ask };
  }

  // client/channel.ts
  var Channel = class {
    /** @ignore */
    constructor(core, name) {
      this.core = core;
      this.name = name;
    }
    /**
     * Subscribes, now and after every reconnection. Resolves when Chloe has said yes, rejects with what she said
     * else.
     *
     * @param handler Takes each message; without one, messages go to those of `onmessage`.
     */
    subscribe(handler, options) {
      return this.core.subscriptions.add(this.name, {
        ...options,
        handler
      });
    }
    /** Takes a handler away, or all of them; with the last one the channel is left. */
    unsubscribe(handler) {
      this.core.subscriptions.remove(this.name, handler);
    }
    /**
     * Publishes to all who are in the channel, where its rule lets pages do so. Resolves when Chloe has taken
     * it; rejects with a {@linkcode ChloeError}.
     *
     * @param data Anything that JSON can say; a TypeError is thrown where it cannot.
     */
    publish(data) {
      return this.core.ask(
        `"publish":{"channel":${json(this.name)},"data":${json(data)}}`,
        () => void 0
      );
    }
    /** Asks who is in the channel, where its rule lets pages know. Rejects with a {@linkcode ChloeError}. */
    presence() {
      return this.core.ask(
        `"presence":{"channel":${json(this.name)}}`,
        (ok) => ok
      );
    }
    /**
     * The channel's messages from now on, until the loop is left, the page unsubscribes or the connection is
     * closed. Throws a {@linkcode ChloeError} where the channel is refused, or taken away; `queue_full` where
     * over 20,000 messages wait.
     */
    async *[Symbol.asyncIterator]() {
      const { subscriptions, handlers } = this.core;
      const messages = [];
      let ended = false;
      let failure;
      let wake = () => {
      };
      const end = (why) => {
        ended = true;
        failure = why;
        wake();
      };
      const handler = (_data, message) => {
        if (ended) return;
        if (messages.push(message) > MAX_BUFFERED) {
          messages.length = 0;
          end(new ChloeError("queue_full", "loop too slow"));
        }
        wake();
      };
      const off = handlers.on("close", () => end());
      try {
        subscriptions.add(this.name, { handler, ended: end }).catch(end);
        for (; ; ) {
          while (messages[0]) yield messages.shift();
          if (failure && failure.code !== "closed") throw failure;
          if (ended) return;
          await new Promise((resolve) => wake = resolve);
        }
      } finally {
        off();
        subscriptions.remove(this.name, handler);
      }
    }
  };

  // client/chloe.ts
  var Chloe = class {
    /**
     * @param address Where Chloe is, or all options at once, as in 2011: `{host, port}`.
     * @param options The other options, where the first argument is an address.
     */
    constructor(address = {}, options = {}) {
      const isAddress = typeof address === "string" || address instanceof URL;
      const all = isAddress ? { ...options, url: address } : address;
      this.url = addressOf(all, home.url);
      this.core = createClient(this.url, all);
    }
    /** `idle`, `connecting`, `connected`, `waiting` (for the next try) or `closed`. */
    get state() {
      return this.core.connection.state;
    }
    /** The name of the transport in use, `websocket`, `events` or `poll`, or `tabs` where one is shared; else `null`. */
    get transport() {
      return this.core.connection.transport;
    }
    /** The session's public id, by which an app can name it; `null` while there is none. */
    get session() {
      return this.core.session.state.id;
    }
    /**
     * Connects, and stays connected. Resolves at the first connection, however many tries it takes; rejects
     * when Chloe refuses for good or the page closes it before.
     *
     * @param callback Called once at the first connection, as in 2011.
     */
    connect(callback) {
      return this.core.connect(callback);
    }
    /**
     * Sends data to the app. Resolves with the app's reply, `undefined` where it gave none; rejects with a
     * {@linkcode ChloeError}. Waits for the connection where there is none yet.
     *
     * @typeParam T What the app replies; nobody checks that it does.
     * @param data Anything that JSON can say; a TypeError is thrown where it cannot.
     */
    send(data) {
      return this.core.ask(`"send":{"data":${json(data)}}`, (ok) => ok.data);
    }
    /** A channel by its name, to subscribe to, to publish to, and to loop over. */
    channel(name) {
      return new Channel(this.core, name);
    }
    /**
     * Subscribes to a channel, now and after every reconnection. Resolves when Chloe has said yes, rejects with
     * what she said else. Messages go to this handler then, and not to those of `onmessage`.
     */
    subscribe(channel, handler, options) {
      return this.channel(channel).subscribe(handler, options);
    }
    /** Takes a handler of a channel away, or all of them; with the last one the channel is left. */
    unsubscribe(channel, handler) {
      this.core.subscriptions.remove(channel, handler);
    }
    /** Adds a function for messages to everyone, to this session, or of a channel without a handler. */
    onmessage(handler) {
      this.on("message", handler);
    }
    /** Adds a function for the end: `close` was called, or Chloe wants nobody back. */
    onclose(handler) {
      this.on("close", handler);
    }
    /** Listens for one of {@linkcode ChloeEvents}; the function returned ends that. */
    on(name, handler) {
      return this.core.handlers.on(name, handler);
    }
    /** Ends the session. Subscriptions are kept for another `connect`. */
    close() {
      if (this.state === "closed") return;
      this.core.connection.close({ code: 1e3, reason: "close()" });
    }
  };

  // client/global.ts
  var { document } = self;
  home.url = homeOf(((document || {}).currentScript || {}).src);
  (self.Chloe = Chloe).Error = ChloeError;
})();
//# sourceMappingURL=chloe.js.map
