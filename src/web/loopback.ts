/** Whether a host name, without port, can only mean this machine. Brackets around IPv6 are allowed. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").toLowerCase();
  return name === "localhost" || name.endsWith(".localhost") || isLoopbackAddress(name);
}

/** Whether an address is one of this machine's own: 127.0.0.0/8, ::1, or the former mapped into IPv6. */
export function isLoopbackAddress(address: string): boolean {
  const plain = address.toLowerCase().replace(/^::ffff:/, "");
  return plain === "::1" || /^127(\.\d{1,3}){3}$/.test(plain);
}

/** The host of a `Host` header's value, without its port; `null` where it is no host. */
export function hostName(header: string | null): string | null {
  if (header === null) return null;
  try {
    return new URL(`http://${header}`).hostname;
  } catch {
    return null;
  }
}
