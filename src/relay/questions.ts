import type { Json } from "../protocol/frames.ts";

/** What the app is told of a session that wants to open. */
export interface ConnectRequest {
  readonly origin: string | null;
  readonly address: string;
  /** What the client says that it is. */
  readonly client: string | null;
  /** The headers that `app.forward_headers` names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Whether a session may open. */
export type Admission =
  | {
    readonly ok: true;
    readonly user?: string;
    readonly channels?: readonly string[];
    readonly data?: Json;
  }
  | {
    readonly ok: false;
    readonly code: "connect_refused" | "app_unreachable" | "busy" | "shutting_down";
  };

/** What the app is told of a session that wants to be in a channel. */
export interface SubscribeRequest {
  readonly channel: string;
  /** What the browser wants the channel's presence to show of it: JSON text on one line. */
  readonly info?: string;
}

/** Whether a session may be in a channel. */
export type SubscribeOutcome =
  | {
    readonly ok: true;
    /** What the presence is to show in place of what the browser gave: JSON text. */
    readonly info?: string;
  }
  | {
    readonly ok: false;
    readonly code: "forbidden" | "app_unreachable" | "busy" | "shutting_down";
  };
