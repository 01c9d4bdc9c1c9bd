import { assert, assertEquals } from "@std/assert";
import { signedBy } from "../support/signed.ts";
import { startReloadable } from "../support/reloadable.ts";
import { eventually, within } from "../support/within.ts";
import { LeanSocket, Refused } from "./lean_socket.ts";
import { linesOf, many, openSession } from "./sessions.ts";

const CLIENTS = 1000;
/** Each tenth client's page is of the origin that is going to be taken from the list. */
const IS_LEAVING = (index: number) => index % 10 === 0;
/** Each third client is in the channel that is going to be closed as well. */
const IS_VIP = (index: number) => index % 3 === 0;
/** Messages between one reload and the next. */
const BETWEEN = 10;
const END = "end";

const OLD = `whsec_${btoa("the old secret of 24 bytes or so")}`;
const NEW = `whsec_${btoa("the new secret of 24 bytes or so")}`;
const STAYING = "https://stays.example";
const LEAVING = "https://goes.example";

function config(
  { secrets, origins, vip }: {
    readonly secrets: readonly string[];
    readonly origins: readonly string[];
    readonly vip: string;
  },
): string {
  return [
    `secret = ${JSON.stringify(secrets)}`,
    `origins = ${JSON.stringify(origins)}`,
    `[[channel]]\npattern = "vip"\nauthorize = "${vip}"`,
    `[[channel]]\npattern = "news"\nhistory = { size = 100 }`,
  ].join("\n");
}

/** Sends the next number on a connection that is kept, signed. */
async function send(url: string, secret: string, data: unknown): Promise<number> {
  const body = JSON.stringify({ channel: "news", data });
  const response = await fetch(`${url}/send`, {
    method: "POST",
    headers: { "content-type": "application/json", ...signedBy(secret, body) },
    body,
  });
  await response.body?.cancel();
  return response.status;
}

/** What a client saw: the data of each message, then how it ended. */
interface Seen {
  readonly data: unknown[];
  readonly unsubscribed: string[];
  bye: number | null;
  closeCode: number | null;
}

async function watch(socket: LeanSocket): Promise<Seen> {
  const seen: Seen = { data: [], unsubscribed: [], bye: null, closeCode: null };
  for await (const line of linesOf(socket)) {
    const frame = JSON.parse(line);
    if (frame.bye !== undefined) seen.bye = frame.bye.code;
    else if (frame.unsubscribed !== undefined) {
      seen.unsubscribed.push(`${frame.channel} ${frame.unsubscribed.code}`);
    } else {
      seen.data.push(frame.data);
      if (frame.data === END) break;
    }
  }
  seen.closeCode = socket.closeCode;
  return seen;
}

Deno.test("reloads under 1,000 clients drop nobody and nothing but what the new rules forbid", async () => {
  const both = { secrets: [OLD], origins: [STAYING, LEAVING], vip: "open" };
  await using chloe = await startReloadable(config(both));
  const sockets = await many(CLIENTS, (index) => {
    const origin = IS_LEAVING(index) ? LEAVING : STAYING;
    return openSession(chloe, IS_VIP(index) ? ["news", "vip"] : ["news"], { origin });
  });
  const all = Promise.all(sockets.map(watch));

  let secret = OLD;
  let sent = 0;
  let isOver = false;
  const statuses = new Set<number>();
  const sending = (async () => {
    while (!isOver) {
      statuses.add(await send(chloe.url, secret, sent));
      sent++;
    }
  })();
  const goOn = async () => {
    const target = sent + BETWEEN;
    await eventually(() => Promise.resolve(sent >= target || undefined), "more messages");
  };

  await goOn();
  const rotating = await chloe.reload(config({ ...both, secrets: [NEW, OLD] }));
  assertEquals(rotating.changed, ["secret"]);
  secret = NEW;
  await goOn();
  const invalid = await chloe.reload(
    `${config({ ...both, secrets: ["none"], origins: [] })}\nx = 1`,
  );
  assertEquals(invalid.ok, false);
  await goOn();
  const removed = await chloe.reload(
    config({ secrets: [NEW], origins: [STAYING], vip: "closed" }),
  );
  assertEquals(removed.changed, ["secret", "origins", "channel"]);
  await goOn();
  isOver = true;
  await sending;
  assertEquals(await send(chloe.url, OLD, "forged"), 401);
  assertEquals(await send(chloe.url, NEW, END), 200);
  assertEquals([...statuses], [200]);

  const clients = await within(all, "the end of every client");
  const numbers = Array.from({ length: sent }, (_, n) => n);
  for (const [index, { data, unsubscribed, bye, closeCode }] of clients.entries()) {
    if (IS_LEAVING(index)) {
      assertEquals([bye, closeCode], [1008, 1008]);
      // All until then, in order, and nothing from after.
      assertEquals(data, numbers.slice(0, data.length));
      assert(data.length >= 3 * BETWEEN && data.length <= sent - BETWEEN);
    } else {
      assertEquals([data, bye, closeCode], [[...numbers, END], null, null]);
      assertEquals(unsubscribed, IS_VIP(index) ? ["vip revoked"] : []);
    }
  }
  const late = await LeanSocket.open(chloe, { origin: LEAVING }).catch((error) => error);
  assert(late instanceof Refused);
  for (const socket of sockets) socket.drop();
});
