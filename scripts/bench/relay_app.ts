/**
 * The app of the relay's load: it takes messages `<session>:<number>:...`, and `GET /` tells how many it took and
 * how many of them did not follow the one before.
 *
 * @module
 */
if (import.meta.main) {
  const last = new Map<string, number>();
  let taken = 0;
  let unsigned = 0;
  let disordered = 0;
  Deno.serve(
    { hostname: "127.0.0.1", port: Number(Deno.args[0]), onListen: () => {} },
    async (request) => {
      if (request.method === "GET") return Response.json({ taken, unsigned, disordered });
      const { data } = await request.json();
      const [session, number] = String(data).split(":") as [string, string];
      if (!request.headers.get("webhook-signature")?.startsWith("v1,")) unsigned++;
      if (Number(number) !== (last.get(session) ?? 0) + 1) disordered++;
      last.set(session, Number(number));
      taken++;
      return new Response(null, { status: 204 });
    },
  );
}
