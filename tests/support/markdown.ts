/** A fenced block of code in a Markdown text. */
export interface CodeBlock {
  /** What stands behind the fence. */
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a Markdown text, in order. */
export function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }));
}

/** What stands under a heading of two or three `#`, up to the next such heading. */
export function section(markdown: string, heading: string): string {
  const parts = markdown.split(/^###? /m);
  const part = parts.find((part) => part.startsWith(`${heading}\n`));
  if (part === undefined) throw new Error(`There is no heading "${heading}"`);
  return part.slice(heading.length + 1);
}

/** The commands in the `sh` blocks of a Markdown text, each on one line and without its comment. */
export function shellCommands(markdown: string): string[] {
  return codeBlocks(markdown)
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => text.replaceAll(/\s*\\\n\s*/g, " ").split("\n"))
    .map((line) => line.replace(/(^|\s+)#.*$/, ""))
    .filter((line) => line !== "");
}

/** Writes other ports for those that stand in a text as its examples. */
export function withPorts(text: string, ports: Readonly<Record<number, number>>): string {
  return text.replaceAll(/\b\d{4}\b/g, (digits) => String(ports[Number(digits)] ?? digits));
}
