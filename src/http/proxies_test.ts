import { assertEquals } from "@std/assert";
import { connectionsBy, parseForwarded, plainAddress, ProxyCounters } from "./proxies.ts";

interface Case {
  readonly trusted?: readonly string[];
  readonly peer?: string;
  readonly headers?: Record<string, string>;
  readonly secure?: boolean;
}

const PEER = "10.0.0.1";

function look({ trusted = ["10.0.0.0/8"], peer = PEER, headers = {}, secure = false }: Case) {
  const counters = new ProxyCounters();
  const connectionOf = connectionsBy({ trusted, secure, counters });
  const request = new Request("https://chloe.example:8443/", { headers });
  return { ...connectionOf(request, peer), ...counters };
}

function addressIs(name: string, address: string, given: Case): void {
  Deno.test(`connectionsBy() takes ${name}`, () => {
    const { remoteAddress, peerAddress, malformed } = look(given);
    assertEquals([remoteAddress, peerAddress, malformed], [address, given.peer ?? PEER, 0]);
  });
}

const XFF = "x-forwarded-for";

addressIs("nobody's word where nobody is trusted", PEER, {
  trusted: [],
  headers: { [XFF]: "192.0.2.1", forwarded: "for=192.0.2.1" },
});
addressIs("no stranger's word", "198.51.100.9", {
  peer: "198.51.100.9",
  headers: { [XFF]: "192.0.2.1", forwarded: "for=192.0.2.1" },
});
addressIs("a trusted proxy's word", "192.0.2.1", { headers: { [XFF]: "192.0.2.1" } });
addressIs("the peer where a trusted proxy says nothing", PEER, {});
addressIs("the last address, which is the proxy's, not what its client wrote", "192.0.2.1", {
  headers: { [XFF]: "127.0.0.1, 203.0.113.5, 192.0.2.1" },
});
addressIs("the last address that is no trusted proxy's", "192.0.2.1", {
  headers: { [XFF]: "127.0.0.1,192.0.2.1, 10.1.1.1 ,10.2.2.2" },
});
addressIs("the first where all are trusted proxies", "10.3.3.3", {
  headers: { [XFF]: "10.3.3.3, 10.1.1.1" },
});
addressIs("addresses with ports, and IPv6 in brackets or without", "2001:db8::1", {
  headers: { [XFF]: "[2001:db8::1]:4711, 10.1.1.1:80" },
});
addressIs("IPv6 as it is", "2001:db8::1", { headers: { [XFF]: "2001:db8::1" } });
addressIs("an IPv4 address in an IPv6 one for what it is", "192.0.2.1", {
  headers: { [XFF]: "::ffff:192.0.2.1" },
});
addressIs("Forwarded", "192.0.2.1", {
  headers: { forwarded: 'for=203.0.113.5, For=192.0.2.1;proto=https;by=_x, for="10.1.1.1:80"' },
});
addressIs("IPv6 in Forwarded", "2001:db8::1", {
  headers: { forwarded: 'for="[2001:db8::1]:4711"' },
});
addressIs("what is nearest to one who does not want to tell", "10.1.1.1", {
  headers: { forwarded: "for=192.0.2.1, for=_hidden, for=10.1.1.1" },
});
addressIs("both headers where they agree", "192.0.2.1", {
  headers: { [XFF]: "192.0.2.1", forwarded: "for=192.0.2.1" },
});
addressIs("the word of who comes by the Unix socket, where that is trusted", "192.0.2.1", {
  trusted: ["unix"],
  peer: "",
  headers: { [XFF]: "192.0.2.1" },
});
addressIs("no word of who comes by the Unix socket, where that is not trusted", "", {
  trusted: ["10.0.0.0/8"],
  peer: "",
  headers: { [XFF]: "192.0.2.1" },
});
addressIs("loopback by its name", "192.0.2.1", {
  trusted: ["loopback"],
  peer: "::1",
  headers: { [XFF]: "192.0.2.1" },
});

