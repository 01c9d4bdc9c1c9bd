import { assertEquals } from "@std/assert";
import { dateProblem, readTlsPair } from "./tls_files.ts";

Deno.test("dateProblem() says of a certificate's dates what a browser will say", () => {
  const [fromMs, untilMs] = [Date.UTC(2026, 0, 1), Date.UTC(2026, 3, 1)];
  const at = (nowMs: number) => dateProblem({ cert: "", key: "", fromMs, untilMs }, nowMs);
  assertEquals([at(fromMs), at(untilMs)], [null, null]);
  assertEquals(at(untilMs + 1), "the certificate ended on 2026-04-01T00:00:00.000Z: renew it");
  assertEquals(at(fromMs - 1), "the certificate is good from 2026-01-01T00:00:00.000Z on only");
});

Deno.test("readTlsPair() says all that is wrong with both files, and none of what is in them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
    await Deno.writeTextFile(cert, "-----BEGIN CERTIFICATE-----\nhidden\n");
    await Deno.writeTextFile(key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhidden\n");
    const { problems } = await readTlsPair({ cert, key });
    assertEquals(problems, [
      {
        path: "tls.cert",
        message: `cannot use ${cert}: it holds no whole PEM block of a certificate`,
      },
      {
        path: "tls.key",
        message: `cannot use ${key}: it is encrypted, and nobody is there to say the passphrase: ` +
          "'openssl pkey' takes it off",
      },
    ]);
    await Deno.truncate(cert, 2 * 1024 * 1024);
    const long = await readTlsPair({ cert, key: `${folder}/none` });
    assertEquals(long.problems, [
      { path: "tls.cert", message: `${cert} is over 1048576 bytes: no PEM file` },
      {
        path: "tls.key",
        message: `cannot read ${folder}/none: there is no such file; check the path`,
      },
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
