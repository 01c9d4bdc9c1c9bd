/** The path of the program that an environment variable names, or of the first that is installed. */
export function findProgram(variable: string, paths: readonly string[]): string | null {
  const named = Deno.env.get(variable);
  return (named ? [named] : paths).find(exists) ?? null;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
