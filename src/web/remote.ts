/** What the server tells every route of the connection that a request came by. */
export interface RemoteEnv {
  Bindings: {
    /** The peer's IP address; `""` where there is none. */
    readonly remoteAddress: string;
  };
}
