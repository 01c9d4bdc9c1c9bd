import { assertEquals } from "@std/assert";

/** Checks that no page complained. */
export function assertNoErrors(...pages: readonly { readonly errors: readonly string[] }[]): void {
  assertEquals(pages.flatMap(({ errors }) => errors), []);
}

/** A web server of its own origin, with HTML pages by path. */
export function servePages(pages: Readonly<Record<string, string>>) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    const html = pages[pathname];
    if (pathname === "/favicon.ico") return new Response(null, { status: 204 });
    return html === undefined
      ? new Response(null, { status: 404 })
      : new Response(html, { headers: { "content-type": "text/html; charset=utf-8" } });
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
