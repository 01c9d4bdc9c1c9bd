/// <reference lib="dom" />
import { byId } from "./dom.ts";

/** Fills in the command and the snippet with this server's own address. */
export function showExamples({ origin, isGuarded }: { origin: string; isGuarded: boolean }): void {
  const key = isGuarded ? " -H 'authorization: Bearer <your api key>' \\\n " : "";
  byId("curl").textContent = `curl${key} -d 'data=hello' \\\n  ${origin}/send`;
  byId("snippet").textContent = `<script src="${origin}/chloe.js"></script>
<script>
  const chloe = new Chloe();
  chloe.onmessage((data) => console.log(data));
  chloe.connect(() => chloe.send("hello, app"));
</script>`;
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copy]")) {
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button: HTMLButtonElement): Promise<void> {
  const code = byId(button.dataset.copy!);
  try {
    await navigator.clipboard.writeText(code.textContent!);
    button.textContent = "Copied";
  } catch {
    // Only pages of https and of this machine may write to the clipboard.
    getSelection()!.selectAllChildren(code);
    button.textContent = "Selected: copy it with your keyboard";
  }
  setTimeout(() => button.textContent = "Copy", 3000);
}
