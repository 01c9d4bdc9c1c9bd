import { createHash } from "node:crypto";
import type { Document } from "./document.ts";
import { REFUSALS } from "./operation.ts";
import { pageHeaders } from "../page_headers.ts";
import { DOCS_STYLE } from "./docs_style.ts";

/** The headers that the page is served with: it may show its own style, and nothing else. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  ...pageHeaders([
    `style-src 'sha256-${createHash("sha256").update(DOCS_STYLE).digest("base64")}'`,
  ]),
};

/** Where the examples' server is. */
const SERVER = "http://localhost:8901";

const METHODS = ["get", "post", "put", "patch", "delete"] as const;
const MAX_DEPTH = 4;

// What is read of the document, which `makeDocument` wrote.

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly example?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<
    Record<string, { readonly $ref?: string; readonly description?: string; content?: Content }>
  >;
}

interface Endpoint extends Operation {
  readonly method: string;
  readonly path: string;
}

/** A page for a person, of the OpenAPI document. It holds no script, and takes nothing from elsewhere. */
export function docsPage(document: Document): string {
  const { info, tags = [] } = document;
  const page = new Page(document as unknown as { components: Components });
  const endpoints = endpointsOf(document);
  const of = (tag: string) => endpoints.filter(({ tags }) => tags[0] === tag);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Chloe's control API</title>
<style>${DOCS_STYLE}</style>
</head>
<body>
<header>
<h1>Chloe's control API</h1>
<p class="facts">Version <strong>${escape(info.version)}</strong> ·
<a href="/api/openapi.json">openapi.json</a> for programs</p>
${paragraphs(info.description ?? "")}
</header>
<nav aria-label="Endpoints">
${
    tags.map(({ name }) => `<h2>${escape(name)}</h2>\n<ul>${of(name).map(link).join("")}</ul>`)
      .join("\n")
  }
</nav>
<main>
${
    tags.map(({ name, description = "" }) =>
      `<section>\n<h2>${escape(name)}</h2>\n${paragraphs(description)}\n` +
      of(name).map((endpoint) => page.article(endpoint)).join("\n") + "\n</section>"
    ).join("\n")
  }
<section id="refusals">
<h2>Refusals</h2>
<article>${refusalList()}</article>
</section>
</main>
</body>
</html>
`;
}

function endpointsOf({ paths = {} }: Document): Endpoint[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = (item as Record<string, unknown> | undefined)?.[method];
      return operation === undefined ? [] : [{ ...operation as Operation, method, path }];
    })
  );
}

function link({ operationId, method, path }: Endpoint): string {
  return `<li><a href="#${escape(operationId)}">${badge(method)} <code>${
    path_(path)
  }</code></a></li>`;
}

function badge(method: string): string {
  return `<b class="method ${escape(method)}">${escape(method.toUpperCase())}</b>`;
}

/** A path that may break behind its slashes. */
function path_(path: string): string {
  return escape(path).replaceAll("/", "/<wbr>");
}

interface Components {
  readonly schemas?: Readonly<Record<string, Schema>>;
}

/** Writes the parts of the page that refer to the document's components. */
class Page {
  readonly #components: Components;

  constructor({ components }: { readonly components: Components }) {
    this.#components = components;
  }

  article(endpoint: Endpoint): string {
    const { operationId, method, path, summary, description = "", parameters = [] } = endpoint;
    const body = Object.entries(endpoint.requestBody?.content ?? {});
    const isOpen = endpoint.security?.length === 0;
    return `<article id="${escape(operationId)}">
<h3>${escape(summary)}</h3>
<p class="path">${badge(method)} <code>${path_(path)}</code></p>
${paragraphs(description + (isOpen ? "\n\nFor everybody: it asks for no key." : ""))}
${parameters.length === 0 ? "" : `<h4>Parameters</h4>\n${this.#parameters(parameters)}`}
${
      body.map(([type, { schema }]) =>
        `<h4>Body <code>${escape(type)}</code></h4>\n${this.#shape(schema)}`
      )
        .join("\n")
    }
<h4>Answers</h4>
${this.#answers(endpoint.responses)}
<h4>Example</h4>
<pre><code>${escape(this.#curl(endpoint))}</code></pre>
</article>`;
  }

  #parameters(parameters: readonly Parameter[]): string {
    return list(parameters.map(({ name, in: where, required = false, description, schema }) => ({
      name: `<code>${escape(name)}</code>`,
      type: `${typeText(this.#resolve(schema))}, in the ${where}${required ? "" : ", optional"}`,
      text: description ?? schema.description ?? "",
    })));
  }

  #answers(responses: Operation["responses"]): string {
    const all = Object.entries(responses);
    const own = all.filter(([, { $ref }]) => $ref === undefined);
    const shared = all.filter(([, { $ref }]) => $ref !== undefined).map(([status]) => status);
    const rows = own.map(([status, { description = "", content = {} }]) => ({
      name: `<b>${escape(status)}</b>`,
      type: Object.keys(content).join(" or "),
      text: description,
      more: Object.values(content).map(({ schema }) => this.#shape(schema)).join("\n"),
    }));
    const refused = shared.length === 0
      ? ""
      : `<p>Refused with <a href="#refusals">${shared.map(escape).join(", ")}</a>.</p>`;
    return list(rows) + refused;
  }

  /** What a schema holds, a line a member. */
  #shape(schema: Schema): string {
    const items = [...this.#members(schema, "", 0)];
    return items.length === 0 ? "" : list(items);
  }

  *#members(schema: Schema, path: string, depth: number): Iterable<Item> {
    if (depth > MAX_DEPTH) return;
    const { properties = {}, required = [], items, anyOf } = this.#resolve(schema);
    for (const [name, member] of Object.entries(properties)) {
      const at = path === "" ? name : `${path}.${name}`;
      const plain = this.#resolve(member);
      yield {
        name: `<code>${escape(at)}</code>`,
        type: typeText(plain) + (required.includes(name) ? "" : ", optional"),
        text: member.description ?? plain.description ?? "",
      };
      yield* this.#members(plain, at, depth + 1);
    }
    if (items !== undefined) yield* this.#members(items, `${path}[]`, depth + 1);
    // Of alternatives the first is told: the others are lists of it, or null.
    if (anyOf !== undefined) yield* this.#members(anyOf[0]!, path, depth + 1);
  }

  #resolve(schema: Schema): Schema {
    if (schema.$ref !== undefined) {
      return this.#resolve(this.#components.schemas?.[lastOf(schema.$ref)] ?? {});
    }
    return schema.allOf === undefined
      ? schema
      : Object.assign({}, ...schema.allOf.map((part) => this.#resolve(part)), schema);
  }

  /** A command that asks for it. */
  #curl({ method, path, parameters = [], requestBody, responses, security }: Endpoint): string {
    const lines: string[] = [];
    const words = ["curl"];
    if (responses["200"]?.content?.["text/event-stream"] !== undefined) words.push("-N");
    if (method !== "get" && !(method === "post" && requestBody !== undefined)) {
      words.push("-X", method.toUpperCase());
    }
    if (security?.length !== 0) lines.push(`-H ${quoted("authorization: Bearer chk_...")}`);
    const schema = requestBody?.content["application/json"]?.schema;
    if (schema !== undefined) {
      lines.push(`-H ${quoted("content-type: application/json")}`);
      lines.push(`-d ${quoted(JSON.stringify(this.#example(schema) ?? {}))}`);
    }
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
      const parameter = parameters.find((each) => each.name === name);
      return encodeURIComponent(String(parameter?.schema.example ?? name));
    });
    return [words.join(" "), ...lines, quoted(SERVER + filled)].join(" \\\n  ");
  }

  /** A value that fits: of its examples, and what it cannot be without. */
  #example(schema: Schema): unknown {
    const plain = this.#resolve(schema);
    if (plain.example !== undefined) return plain.example;
    if (plain.anyOf !== undefined) return this.#example(plain.anyOf[0]!);
    if (plain.properties !== undefined) {
      const members = Object.entries(plain.properties).map(([name, member]) => {
        return [name, this.#example(member)] as const;
      });
      return Object.fromEntries(members.filter(([, value]) => value !== undefined));
    }
    return undefined;
  }
}

