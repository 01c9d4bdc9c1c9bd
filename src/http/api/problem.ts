import type { z } from "@hono/zod-openapi";

/** A member's name as a stranger wrote it is shown up to here. */
const SHOWN = 40;

/** What a part of a request is called in a message. */
const WHOLE: Readonly<Record<string, string>> = {
  json: "body: must be a JSON object",
  query: "query: cannot be read",
  param: "path: cannot be read",
};

/**
 * What is wrong with a part of a request, with the name of the member first.
 *
 * @param part As Hono calls it: `json`, `query` or `param`.
 */
export function problemText(part: string, { issues }: Pick<z.ZodError, "issues">): string {
  const [issue] = issues;
  if (issue === undefined) return WHOLE[part] ?? "cannot be read";
  if (issue.code === "unrecognized_keys") {
    const where = part === "query"
      ? "this address has no such parameter"
      : "no such member is known";
    return `${shown(issue.keys[0] ?? "")}: ${where}`;
  }
  if (issue.path.length === 0) return WHOLE[part] ?? issue.message;
  return `${issue.path.map(String).join(".")}: ${issue.message}`;
}

function shown(name: string): string {
  return JSON.stringify(name.length > SHOWN ? `${name.slice(0, SHOWN)}...` : name);
}
