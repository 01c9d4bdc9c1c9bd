import type { LegacyMessage } from "../../protocol/legacy.ts";
import { ALL_CHANNEL } from "../../protocol/channel_name.ts";
import { enter } from "../../hub/admission.ts";
import { countFrame, dataText, mayCommand, sendToApp } from "../../hub/commands.ts";
import type { Session } from "../../hub/session.ts";
import type { Gateway } from "../gateway.ts";

/**
 * Does what a message asks: `channel-subscribe` subscribes, any other type goes to the app. Protocol 1 has no
 * words for a refusal; it is counted.
 *
 * @throws ProtocolError where far too many came.
 */
export function takeLegacyMessage(
  gateway: Gateway,
  session: Session,
  message: LegacyMessage,
): void {
  const { hub, commands } = gateway;
  countFrame(commands, session);
  session.heard();
  if (!mayCommand(commands, session)) {
    hub.counters.framesRefused++;
    return;
  }
  if (message.type === "channel-subscribe") {
    const label = message.channel ?? "";
    // Everybody is in /all already.
    if (label === ALL_CHANNEL) return;
    return enter(commands, session, label, { label }, (_name, refusal) => {
      if (refusal !== null) hub.counters.refuseFrame(refusal.code);
    });
  }
  const data = dataText(commands, message.data);
  if (data === null) {
    hub.counters.refuseFrame("too_large");
    return;
  }
  sendToApp(commands, session, data, (outcome) => {
    if (!outcome.ok) hub.counters.refuseFrame(outcome.code);
  });
}