interface Item {
  /** HTML. */
  readonly name: string;
  readonly type: string;
  readonly text: string;
  /** HTML. */
  readonly more?: string;
}

function list(items: readonly Item[]): string {
  const rows = items.map(({ name, type, text, more = "" }) =>
    `<dt>${name} <span>${escape(type)}</span></dt>\n<dd>${inline(text)}${more}</dd>`
  );
  return `<dl>\n${rows.join("\n")}\n</dl>`;
}

function typeText(schema: Schema): string {
  const { type, enum: values, format, default: fallback, minimum, maximum, items, anyOf } = schema;
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeText))].join(" or ");
  const types = [type ?? []].flat();
  const name = values !== undefined
    ? values.map((value) => JSON.stringify(value)).join(" or ")
    : types.length === 0
    ? "any JSON"
    : types.map((each) =>
      each === "array" && items?.type ? `list of ${items.type}` : TYPES[each] ?? each
    )
      .join(" or ");
  const hasRange = minimum !== undefined && maximum !== undefined && maximum <= 1_000_000;
  const range = hasRange ? ` ${minimum} to ${maximum}` : "";
  const kind = format === "date-time" ? ", a time" : "";
  return `${name}${range}${kind}${
    fallback === undefined ? "" : `, default ${JSON.stringify(fallback)}`
  }`;
}

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  boolean: "true or false",
  array: "list",
};

/** What the operations refuse with, as they all do. */
function refusalList(): string {
  return list(
    Object.entries(REFUSALS).map(([status, [name, text]]) => {
      return { name: `<b>${status}</b>`, type: name, text };
    }),
  );
}

function lastOf(ref: string): string {
  return ref.slice(ref.lastIndexOf("/") + 1);
}

/** A word of a shell command. */
function quoted(word: string): string {
  return /^[\w.:/%-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function paragraphs(text: string): string {
  return text.split("\n\n").filter((part) => part !== "").map((part) => `<p>${inline(part)}</p>`)
    .join("\n");
}

/** Text in which `code` stands between backticks. */
function inline(text: string): string {
  return escape(text).replace(/`([^`]+)`/g, "<code>$1</code>");
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
