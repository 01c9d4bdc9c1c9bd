/**
 * Certificates, made by openssl when a test asks for one.
 *
 * @module
 */
import { findProgram } from "./programs.ts";

const OPENSSL = findProgram("OPENSSL", ["/usr/bin/openssl", "/opt/homebrew/bin/openssl"]);

/** Whether a test that needs openssl is passed over. Never where `CI` is set. */
export const isOpensslMissing = !Deno.env.get("CI") && OPENSSL === null;

/** A certificate and its key: PEM. */
export interface MadePair {
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a certificate that is signed by its own key.
 *
 * @param names What it is for, besides 127.0.0.1: `DNS:chloe.test`.
 */
export async function makeCertificate(
  { names = [] }: { readonly names?: readonly string[] } = {},
): Promise<MadePair> {
  if (OPENSSL === null) throw new Error("Cannot make a certificate: install openssl");
  const folder = await Deno.makeTempDir({ prefix: "chloe_cert_" });
  try {
    const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
    const { success, stderr } = await new Deno.Command(OPENSSL, {
      args: [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
        ...["-days", "2", "-subj", "/CN=chloe.test", "-keyout", key, "-out", cert],
        // Without it openssl makes an authority, which Deno's own client takes for no server.
        ...["-addext", "basicConstraints=critical,CA:FALSE"],
        ...["-addext", `subjectAltName=${["IP:127.0.0.1", ...names].join()}`],
      ],
      stdin: "null",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A folder with a pair in it, which can be replaced. Disposing removes it. */
export class CertificateFolder implements AsyncDisposable {
  readonly path: string;
  readonly cert: string;
  readonly key: string;

  private constructor(path: string) {
    this.path = path;
    this.cert = `${path}/cert.pem`;
    this.key = `${path}/key.pem`;
  }

  static async with(pair: MadePair): Promise<CertificateFolder> {
    const folder = new CertificateFolder(await Deno.makeTempDir({ prefix: "chloe_tls_" }));
    await folder.put(pair);
    return folder;
  }

  /** What stands in `tls` of a config. */
  get files(): { readonly cert: string; readonly key: string } {
    return { cert: this.cert, key: this.key };
  }

  /** Replaces each file in one step, as whoever renews certificates does. */
  async put(pair: Partial<MadePair>): Promise<void> {
    for (const [name, text] of Object.entries(pair)) {
      const file = `${this.path}/${name}.pem`;
      await Deno.writeTextFile(`${file}.new`, text);
      await Deno.rename(`${file}.new`, file);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Connects by TLS to a server whose certificate is one of these. */
export function connectTls(port: number, ...certs: readonly string[]): Promise<Deno.TlsConn> {
  return Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [...certs] });
}

/** Whether a server shows this certificate to who comes now. */
export async function shows(port: number, cert: string): Promise<boolean> {
  const conn = await connectTls(port, cert);
  try {
    await conn.handshake();
    return true;
  } catch {
    return false;
  } finally {
    conn.close();
  }
}
