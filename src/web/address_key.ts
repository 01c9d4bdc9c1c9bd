import { BlockList, isIP } from "node:net";
import { isLoopbackAddress } from "./loopback.ts";

/**
 * Ranges whose addresses are nobody's on the internet (RFC 6890, RFC 6598, RFC 4193): behind one of them may
 * be a proxy that speaks for many.
 */
const PRIVATE_RANGES: readonly (readonly [address: string, bits: number])[] = [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["fc00::", 7],
  ["fe80::", 10],
];

let privateList: BlockList | undefined;

/** Whether an address is of this machine or of a private network. */
export function isLocalAddress(address: string): boolean {
  if (isLoopbackAddress(address)) return true;
  const plain = plainAddress(address);
  const version = isIP(plain);
  if (version === 0) return false;
  if (privateList === undefined) {
    privateList = new BlockList();
    for (const [range, bits] of PRIVATE_RANGES) {
      privateList.addSubnet(range, bits, isIP(range) === 4 ? "ipv4" : "ipv6");
    }
  }
  return privateList.check(plain, version === 4 ? "ipv4" : "ipv6");
}

/**
 * By which an address is counted: an IPv4 address is itself. Of IPv6 a household or a server has 2^64
 * addresses at the least, so it is the first half, as `2001:db8:0:1::/64`.
 */
export function addressKey(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [head = "", tail] = plain.split("::") as [string, string?];
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const rest = tail === "" ? [] : tail.split(":");
    // An IPv4 address at the end is two groups.
    const count = rest.length + (tail.includes(".") ? 1 : 0);
    while (groups.length + count < 8) groups.push("0");
    groups.push(...rest);
  }
  const half = groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16));
  return `${half.join(":")}::/64`;
}

/** Without the zone of a link, and without what a socket of both versions puts before IPv4. */
function plainAddress(address: string): string {
  const zone = address.indexOf("%");
  const plain = zone < 0 ? address : address.slice(0, zone);
  return /^::ffff:[\d.]+$/i.test(plain) ? plain.slice("::ffff:".length) : plain;
}
