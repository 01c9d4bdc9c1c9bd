/**
 * The client as TypeScript's compiler sees it, for what a build takes from its types.
 *
 * @module
 */
import ts from "typescript";

const OPTIONS: ts.CompilerOptions = {
  allowImportingTsExtensions: true,
  declaration: true,
  emitDeclarationOnly: true,
  exactOptionalPropertyTypes: true,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  skipLibCheck: true,
  strict: true,
  target: ts.ScriptTarget.ES2022,
  types: [],
};

/** The program of these files and all that they import. Its own errors are `deno check`'s business. */
export function createProgram(paths: readonly string[]): ts.Program {
  return ts.createProgram(paths, OPTIONS);
}
