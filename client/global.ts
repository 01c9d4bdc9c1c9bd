/**
 * The entry of chloe.js as a classic script: it defines the global `Chloe`.
 *
 * @module
 */
import { Chloe } from "./chloe.ts";
import { ChloeError } from "./errors.ts";
import { home, homeOf } from "./options.ts";

const { document } = globalThis as { document?: { currentScript?: { src?: string } | null } };
home.url = homeOf(((document || {}).currentScript || {}).src);

type Global = typeof Chloe & { Error?: typeof ChloeError };
((globalThis as { Chloe?: Global }).Chloe = Chloe as Global).Error = ChloeError;
