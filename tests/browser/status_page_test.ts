import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startChloe } from "../support/chloe_process.ts";
import { type ChromiumPage, chromiumTest } from "../support/chromium.ts";
import { assertNoErrors } from "../support/web_pages.ts";

const TRANSPORTS = [["WebSocket", "WebSocket"], ["Long-poll", "long-poll"]] as const;

/** POSTs to everyone, as the curl line of the page does. */
async function send(url: string, data: string): Promise<void> {
  const response = await fetch(`${url}/send`, {
    method: "POST",
    body: new URLSearchParams({ data }),
  });
  assertEquals(await response.text(), "success");
}

async function say(page: ChromiumPage, line: string): Promise<void> {
  await page.getByLabel("A line to send").fill(line);
  await page.getByRole("button", { name: "Send" }).click();
}

for (const [label, name] of TRANSPORTS) {
  chromiumTest(`status page: a line's round trip by ${name}`, async (browser) => {
    await using chloe = await startChloe({ args: ["--demo"] });
    const page = await browser.open(`${chloe.url}/`);
    await page.getByRole("heading", { name: "Chloe is up" }).waitFor();
    await page.getByText(label, { exact: true }).click();
    await page.getByText(`Connected by ${name}`).waitFor();
    await say(page, "Ohai <b>Chloe</b>!");
    await page.getByText(`There and back by ${name} in`).waitFor();

    const line = page.locator("#lines li");
    assertEquals(await line.count(), 1);
    assertEquals(await line.locator(".text").textContent(), "Ohai <b>Chloe</b>!");
    assertMatch(
      await line.locator(".about").textContent() ?? "",
      new RegExp(`^You${name}, .* m?s$`),
    );
    const legs = await page.locator("#journey .leg-name").allTextContents();
    assertEquals(legs, [name, "signed POST", "in the app", `POST, ${name}`]);
    for (const time of await page.locator("#journey .leg-time").allTextContents()) {
      assertMatch(time, /^(under )?[\d.]+ ms$/);
    }
    assertNoErrors(page);
  });
}

chromiumTest("status page: lines of others and of /send appear, as text", async (browser) => {
  await using chloe = await startChloe({ args: ["--demo"] });
  const mine = await browser.open(`${chloe.url}/`);
  const theirs = await browser.open(`${chloe.url}/`);
  for (const page of [mine, theirs]) await page.getByText("Connected by").waitFor();
  await say(theirs, "from next door");
  await mine.locator("#lines li", { hasText: "from next door" }).getByText("Another visitor")
    .waitFor();
  await send(chloe.url, "<img src=x onerror=alert(1)>");
  for (const page of [mine, theirs]) {
    const line = page.locator("#lines li", { hasText: "<img src=x onerror=alert(1)>" });
    await line.getByText("By /send").waitFor();
  }
  assertNoErrors(mine, theirs);
});

chromiumTest(
  "status page: without the demo app it tells whether this browser can connect",
  async (browser) => {
    await using chloe = await startChloe();
    const page = await browser.open(`${chloe.url}/`, { viewport: { width: 390, height: 844 } });
    await page.getByText("Yes: by WebSocket").waitFor();
    assert(await page.getByLabel("A line to send").isHidden());
    await page.getByText("Long-poll", { exact: true }).click();
    await page.getByText("Yes: by long-poll").waitFor();
    assertStringIncludes(await page.locator("#curl").textContent() ?? "", `${chloe.url}/send`);
    await send(chloe.url, "hello");
    await page.locator("#lines li", { hasText: "hello" }).waitFor();
    assertEquals(await page.evaluate("document.documentElement.scrollWidth"), 390);
    assertNoErrors(page);
  },
);

chromiumTest("status page: a Chloe that stopped is told, and so is her return", async (browser) => {
  const first = await startChloe({ args: ["--demo"] });
  const page = await browser.open(`${first.url}/`);
  await page.getByText("Connected by WebSocket").waitFor();
  await first.stop();
  await page.getByRole("alert").getByText("This page lost its connection.").waitFor();
  await page.getByRole("heading", { name: "Chloe is out of reach" }).waitFor();
  await using second = await startChloe({
    command: ["serve", `--port=${first.port}`, "--log-format=json", "--demo"],
  });
  await page.getByText("Connected by").waitFor();
  await page.getByRole("heading", { name: "Chloe is up" }).waitFor();
  assert(await page.getByRole("alert").isHidden());
  await say(page, "welcome back");
  await page.getByText("There and back by").waitFor();
  assertEquals(second.port, first.port);
});
