import { BlockList, isIP } from "node:net";
import { isLoopbackAddress } from "../web/loopback.ts";

/** Whether an IP address is in a list. */
export type AddressList = (address: string) => boolean;

/**
 * A list of IP addresses (`192.0.2.1`), ranges (`10.0.0.0/8`, `fd00::/8`) and `loopback`.
 *
 * @throws TypeError where a text is none of these.
 */
export function addressList(ranges: readonly string[]): AddressList {
  const list = new BlockList();
  let hasLoopback = false;
  for (const range of ranges) {
    if (range === "loopback") hasLoopback = true;
    else add(list, range);
  }
  return function includes(address) {
    if (hasLoopback && isLoopbackAddress(address)) return true;
    const plain = withoutMapping(address);
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 4 ? "ipv4" : "ipv6");
  };
}

function add(list: BlockList, range: string): void {
  const [address = "", bits, ...rest] = range.split("/");
  const version = isIP(address);
  const maxBits = version === 4 ? 32 : 128;
  const isGood = version !== 0 && rest.length === 0 &&
    (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= maxBits));
  if (!isGood) {
    throw new TypeError(`Cannot read a list of addresses: ${range} is no IP address and no range`);
  }
  list.addSubnet(address, Number(bits ?? maxBits), version === 4 ? "ipv4" : "ipv6");
}

/** `::ffff:192.0.2.1` is how a socket that takes both versions names an IPv4 peer. */
function withoutMapping(address: string): string {
  return /^::ffff:[\d.]+$/i.test(address) ? address.slice("::ffff:".length) : address;
}