for (
  const [what, headers, address] of [
    ["an address that is none", { [XFF]: "nonsense" }, PEER],
    ["an empty address", { [XFF]: "" }, PEER],
    ["a word between two", { [XFF]: "192.0.2.1, <script>, 10.1.1.1" }, "10.1.1.1"],
    ["a port that is none", { [XFF]: "192.0.2.1:http" }, PEER],
    ["half a bracket", { [XFF]: "[2001:db8::1" }, PEER],
    ["a name", { [XFF]: "localhost" }, PEER],
    ["an octet too large", { [XFF]: "192.0.2.256" }, PEER],
    ["a Forwarded that cannot be read", { forwarded: "for=192.0.2.1;;" }, PEER],
    ["a Forwarded that says a thing twice", { forwarded: "for=192.0.2.1;for=192.0.2.2" }, PEER],
    ["a Forwarded that is not closed", { forwarded: 'for="192.0.2.1' }, PEER],
    ["a scheme that is none", { "x-forwarded-proto": "javascript" }, PEER],
    ["a host that is none", { "x-forwarded-host": "a b" }, PEER],
    ["a host with a path", { "x-forwarded-host": "a.example/b" }, PEER],
  ] as const
) {
  Deno.test(`connectionsBy() counts and ignores ${what}`, () => {
    const { remoteAddress, scheme, host, malformed } = look({ headers });
    assertEquals({ remoteAddress, scheme, host, malformed }, {
      remoteAddress: address,
      scheme: undefined,
      host: undefined,
      malformed: 1,
    });
  });
}

Deno.test("connectionsBy() believes neither of two headers that contradict each other", () => {
  // The proxy sets one, and passes on the other as its client wrote it.
  for (
    const headers of [
      { [XFF]: "192.0.2.1", forwarded: "for=127.0.0.1" },
      { [XFF]: "192.0.2.1", "x-forwarded-proto": "http", forwarded: "for=192.0.2.1;proto=https" },
      { "x-forwarded-host": "a.example", forwarded: "for=192.0.2.1;host=b.example" },
    ]
  ) {
    const { remoteAddress, scheme, host, contradictory } = look({ headers });
    assertEquals([remoteAddress, scheme, host, contradictory], [PEER, undefined, undefined, 1]);
  }
});

Deno.test("connectionsBy() tells the scheme and the host that the client knows", () => {
  const proto = "x-forwarded-proto";
  const own = (given: Case) => {
    const { scheme, host } = look(given);
    return [scheme, host];
  };
  assertEquals(own({}), [undefined, undefined]);
  assertEquals(own({ headers: { [proto]: "https", "x-forwarded-host": "a.example:444" } }), [
    "https",
    "a.example:444",
  ]);
  assertEquals(own({ headers: { [proto]: "http, WSS" } }), ["https", undefined]);
  assertEquals(own({ headers: { forwarded: "for=192.0.2.1;proto=http;host=a.example" } }), [
    "http",
    "a.example",
  ]);
  assertEquals(own({ peer: "192.0.2.1", headers: { [proto]: "https" } }), [undefined, undefined]);
  // By TLS itself; without Host, as by HTTP/2, the address has it.
  assertEquals(own({ secure: true }), ["https", "chloe.example:8443"]);
  assertEquals(own({ secure: true, headers: { host: "b.example" } }), ["https", undefined]);
});

Deno.test("parseForwarded() reads quoted values with what they escape", () => {
  assertEquals(parseForwarded('for="a\\"b,c;d" ; proto=http , for=e'), {
    addresses: ['a"b,c;d', "e"],
    scheme: null,
    host: null,
  });
});

Deno.test("plainAddress() takes the IPv4 address out of an IPv6 one, and nothing else", () => {
  assertEquals(plainAddress("::ffff:127.0.0.1"), "127.0.0.1");
  assertEquals(plainAddress("::FFFF:127.0.0.1"), "127.0.0.1");
  for (const address of ["", "::1", "127.0.0.1", "::ffff:7f00:1", "::ffff:1.2.3", "fe80::1"]) {
    assertEquals(plainAddress(address), address);
  }
});

Deno.test("connectionsBy() is not slowed by a header as long as may be", () => {
  // Quadratic work would take minutes over these; the test would not end.
  const long = "1,".repeat(100_000);
  for (
    const headers of [
      { [XFF]: long },
      { forwarded: `for=${'"'.repeat(99_999)}` },
      { forwarded: "a=b;".repeat(50_000) },
      { forwarded: `for="${"\\\\".repeat(50_000)}` },
      { [XFF]: `${"10.0.0.1, ".repeat(50_000)}10.0.0.1` },
      { "x-forwarded-host": `${"a".repeat(200_000)} ` },
    ]
  ) look({ headers: headers as Record<string, string> });
});
