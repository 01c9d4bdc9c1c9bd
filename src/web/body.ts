/** How much of a body is taken, and for how long it is waited for. */
export interface BodyBounds {
  readonly maxBytes: number;
  /** From the first look to the last byte, in milliseconds. Default: 10 s. */
  readonly timeoutMs?: number;
}

/** A body, or why it was not taken. */
export type Body =
  | { readonly ok: true; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly ok: false; readonly status: 408 | 413 };

const TIMEOUT_MS = 10_000;

/**
 * Reads a request's body within bounds. Deno itself waits for ever for a body that stalls.
 *
 * A body that is refused is not read on; answer it with `connection: close`.
 */
export async function readBody(
  request: Request,
  { maxBytes, timeoutMs = TIMEOUT_MS }: BodyBounds,
): Promise<Body> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) {
    return { ok: false, status: 413 };
  }
  if (request.body === null) return { ok: true, bytes: new Uint8Array() };
  const reader = request.body.getReader();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    reader.cancel().catch(() => {}); // the peer may be gone, which is as good
  }, timeoutMs);
  try {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (late) return { ok: false, status: 408 };
      if (done) break;
      length += value.length;
      if (length > maxBytes) {
        reader.cancel().catch(() => {});
        return { ok: false, status: 413 };
      }
      chunks.push(value);
    }
    if (chunks.length === 1) return { ok: true, bytes: chunks[0] as Uint8Array<ArrayBuffer> };
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return { ok: true, bytes };
  } catch {
    // The peer broke off: whatever is answered, nobody reads it.
    return { ok: false, status: 408 };
  } finally {
    clearTimeout(timer);
  }
}
