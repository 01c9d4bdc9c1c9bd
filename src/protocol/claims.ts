/**
 * What users' tokens say: tokens are read in one room, and what they say is done in others.
 *
 * @module
 */
/** What a connection's token says. */
export interface ConnectionClaims {
  /** The claim `sub`; `null` where there is none. */
  readonly user: string | null;
  /** The channels to join, each once, as `channelName` spells them. */
  readonly channels: readonly string[];
  /** What others see of the user in presence, as JSON text of at most 1 KiB. */
  readonly info: string | null;
  /** When the token ends, in milliseconds since 1970; `null` where it does not. */
  readonly expiresAtMs: number | null;
}

/** What a channel's token says. */
export interface ChannelClaims {
  /** As in {@linkcode ConnectionClaims}, for this channel. */
  readonly info: string | null;
  readonly expiresAtMs: number | null;
}
