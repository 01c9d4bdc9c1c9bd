import { assertEquals, assertRejects } from "@std/assert";
import { createProgram } from "./client_program.ts";
import { publicTypes } from "./client_types.ts";

/** The public types of a module `mod.ts` among these files. */
async function typesOf(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${root}/${name}`, text);
    }
    return publicTypes(createProgram([`${root}/mod.ts`]), `${root}/mod.ts`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("publicTypes() gives what is exported and what that needs, as one file", async () => {
  const types = await typesOf({
    "mod.ts": `/**
 * A module.
 *
 * @module
 */
import { Thing } from "./thing.ts";
export type { Options } from "./options.ts";
export type { Made } from "./thing.ts";
export { Thing };
Thing.count = 1;
`,
    "thing.ts": `import type { Code } from "./codes.ts";
import type { Inner } from "./inner.ts";
import type { Options } from "./options.ts";
/** A thing. */
export class Thing {
  static count = 0;
  /** Nobody's business. */
  private readonly inner: Inner;
  /** @ignore */
  constructor(inner: Inner) {
    this.inner = inner;
  }
  /** Does it. */
  do(options: Options): Code {
    return this.inner.code;
  }
}
export class Made {
  #inner = 1;
  readonly shown = this.#inner;
}
`,
    "options.ts": `/** How. */
export interface Options {
  /** Where. */
  where?: string;
  /** @ignore For tests. */
  inner?: import("./inner.ts").Inner;
}
`,
    "inner.ts": `import type { Code } from "./codes.ts";
export interface Inner { code: Code }
`,
    "codes.ts": `const TABLE = { one: { text: "One" }, two: { text: "Two" } } as const;
/** A code. */
export type Code = keyof typeof TABLE;
`,
  });
  assertEquals(
    types,
    `/**
 * A module.
 *
 * @module
 */

/** How. */
export interface Options {
  /** Where. */
  where?: string;
}

declare class Made {
  readonly shown: number;
}

/** A thing. */
export declare class Thing {
  static count: number;
  private constructor();
  /** Does it. */
  do(options: Options): Code;
}

/** A code. */
type Code =
  | "one"
  | "two";

export type { Made };
`,
  );
});

Deno.test("publicTypes() refuses two declarations of one name", async () => {
  const files = {
    "mod.ts": `import type { Same } from "./a.ts";
import type { Other } from "./b.ts";
export interface Both { a: Same; b: Other }
`,
    "a.ts": "export interface Same { a: 1 }\n",
    "b.ts": "interface Same { b: 1 }\nexport interface Other { same: Same }\n",
  };
  await assertRejects(() => typesOf(files), Error, "Same is declared twice");
});
