import { assertEquals } from "@std/assert";
import { innerMembers } from "./client_names.ts";
import { createProgram } from "./client_program.ts";

/** The members of a client of one file that may be renamed, with a protocol beside it. */
async function innerOf(
  source: string,
  { publicTypes = "", protocol = "" } = {},
): Promise<string[]> {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${root}/client`);
    await Deno.writeTextFile(`${root}/protocol.ts`, `export {};\n${protocol}`);
    await Deno.writeTextFile(`${root}/client/client.ts`, `import "../protocol.ts";\n${source}`);
    const program = createProgram([`${root}/client/client.ts`]);
    return innerMembers(program, { folder: `${root}/client/`, publicTypes });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("innerMembers() finds the members that only the client itself says", async () => {
  const source = `
    interface Inner { readonly alpha: number; beta(): void; next(): void; log: string }
    class Holder { constructor(private readonly gamma: Inner, readonly shown: number) {} }
    const { alpha, beta: renamed } = new Holder({ alpha: 1, beta() {}, next() {}, log: "" }, 2).gamma;
    const all = new Map<string, Inner>();
    all.set("x", { alpha, beta: renamed, next() {}, log: "" });
    for (const { alpha: delta } of [...all.values()].filter((each) => each.beta)) delta;
  `;
  assertEquals(
    await innerOf(source, {
      publicTypes: "export interface Public { shown: number }",
      protocol: "export interface Wire { readonly log: string }",
    }),
    ["alpha", "beta", "gamma"],
  );
});

Deno.test("innerMembers() leaves alone what leaves the client, and what comes from outside", async () => {
  const source = `
    const request = { method: "POST", own: 1 };
    fetch("/", request);
    interface Told { said: { deep: { deepest: string } } }
    const told: Told = { said: { deep: { deepest: "" } } };
    JSON.stringify(told);
    const channel = new BroadcastChannel("x");
    const toTab = { toTab: [{ inList: 1 }] };
    channel.postMessage([toTab]);
    interface Heard { heard: { inside: number } }
    const heard: Heard = JSON.parse("{}");
    const cast = JSON.parse("{}") as { cast: number };
    cast.cast;
    JSON.parse("{}").looked;
    ({ looked: 1, fine: 2 }).fine;
    shout({ shouted: 1 });
    function shout<T>(value: T): void {
      tell({ wrapped: value });
    }
    function tell<T>(value: T): void {
      JSON.stringify(value);
    }
    const unknown = JSON.parse("");
    const handed = { handed: 1 };
    unknown.take(handed);
    const isMessage = (data: unknown): data is { tested: 1 } => Boolean(data);
    const { view } = globalThis as { view?: { partOfView?: string } };
    const part: { body: { deepInPage: number } | null } = document as never;
    const element: { style: { cssText: string } } | null = document.body;
    new EventTarget().addEventListener("x", { handleEvent() {} });
    const listener = (event: { readonly key: string }) => event.key;
    addEventListener("storage", listener as (event: StorageEvent) => void);
  `;
  assertEquals(await innerOf(source), ["fine"]);
});

Deno.test("innerMembers() leaves alone what is looked up by a name made while it runs", async () => {
  const source = `
    const table = { one: { fine: 1 }, two: { fine: 2 } };
    const pick = (name: keyof typeof table) => table[name].fine;
    pick("one");
    const listed = { three: 1 };
    for (const name in listed) name;
    const entries = { four: 1 };
    Object.keys(entries);
    const quoted = { "five": 1, six: 2 };
    quoted.five;
    quoted["six"];
    const asked = { seven: 1 };
    "seven" in asked;
    const inList = [{ good: 1 }];
    inList[inList.length - 1]!.good;
  `;
  // What is not looked up by its own name is kept with it: that costs little, and cannot break.
  assertEquals(await innerOf(source), ["good"]);
});

Deno.test("innerMembers() leaves alone what stands for the platform's types", () => {
  const program = createProgram([new URL("../client/global.ts", import.meta.url).pathname]);
  const folder = new URL("../client/", import.meta.url).pathname;
  const names = innerMembers(program, { folder, publicTypes: "" });
  for (const name of ["steal", "signal", "request", "postMessage"]) {
    assertEquals(names.includes(name), false, name);
  }
});
