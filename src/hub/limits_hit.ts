/**
 * How often each limit refused, dropped or closed something, as plain numbers by fixed names: read on demand,
 * never reset. docs/limits.md says which key of the config each belongs to.
 */
export class LimitsHit {
  /** Connections refused: as many as may be are there, in all or from that address. */
  connections = 0;
  connectionsPerAddress = 0;
  /** Sessions refused for the same reasons: they outlive their connections. */
  sessions = 0;
  sessionsPerAddress = 0;
  /** Connections and sessions refused because of what their address sent before. */
  banned = 0;
  /** Subscriptions refused: in as many channels as one may be, in a channel that is full. */
  subscriptions = 0;
  maxSubscribers = 0;
  /** Lines and bodies refused, and connections closed, because they were too long. */
  maxBytesRefused = 0;
  maxBytesClosed = 0;
  /** Messages of browsers refused because they were too long. */
  messageBytes = 0;
  /** Commands refused, and sessions ended, because they came too fast. */
  commandsRefused = 0;
  framesClosed = 0;
  /** Slow readers: sessions ended, and messages dropped where the channel's rule says so. */
  unwrittenBytesClosed = 0;
  unwrittenBytesDropped = 0;
  /** Entries let go before they were acknowledged: a resume from before them is not possible. */
  unacknowledgedBytesTrimmed = 0;
  /** What was done because too much was queued in all: entries trimmed, sessions ended, messages refused. */
  queuedBytesTrimmed = 0;
  queuedBytesClosed = 0;
  queuedBytesRefused = 0;
  /** Requests to `/send` refused because its key was used too often. */
  sendPerSecond = 0;
}
