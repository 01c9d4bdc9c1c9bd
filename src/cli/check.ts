/**
 * `chloe check`: what is wrong with the config, and which of its rules a channel has.
 *
 * @module
 */
import { type ChannelSettings, channelSettings, isOpenWithoutRule } from "../config/channels.ts";
import type { Config } from "../config/schema.ts";
import { ALL_CHANNEL, channelName } from "../protocol/channel_name.ts";
import { CHANNEL_NAME_PROBLEM, firstMatch } from "../protocol/channel_pattern.ts";
import { addCommand, type Cli } from "./command.ts";
import { addConfigOptions, type Options, requireServable } from "./config_options.ts";
import { Failure } from "./failure.ts";
import { complain, say } from "./terminal.ts";

/** Adds the command to the program. */
export function addCheck(cli: Cli): void {
  const channels: string[] = [];
  addConfigOptions(addCommand(cli, "check", (options) => check(options, channels)))
    .description("check the config, and say every problem in it")
    .option("--channel <name>", "say which rule this channel has; may be given again", (name) => {
      channels.push(name);
      return name;
    });
}

async function check(options: Options, channels: readonly string[]): Promise<number> {
  const names = channels.map(readName);
  const { config, warnings, file } = await requireServable(options);
  for (const warning of warnings) complain(`warning: ${warning}`);
  say(file === undefined ? "ok (no config file)" : `ok: ${file}`);
  for (const name of names) say(`${name}: ${describeChannel(config, name)}`);
  return 0;
}

function readName(text: string): string {
  const name = channelName(text);
  if (name === null) throw new Failure(`--channel: ${CHANNEL_NAME_PROBLEM}`, { exitCode: 2 });
  return name;
}

/** Which rule the channel called `name` has, and what that means, on one line. */
export function describeChannel(config: Config, name: string): string {
  const rules = channelSettings(config);
  const index = firstMatch(rules.map(({ pattern }) => pattern))(name);
  const rule = rules[index];
  const which = rule === undefined ? "no rule fits" : `channel[${index}], "${rule.pattern}"`;
  if (name === ALL_CHANNEL) {
    // Nobody chooses to be in it, so of its rule only this counts.
    const slow = SLOW[rule?.slow ?? "close"];
    return `${which}: every session is in it, only the app may publish, keeps no messages, ${slow}`;
  }
  return `${which}: ${rule === undefined ? withoutRule(config) : settingsInWords(rule)}`;
}

function withoutRule(config: Config): string {
  if (isOpenWithoutRule(config)) {
    return `open (there are no rules, and ${config.host} is a loopback address): ` +
      "anybody may subscribe, only the app may publish";
  }
  return config.channel.length > 0
    ? "closed (there are rules, and none is for it)"
    : `closed (there are no rules, and ${config.host} is not a loopback address)`;
}

const AUTHORIZE: Record<ChannelSettings["authorize"], string> = {
  open: "anybody may subscribe",
  token: "who has a token for it may subscribe",
  app: "whom the app admits may subscribe",
  closed: "nobody may subscribe, but whom the app puts in",
};

const SLOW: Record<ChannelSettings["slow"], string> = {
  close: "slow readers are closed",
  drop_oldest: "slow readers lose the oldest messages and are told how many",
  keep_latest: "slow readers get only the newest message",
};

function settingsInWords(rule: ChannelSettings): string {
  const { authorize, clientsPublish, history, presence, slow, maxSubscribers } = rule;
  return [
    AUTHORIZE[authorize],
    clientsPublish ? "browsers may publish" : "only the app may publish",
    history === null
      ? "keeps no messages"
      : `keeps ${counted(history.size, "message")} for ${durationInWords(history.ttlMs)}`,
    presenceInWords(presence),
    SLOW[slow],
    ...(maxSubscribers === Infinity ? [] : [`takes ${counted(maxSubscribers, "session")} at most`]),
  ].join(", ");
}

function presenceInWords(presence: ChannelSettings["presence"]): string {
  if (presence === null) return "does not tell who is there";
  if (presence.names === 0) return "tells how many are there";
  return `tells who is there (up to ${presence.names} by name)`;
}

const UNITS = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1000, "second"],
] as const;

/** In the largest unit of which it is a whole number. */
function durationInWords(ms: number): string {
  const [length, unit] = UNITS.find(([length]) => ms % length === 0) ?? [1, "millisecond"];
  return counted(ms / length, unit);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
