const PATIENCE_MS = 60_000;

/**
 * Waits for `promise`, and says what was waited for where it does not come. The time is a safety net, far
 * beyond what a loaded machine needs: no test may depend on it.
 */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited in vain for ${what}`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const ASK_AGAIN_MS = 10;

/**
 * Asks `attempt` again and again until it gives something other than `undefined`: for what a server says only
 * when it is asked.
 */
export async function eventually<T>(
  attempt: () => Promise<T | undefined>,
  what: string,
): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
    if (performance.now() > end) throw new Error(`Waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}
