/** How a request came, as every route is told. */
export interface Connection {
  /**
   * The client's IP address: the peer's, or whom a trusted proxy asks for; `""` where there is none, by a Unix
   * socket.
   */
  readonly remoteAddress: string;
  /** The IP address of the other end of the connection, which may be a proxy's. Default: `remoteAddress`. */
  readonly peerAddress?: string;
  /** How the client speaks with Chloe, or with the trusted proxy; left out where that is not known. */
  readonly scheme?: "http" | "https";
  /** What the client knows Chloe by, where `Host` does not say that. */
  readonly host?: string;
}

/** What the server tells every route of the connection that a request came by. */
export interface RemoteEnv {
  Bindings: Connection;
}
