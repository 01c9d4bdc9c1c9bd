/**
 * The files that `tls.cert` and `tls.key` name.
 *
 * @module
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Problem } from "./problems.ts";
import type { Config } from "./schema.ts";

/** A certificate, with those between it and its root, and its private key: both PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
  /** From when and until when the certificate is good, in milliseconds since 1970. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Where a pair is. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** The pair, or everything that keeps it from being one. */
export type TlsReading =
  | { readonly pair: TlsPair; readonly problems?: undefined }
  | { readonly pair?: undefined; readonly problems: readonly Problem[] };

/** A file that is longer is neither. */
const MAX_BYTES = 1024 * 1024;

/** The files that a config names; `null` where it has no TLS. */
export function tlsFiles({ tls: { cert, key } }: Config): TlsFiles | null {
  return cert === undefined || key === undefined ? null : { cert, key };
}

/** Reads both files, and whether they belong together. */
export async function readTlsPair(files: TlsFiles): Promise<TlsReading> {
  const [cert, key] = await Promise.all([
    read("tls.cert", files.cert, "a certificate", parseCertificate),
    read("tls.key", files.key, "a private key", parseKey),
  ]);
  if ("message" in cert || "message" in key) {
    return { problems: [cert, key].filter((each) => "message" in each) };
  }
  if (!cert.parsed.checkPrivateKey(key.parsed)) {
    const message = `${files.key} is not the key of the certificate in ${files.cert}: ` +
      "name the two files that were made together";
    return { problems: [{ path: "tls.key", message }] };
  }
  return {
    pair: {
      cert: cert.text,
      key: key.text,
      fromMs: Date.parse(cert.parsed.validFrom),
      untilMs: Date.parse(cert.parsed.validTo),
    },
  };
}

/** Why browsers refuse a certificate by its dates, or `null`. @param nowMs The time of day. */
export function dateProblem({ fromMs, untilMs }: TlsPair, nowMs: number): string | null {
  if (nowMs > untilMs) return `the certificate ended on ${dateOf(untilMs)}: renew it`;
  return nowMs < fromMs ? `the certificate is good from ${dateOf(fromMs)} on only` : null;
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString();
}

async function read<T>(
  path: string,
  file: string,
  what: string,
  parse: (text: string) => T,
): Promise<{ readonly text: string; readonly parsed: T } | Problem> {
  let text: string;
  try {
    const { size } = await Deno.stat(file);
    if (size > MAX_BYTES) {
      return { path, message: `${file} is over ${MAX_BYTES} bytes: no PEM file` };
    }
    text = await Deno.readTextFile(file);
  } catch (error) {
    return { path, message: `cannot read ${file}: ${whyUnreadable(error)}` };
  }
  try {
    return { text, parsed: parse(text) };
  } catch {
    const help = text.includes("ENCRYPTED")
      ? "it is encrypted, and nobody is there to say the passphrase: 'openssl pkey' takes it off"
      : `it holds no whole PEM block of ${what}`;
    return { path, message: `cannot use ${file}: ${help}` };
  }
}

function parseCertificate(text: string): X509Certificate {
  // Whatever comes before the first block is a comment.
  return new X509Certificate(text.slice(text.indexOf("-----BEGIN CERTIFICATE-----")));
}

function parseKey(text: string) {
  return createPrivateKey(text);
}

function whyUnreadable(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file; check the path";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "the user that Chloe runs as may not; let its group read the file";
  }
  return error instanceof Error ? error.message.replace(/ \(os error \d+\).*/, "") : String(error);
}
