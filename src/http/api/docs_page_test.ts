import { assert, assertStringIncludes } from "@std/assert";
import { docsPage } from "./docs_page.ts";
import type { Document } from "./document.ts";

Deno.test("docsPage() takes whatever stands in the document for text", () => {
  const bad = `<script>"x"</script>`;
  const page = docsPage({
    openapi: "3.1.0",
    info: { title: bad, version: bad, description: bad },
    tags: [{ name: bad, description: bad }],
    components: { schemas: { [bad]: { type: "string", enum: [bad], description: bad } } },
    paths: {
      [`/${bad}/{x}`]: {
        post: {
          operationId: bad,
          tags: [bad],
          summary: bad,
          description: `\`${bad}\``,
          parameters: [
            { name: bad, in: "path", required: true, description: bad, schema: { type: "string" } },
            { name: "x", in: "path", required: true, schema: { type: "string", example: bad } },
          ],
          requestBody: {
            content: {
              [bad]: { schema: { $ref: `#/components/schemas/${bad}` } },
              "application/json": {
                schema: {
                  type: "object",
                  properties: { [bad]: { type: "string", example: "it's" } },
                },
              },
            },
          },
          responses: { [bad]: { description: bad, content: { [bad]: { schema: {} } } } },
        },
      },
    },
  } as unknown as Document);
  assert(!/<script|="[^"]*<|<[^>]*"x"/.test(page));
  assertStringIncludes(page, "&#60;script&#62;");
  // A shell takes the example's body for one word.
  assertStringIncludes(page, `it&#39;\\&#39;&#39;s`);
});
